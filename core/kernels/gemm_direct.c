/* gemm.direct: a matrix product is a 1x1 convolution of one row of pixels, so conv2d.direct's tiles do it.
 *
 * c = a b is the forward pass, a times b transposed the input gradient, a transposed times b the weight gradient. With
 * AVX-512 every product goes this way, so none depends on the kernels that a BLAS picks for a CPU it does not know.
 */
#include "base/parallel.h"
#include "kernels/conv_grid.h"
#include "kernels/simd/vec.h"
#include "kernels/variants.h"

extern const eff_variant ISA_NAME(eff_variant_conv2d_direct);

static const eff_conv_kernels *conv(void) { return ISA_NAME(eff_variant_conv2d_direct).kernels; }

static eff_pass pass_of(const eff_gemm_shape *s)
{
    return s->transpose_a ? EFF_BACKWARD_WEIGHTS : s->transpose_b ? EFF_BACKWARD_DATA : EFF_FORWARD;
}

static eff_conv_shape conv_shape(int64_t pixels, int64_t c, int64_t o)
{
    return (eff_conv_shape){.n = 1, .h = 1, .w = pixels, .c = c, .oh = 1, .ow = pixels, .o = o, .kh = 1, .kw = 1,
                            .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .groups = 1};
}

static eff_conv_shape as_conv(const eff_gemm_shape *s)
{
    switch (pass_of(s)) {
    case EFF_BACKWARD_WEIGHTS: return conv_shape(s->k, s->m, s->n);
    case EFF_BACKWARD_DATA: return conv_shape(s->m, s->n, s->k);
    default: return conv_shape(s->m, s->k, s->n);
    }
}

/* ---- what is no pass of a convolution: both operands transposed, and accumulation ---- */

static bool turns(const eff_gemm_shape *s) { return s->transpose_a && s->transpose_b; }

/* The same product with a as it is */
static eff_gemm_shape turned(const eff_gemm_shape *s)
{
    eff_gemm_shape t = *s;
    t.transpose_a = false;
    return t;
}

typedef struct turning {
    float *to;       /* [m][k] */
    const float *a;  /* [k][m] */
    int64_t m, k;
} turning;

/* Task: VL rows of `to` */
static void turn_rows(void *context, int64_t task, int worker)
{
    (void)worker;
    const turning *t = context;
    int64_t i = task * VL, rows = t->m - i < VL ? t->m - i : VL;
    for (int64_t j = 0; j < t->k; j += VL) {
        vec block[VL];
        int64_t columns = t->k - j < VL ? t->k - j : VL;
        for (int64_t r = 0; r < VL; r++) block[r] = r < columns ? vec_get(t->a + (j + r) * t->m + i, rows) : (vec){0};
        vec_transpose(block);
        for (int64_t r = 0; r < rows; r++) vec_put(t->to + (i + r) * t->k + j, block[r], columns);
    }
}

static size_t floats(int64_t count) { return round_to_line((size_t)count * sizeof(float)); }

static size_t scratch_size(const eff_gemm_shape *s)
{
    eff_gemm_shape straight = turns(s) ? turned(s) : *s;
    eff_conv_shape shape = as_conv(&straight);
    return conv()->scratch(&shape, pass_of(&straight)) + (turns(s) ? floats(s->m * s->k) : 0) +
           (s->accumulate ? floats(s->m * s->n) : 0);
}

/* ---- few rows: b is read once, as it lies ---- */

enum { FEW = 4, COLUMNS = 4 * VL };

typedef struct rows_job {
    float *c;
    const float *a, *b;
    const eff_gemm_shape *s;
} rows_job;

static bool has_few_rows(const eff_gemm_shape *s) { return s->m <= FEW && !s->transpose_a && !s->transpose_b; }

/* `rows` rows of `vectors` vectors of columns from `column` on; the last has `lanes`. Rows, and lanes where they are
 * whole, are constants. */
VEC_INLINE void few_rows(const rows_job *j, int64_t column, const int rows, const int vectors, const int64_t lanes)
{
    const eff_gemm_shape *s = j->s;
    const float *b = j->b + column;
    vec sum[FEW][4];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[r][v] = (vec){0};
    for (int64_t i = 0; i < s->k; i++, b += s->n)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            vec from = vec_get(b + v * VL, lanes);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) sum[r][v] += vec_all(j->a[r * s->k + i]) * from;
        }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) vec_put(j->c + r * s->n + column + v * VL, sum[r][v], lanes);
}

VEC_INLINE void few_columns(const rows_job *j, int64_t column, const int rows)
{
    int64_t end = column + COLUMNS < j->s->n ? column + COLUMNS : j->s->n;
    if (end - column == COLUMNS) {
        few_rows(j, column, rows, 4, VL);
        return;
    }
    for (; column + VL <= end; column += VL) few_rows(j, column, rows, 1, VL);
    if (column < end) few_rows(j, column, rows, 1, end - column);
}

/* Task: COLUMNS columns */
static void run_columns(void *context, int64_t task, int worker)
{
    (void)worker;
    const rows_job *j = context;
    switch (j->s->m) {
    case 1: few_columns(j, task * COLUMNS, 1); break;
    case 2: few_columns(j, task * COLUMNS, 2); break;
    case 3: few_columns(j, task * COLUMNS, 3); break;
    default: few_columns(j, task * COLUMNS, 4); break;
    }
}

static void run_straight(float *c, const float *a, const float *b, const eff_gemm_shape *s, void *scratch)
{
    if (has_few_rows(s)) {
        eff_parallel_for(eff_chunks(s->n, COLUMNS), run_columns, &(rows_job){c, a, b, s});
        return;
    }
    eff_conv_shape shape = as_conv(s);
    eff_conv_input in = {.x = a};
    eff_conv_output out = {.y = c};
    switch (pass_of(s)) {
    case EFF_BACKWARD_WEIGHTS: conv()->backward_weights(c, b, &in, &shape, scratch); break;
    case EFF_BACKWARD_DATA: conv()->backward_data(c, a, b, &shape, scratch); break;
    default: conv()->forward(&out, &in, b, &shape, scratch); break;
    }
}

static void run(float *c, const float *a, const float *b, const eff_gemm_shape *s, void *scratch)
{
    char *rest = scratch;
    eff_gemm_shape straight = turns(s) ? turned(s) : *s;
    if (turns(s)) {
        turning t = {take(&rest, floats(s->m * s->k)), a, s->m, s->k};
        eff_parallel_for(eff_chunks(s->m, VL), turn_rows, &t);
        a = t.to;
    }
    float *product = s->accumulate ? take(&rest, floats(s->m * s->n)) : c;
    run_straight(product, a, b, &straight, rest);
    for (int64_t i = 0; s->accumulate && i < s->m * s->n; i++) c[i] += product[i];
}

static const eff_gemm_kernels kernels = {scratch_size, run};

const eff_variant ISA_NAME(eff_variant_gemm_direct) = {
    .name = "gemm.direct." ISA_TEXT,
    .doc = "the tiles of conv2d.direct",
    .family = EFF_FAMILY_GEMM,
    .isa = ISA_ENUM,
    .kernels = &kernels};
