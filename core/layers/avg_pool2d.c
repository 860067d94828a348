/* AvgPool2d: the mean of each window. */
#include "layers/layer.h"
#include "ops/registry.h"
#include "ops/window.h"

/* The op's arguments are x and then these. */
static eff_status forward(eff_tensor **y, eff_layer *layer, eff_tensor *x)
{
    eff_call c;
    eff_call_start(&c, &eff_op_avg_pool2d);
    c.n_in = 1;
    c.in[0] = x;
    for (int i = 0; layer->type->args[i].name; i++) c.arg[i + 1] = layer->arg[i];
    return eff_layer_run(y, &c);
}

const eff_layer_type eff_layer_avg_pool2d = {
    .name = "AvgPool2d",
    .doc = "the mean of each window",
    .args = EFF_ARGS(EFF_INTS("kernel_size", "one number or {vertical, horizontal}"),
                     EFF_INTS("stride", "the kernel's size when not given"),
                     EFF_INTS_OR_WORD("padding", eff_padding_words, EFF_PADDING_DOC)
                     , EFF_FLAG("count_padding", true, "count the zeros around the image in the mean")),
    .forward = forward,
};
