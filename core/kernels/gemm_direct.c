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

static void run_straight(float *c, const float *a, const float *b, const eff_gemm_shape *s, void *scratch)
{
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
