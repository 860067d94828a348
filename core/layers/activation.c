/* Activation: an element-wise function by name. */
#include "layers/layer.h"
#include "ops/registry.h"

enum { KIND };

static const char *const kinds[] = {"silu", "relu", "gelu", "sigmoid", "tanh", NULL};

static eff_status forward(eff_tensor **y, eff_layer *layer, eff_tensor *x)
{
    static const eff_op *const ops[] = {&eff_op_silu, &eff_op_relu, &eff_op_gelu, &eff_op_sigmoid, &eff_op_tanh};
    return eff_layer_apply(y, ops[layer->arg[KIND].i], x, NULL);
}

const eff_layer_type eff_layer_activation = {
    .name = "Activation",
    .doc = "an element-wise function",
    .args = EFF_ARGS(EFF_CHOICE("kind", kinds, "silu, relu, gelu, sigmoid or tanh")),
    .forward = forward,
};
