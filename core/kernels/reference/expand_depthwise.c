/* expand_depthwise.reference: the two convolutions one after the other, in loops that any problem suits. */
#include "base/parallel.h"
#include "kernels/variants.h"

extern const eff_variant eff_variant_conv2d_reference, eff_variant_depthwise_reference;

static size_t scratch_size(const eff_expand_shape *s)
{
    const eff_conv_shape *d = &s->depthwise;
    return (size_t)(d->n * d->h * d->w * d->c) * sizeof(real);
}

typedef struct job {
    real *sums;
    const real *y;
    int64_t pixels, c;
} job;

static void sum_image(void *context, int64_t n, int worker)
{
    (void)worker;
    const job *j = context;
    for (int64_t i = 0; i < j->c; i++) {
        double sum = 0;
        for (int64_t pixel = 0; pixel < j->pixels; pixel++) sum += j->y[(n * j->pixels + pixel) * j->c + i];
        j->sums[n * j->c + i] = (real)sum;
    }
}

static void forward(const eff_conv_output *y, real *sums, const eff_expansion *x, const real *w,
                    const eff_expand_shape *s, void *scratch)
{
    const eff_conv_kernels *dense = eff_variant_conv2d_reference.kernels,
                           *depthwise = eff_variant_depthwise_reference.kernels;
    const eff_conv_shape *d = &s->depthwise;
    eff_conv_shape expand = {.n = d->n,
                             .h = d->h,
                             .w = d->w,
                             .c = s->c,
                             .oh = d->h,
                             .ow = d->w,
                             .o = d->c,
                             .kh = 1,
                             .kw = 1,
                             .stride_h = 1,
                             .stride_w = 1,
                             .dilation_h = 1,
                             .dilation_w = 1,
                             .groups = 1};
    eff_conv_output expanded = {.y = scratch, .bias = x->bias, .act = x->act};
    dense->forward(&expanded, &(eff_conv_input){.x = x->x}, x->w, &expand, NULL);
    depthwise->forward(y, &(eff_conv_input){.x = scratch}, w, d, NULL);
    job j = {.sums = sums, .y = y->y, .pixels = d->oh * d->ow, .c = d->c};
    eff_parallel_for(d->n, sum_image, &j);
}

static const eff_expand_kernels kernels = {.scratch = scratch_size, .forward = forward};

const eff_variant eff_variant_expand_depthwise_reference = {.name = "expand_depthwise.reference",
                                                            .doc = "one convolution after the other",
                                                            .family = EFF_FAMILY_EXPAND_DEPTHWISE,
                                                            .isa = EFF_ISA_PORTABLE,
                                                            .kernels = &kernels};
