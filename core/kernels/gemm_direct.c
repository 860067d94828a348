/* gemm.direct: a matrix product is a 1x1 convolution of one row of pixels, so conv2d.direct's tiles do it.
 *
 * c = a b is the forward pass, a times b transposed the input gradient, a transposed times b the weight gradient.
 */
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

static size_t scratch_size(const eff_gemm_shape *s)
{
    eff_conv_shape shape = as_conv(s);
    return conv()->scratch(&shape, pass_of(s));
}

static void run(float *c, const float *a, const float *b, const eff_gemm_shape *s, void *scratch)
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

static bool supports(const void *problem)
{
    const eff_gemm_shape *s = problem;
    return !s->accumulate && !(s->transpose_a && s->transpose_b);
}

static const eff_gemm_kernels kernels = {scratch_size, run};

const eff_variant ISA_NAME(eff_variant_gemm_direct) = {
    .name = "gemm.direct." ISA_TEXT,
    .doc = "the tiles of conv2d.direct; at most one operand transposed, no accumulation",
    .family = EFF_FAMILY_GEMM,
    .isa = ISA_ENUM,
    .supports = supports,
    .kernels = &kernels};
