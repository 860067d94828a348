/* Conv2d: a convolution with its weight and, when asked, bias. */
#include "layers/layer.h"
#include "ops/registry.h"
#include "ops/window.h"

enum { IN_CHANNELS, OUT_CHANNELS, KERNEL, STRIDE, PADDING, DILATION, GROUPS, BIAS, RECOMPUTE };
enum { OP_STRIDE = 3, OP_PADDING, OP_DILATION, OP_GROUPS, OP_RECOMPUTE = 11 };

/* Weights N(0, sqrt(2 / fan_out)) with fan_out = kh kw out / groups, biases 0, as the official code has it. */
static eff_status create(eff_layer *layer)
{
    const eff_value *a = layer->arg;
    int64_t in = a[IN_CHANNELS].i, out = a[OUT_CHANNELS].i, groups = a[GROUPS].i;
    for (int i = IN_CHANNELS; i <= OUT_CHANNELS; i++) EFF_TRY(eff_layer_want_positive(layer, i));
    EFF_TRY(eff_layer_want_positive(layer, GROUPS));
    if (in % groups || out % groups)
        return eff_layer_fail(layer, "%lld groups do not divide %lld input and %lld output channels", (long long)groups,
                              (long long)in, (long long)out);
    if (a[KERNEL].i > 2) return eff_layer_fail(layer, "kernel_size has %lld numbers, wanted 1 or 2", (long long)a[KERNEL].i);
    int64_t kh = a[KERNEL].i ? a[KERNEL].list[0] : 1, kw = a[KERNEL].i == 2 ? a[KERNEL].list[1] : kh;
    if (kh < 1 || kw < 1) return eff_layer_fail(layer, "kernel_size must be at least 1");
    int64_t shape[4] = {kh, kw, in / groups, out};
    double fan_out = (double)(kh * kw * out) / (double)groups;
    EFF_TRY(eff_layer_add_parameter(layer, "weight", 4, shape, EFF_FILL_NORMAL, sqrt(2 / fan_out), true));
    return a[BIAS].i ? eff_layer_add_parameter(layer, "bias", 1, &out, EFF_FILL_CONSTANT, 0, false) : EFF_OK;
}

static eff_status forward(eff_tensor **y, eff_layer *layer, eff_tensor *x)
{
    eff_call c;
    eff_call_start(&c, &eff_op_conv2d);
    c.n_in = 3;
    c.in[0] = x;
    c.in[1] = layer->parameter[0].tensor;
    c.in[2] = layer->arg[BIAS].i ? layer->parameter[1].tensor : NULL;
    c.arg[OP_STRIDE] = layer->arg[STRIDE];
    c.arg[OP_PADDING] = layer->arg[PADDING];
    c.arg[OP_DILATION] = layer->arg[DILATION];
    c.arg[OP_GROUPS] = layer->arg[GROUPS];
    c.arg[OP_RECOMPUTE] = layer->arg[RECOMPUTE];
    return eff_layer_run(y, &c);
}

const eff_layer_type eff_layer_conv2d = {
    .name = "Conv2d",
    .doc = "two-dimensional convolution of NHWC images; depthwise when groups equals in_channels. "
           "Parameters: weight [kh][kw][in / groups][out], bias [out]",
    .args = EFF_ARGS(EFF_INT("in_channels", 0, "channels of the input"), EFF_INT("out_channels", 0, "channels of the output"),
                     EFF_INTS("kernel_size", "one number or {vertical, horizontal}; default 1"),
                     EFF_INTS("stride", "one number or {vertical, horizontal}; default 1"),
                     EFF_INTS_OR_WORD("padding", eff_padding_words, EFF_PADDING_DOC),
                     EFF_INTS("dilation", "one number or {vertical, horizontal}; default 1"),
                     EFF_INT("groups", 1, "groups of channels that do not mix"), EFF_FLAG("bias", true, "add a bias"),
                     EFF_FLAG("recompute", false, "let backward compute the result again rather than keep it")),
    .create = create,
    .forward = forward,
};
