/* gemm.blas: OpenBLAS, one single-threaded call a slab.
 *
 * The product is cut by its shape alone, so the bits are the same at any thread count: into slabs of rows, where
 * these are few also into slabs of columns, and where c is small and k long (weight gradients) into chunks of k whose
 * partial products are added in order. Inside eff_parallel_for OpenBLAS's OpenMP build runs on the calling thread; its
 * own thread count is never touched, because there it is the whole program's.
 */
#include "base/parallel.h"
#include "kernels/variants.h"

#include <cblas.h>

enum {
    ROWS = 256, /* of a slab */
    LEAST_COLUMNS = 64,
    LEAST_TASKS = 8,
    LEAST_K = 512, /* of a chunk */
    SLICE = 4096   /* elements added by a task */
};

typedef struct job {
    const eff_gemm_shape *s;
    float *c, *partial; /* partial [chunk][m][n]; c itself when there is one chunk */
    const float *a, *b;
    int64_t row_slabs, column_slabs, chunks;
} job;

static int64_t clamp(int64_t n, int64_t low, int64_t high) { return n < low || high < low ? low : n > high ? high : n; }

static job plan(const eff_gemm_shape *s)
{
    job j = {.s = s};
    j.row_slabs = clamp(eff_chunks(s->m, ROWS), 1, s->m);
    j.column_slabs = clamp(eff_chunks(LEAST_TASKS, j.row_slabs), 1, s->n / LEAST_COLUMNS);
    j.chunks = clamp(eff_chunks(LEAST_TASKS, j.row_slabs * j.column_slabs), 1, s->k / LEAST_K);
    return j;
}

static size_t scratch_size(const eff_gemm_shape *s)
{
    job j = plan(s);
    return j.chunks > 1 ? (size_t)(j.chunks * s->m * s->n) * sizeof(float) : 0;
}

static void run_task(void *context, int64_t task, int worker)
{
    (void)worker;
    const job *j = context;
    const eff_gemm_shape *s = j->s;
    int64_t chunk = task % j->chunks, column = task / j->chunks % j->column_slabs;
    int64_t row = task / j->chunks / j->column_slabs;
    int64_t m0 = row * s->m / j->row_slabs, m1 = (row + 1) * s->m / j->row_slabs;
    int64_t n0 = column * s->n / j->column_slabs, n1 = (column + 1) * s->n / j->column_slabs;
    int64_t k0 = chunk * s->k / j->chunks, k1 = (chunk + 1) * s->k / j->chunks;
    int64_t lda = s->transpose_a ? s->m : s->k, ldb = s->transpose_b ? s->k : s->n;
    const float *a = j->a + (s->transpose_a ? k0 * lda + m0 : m0 * lda + k0);
    const float *b = j->b + (s->transpose_b ? n0 * ldb + k0 : k0 * ldb + n0);
    float *c = j->partial + chunk * s->m * s->n + m0 * s->n + n0;
    cblas_sgemm(CblasRowMajor, s->transpose_a ? CblasTrans : CblasNoTrans, s->transpose_b ? CblasTrans : CblasNoTrans,
                (int)(m1 - m0), (int)(n1 - n0), (int)(k1 - k0), 1, a, (int)lda, b, (int)ldb,
                s->accumulate && j->chunks == 1 ? 1 : 0, c, (int)s->n);
}

/* Task: one slice of c as the sum of the chunks, in order */
static void add_partial(void *context, int64_t slice, int worker)
{
    (void)worker;
    const job *j = context;
    int64_t count = j->s->m * j->s->n, end = (slice + 1) * SLICE < count ? (slice + 1) * SLICE : count;
    for (int64_t i = slice * SLICE; i < end; i++) {
        float sum = j->partial[i];
        for (int64_t chunk = 1; chunk < j->chunks; chunk++) sum += j->partial[chunk * count + i];
        j->c[i] = j->s->accumulate ? j->c[i] + sum : sum;
    }
}

static void run(float *c, const float *a, const float *b, const eff_gemm_shape *s, void *scratch)
{
    job j = plan(s);
    j.c = c;
    j.a = a;
    j.b = b;
    j.partial = j.chunks > 1 ? scratch : c;
    if (openblas_get_parallel() == OPENBLAS_THREAD) openblas_set_num_threads(1);
    eff_parallel_for(j.row_slabs * j.column_slabs * j.chunks, run_task, &j);
    if (j.chunks > 1) eff_parallel_for(eff_chunks(s->m * s->n, SLICE), add_partial, &j);
}

static const eff_gemm_kernels kernels = {scratch_size, run};

const eff_variant eff_variant_gemm_blas = {.name = "gemm.blas",
                                           .doc = "OpenBLAS, one single-threaded call a slab",
                                           .family = EFF_FAMILY_GEMM,
                                           .kernels = &kernels};
