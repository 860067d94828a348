/* Matrix product as the definition has it, with sums in double. */
#include "base/parallel.h"
#include "kernels/variants.h"

/* Columns summed at a time */
enum { BLOCK = 64 };

typedef struct problem {
    const eff_gemm_shape *s;
    real *c;
    const real *a, *b;
} problem;

static size_t no_scratch(const eff_gemm_shape *s)
{
    (void)s;
    return 0;
}

static void run_block(const problem *p, int64_t i, int64_t first, int64_t columns)
{
    const eff_gemm_shape *s = p->s;
    int64_t across = s->transpose_b ? s->k : 1, down = s->transpose_b ? 1 : s->n;
    real *c = p->c + i * s->n + first;
    double sum[BLOCK];
    for (int64_t j = 0; j < columns; j++) sum[j] = s->accumulate ? c[j] : 0;
    for (int64_t l = 0; l < s->k; l++) {
        double a = s->transpose_a ? p->a[l * s->m + i] : p->a[i * s->k + l];
        for (int64_t j = 0; j < columns; j++) sum[j] += a * p->b[l * down + (first + j) * across];
    }
    for (int64_t j = 0; j < columns; j++) c[j] = (real)sum[j];
}

static void run_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const problem *p = context;
    for (int64_t j = 0; j < p->s->n; j += BLOCK)
        run_block(p, i, j, p->s->n - j < BLOCK ? p->s->n - j : BLOCK);
}

static void run(real *c, const real *a, const real *b, const eff_gemm_shape *s, void *scratch)
{
    (void)scratch;
    problem p = {s, c, a, b};
    eff_parallel_for(s->m, run_row, &p);
}

static const eff_gemm_kernels kernels = {no_scratch, run};

const eff_variant eff_variant_gemm_reference = {
    .name = "gemm.reference", .doc = "the definition, in loops", .family = EFF_FAMILY_GEMM, .kernels = &kernels};
