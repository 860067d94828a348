/* DropPath: whole samples are zero with probability p in training (stochastic depth, survival 1 - p). */
#include "layers/drop.h"
#include "ops/registry.h"

static eff_status forward(eff_tensor **y, eff_layer *layer, eff_tensor *x)
{
    return eff_drop_forward(y, layer, x, &eff_op_drop_path);
}

const eff_layer_type eff_layer_drop_path = {
    .name = "DropPath",
    .doc = "whole samples are zero with probability p in training (stochastic depth, survival 1 - p); p may be changed at any time",
    .args = EFF_DROP_ARGS(0.2),
    .create = eff_drop_create,
    .forward = forward,
};
