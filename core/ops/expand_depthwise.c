/* expand_depthwise: the first half of an MBConv block whose norms are folded, for inference: a 1x1 convolution, a
 * depthwise one, both with the activation, and the mean over the pixels that squeeze_excite reads. */
#include "base/pool.h"
#include "kernels/variants.h"
#include "ops/conv_packing.h"
#include "ops/window.h"

enum { X, EXPAND_WEIGHT, EXPAND_BIAS, WEIGHT, BIAS };
enum { STRIDE = 5, PADDING, ACTIVATION };
enum { Y, MEAN };

static const char *const activations[] = {"none", "relu", "silu", NULL};

static eff_status geometry(eff_expand_shape *s, const eff_call *c)
{
    const int64_t *x = c->in[X]->shape, *w = c->in[WEIGHT]->shape;
    eff_window win = {.kernel = {w[0], w[1]}, .dilation = {1, 1}};
    EFF_TRY(eff_pair_parse(win.stride, c, "stride", &c->arg[STRIDE], 1));
    EFF_TRY(eff_window_fit(&win, c, &c->arg[PADDING], x[1], x[2]));
    s->c = x[3];
    s->depthwise = (eff_conv_shape){.n = x[0],
                                    .h = x[1],
                                    .w = x[2],
                                    .c = w[3],
                                    .oh = win.out[0],
                                    .ow = win.out[1],
                                    .o = w[3],
                                    .kh = w[0],
                                    .kw = w[1],
                                    .stride_h = win.stride[0],
                                    .stride_w = win.stride[1],
                                    .dilation_h = 1,
                                    .dilation_w = 1,
                                    .pad_top = win.before[0],
                                    .pad_left = win.before[1],
                                    .groups = w[3]};
    return EFF_OK;
}

static eff_status check_weights(const eff_call *c)
{
    const int64_t *x = c->in[X]->shape, *expand = c->in[EXPAND_WEIGHT]->shape, *w = c->in[WEIGHT]->shape;
    if (expand[0] == 1 && expand[1] == 1 && expand[2] == x[3] && w[2] == 1 && w[3] == expand[3] && w[0] * w[1] > 0 &&
        c->in[EXPAND_BIAS]->shape[0] == w[3] && c->in[BIAS]->shape[0] == w[3])
        return EFF_OK;
    char before[EFF_SHAPE_TEXT], after[EFF_SHAPE_TEXT];
    return eff_fail(EFF_E_SHAPE,
                    "expand_depthwise: x has %lld channels, the weights are %s (bias %lld) and %s (bias %lld), wanted "
                    "[1][1][c][d], [d], [kh][kw][1][d] and [d]",
                    (long long)x[3], eff_shape_text(before, 4, expand), (long long)c->in[EXPAND_BIAS]->shape[0],
                    eff_shape_text(after, 4, w), (long long)c->in[BIAS]->shape[0]);
}

static eff_status shape(eff_call *c)
{
    static const int axes[] = {4, 4, 1, 4, 1};
    eff_expand_shape s;
    for (int i = X; i <= BIAS; i++) {
        EFF_TRY(eff_want_dtype(c, i, EFF_REAL));
        EFF_TRY(eff_want_ndim(c, i, axes[i]));
    }
    EFF_TRY(check_weights(c));
    EFF_TRY(geometry(&s, c));
    const eff_conv_shape *d = &s.depthwise;
    if (d->h * d->w == 0) return eff_fail(EFF_E_SHAPE, "expand_depthwise: an image without pixels");
    eff_spec_set(c, Y, EFF_REAL, 4, (int64_t[]){d->n, d->oh, d->ow, d->o});
    eff_spec_set(c, MEAN, EFF_REAL, 2, (int64_t[]){d->n, d->o});
    return EFF_OK;
}

/* The expansion's weight as the kernels read it */
static eff_status expansion_weight(const void **w, const eff_call *c, const eff_expand_kernels *k)
{
    const int64_t *shape = c->in[EXPAND_WEIGHT]->shape;
    eff_conv_shape expand = {.c = shape[2], .o = shape[3], .kh = 1, .kw = 1};
    *w = eff_tensor_reals(c->in[EXPAND_WEIGHT]);
    return k->pack ? eff_conv_packed(w, c->in[EXPAND_WEIGHT], k->packed_bytes, k->pack, &expand) : EFF_OK;
}

static eff_status forward(eff_call *c)
{
    eff_expand_shape s;
    EFF_TRY(geometry(&s, c));
    const eff_expand_kernels *k = eff_expand_kernels_for(&s);
    eff_activation act = (eff_activation)c->arg[ACTIVATION].i;
    eff_expansion from = {
        .x = eff_tensor_reals(c->in[X]), .bias = eff_tensor_reals(c->in[EXPAND_BIAS]), .c = s.c, .act = act};
    eff_conv_output to = {.y = eff_tensor_reals(c->out[Y]), .bias = eff_tensor_reals(c->in[BIAS]), .act = act};
    EFF_TRY(expansion_weight(&from.w, c, k));
    void *scratch = eff_pool_alloc(k->scratch(&s));
    if (!scratch) return eff_fail(EFF_E_MEMORY, "expand_depthwise: no memory for scratch");
    real *mean = eff_tensor_reals(c->out[MEAN]);
    k->forward(&to, mean, &from, eff_tensor_reals(c->in[WEIGHT]), &s, scratch);
    for (int64_t i = 0; i < s.depthwise.n * s.depthwise.o; i++) mean[i] /= (real)(s.depthwise.oh * s.depthwise.ow);
    eff_pool_free(scratch);
    return EFF_OK;
}

static void cost(eff_cost *cost, const eff_call *c)
{
    eff_expand_shape s;
    if (geometry(&s, c) != EFF_OK) return;
    const eff_conv_shape *d = &s.depthwise;
    cost->flops = 2.0 * (double)(d->n * d->c) * (double)(d->h * d->w * s.c + d->oh * d->ow * d->kh * d->kw);
}

static const char *const samples[] = {
    "x=2,5,6,3 expand_weight=1,1,3,7 expand_bias=7 weight=3,3,1,7 bias=7 padding=1 activation=silu",
    "x=1,7,9,4 expand_weight=1,1,4,17 expand_bias=17 weight=5,5,1,17 bias=17 stride=2 padding=same activation=relu",
    "x=3,1,1,2 expand_weight=1,1,2,3 expand_bias=3 weight=3,3,1,3 bias=3 padding=same", NULL};

const eff_op eff_op_expand_depthwise = {
    .name = "expand_depthwise",
    .doc = "y and its mean over the pixels, where y = act(depthwise convolution of act(x expand_weight + expand_bias) "
           "+ bias); "
           "for inference, without a gradient",
    .args =
        EFF_ARGS(EFF_IN("x", "[n][h][w][c]"), EFF_IN("expand_weight", "[1][1][c][d]; kept in the kernels' order too"),
                 EFF_IN("expand_bias", "[d]"), EFF_IN("weight", "[kh][kw][1][d]"), EFF_IN("bias", "[d]"),
                 EFF_INTS("stride", "one number or {vertical, horizontal}; default 1"),
                 EFF_INTS_OR_WORD("padding", eff_padding_words, EFF_PADDING_DOC),
                 EFF_CHOICE("activation", activations, "none, relu or silu")),
    .saves = EFF_SAVE_NOTHING,
    .shape = shape,
    .forward = forward,
    .backward = eff_no_grad,
    .cost = cost,
    .samples = samples,
};
