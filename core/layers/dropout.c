/* Dropout: each element is zero with probability p in training. */
#include "layers/drop.h"
#include "ops/registry.h"

static eff_status forward(eff_tensor **y, eff_layer *layer, eff_tensor *x)
{
    return eff_drop_forward(y, layer, x, &eff_op_dropout);
}

const eff_layer_type eff_layer_dropout = {
    .name = "Dropout",
    .doc = "each element is zero with probability p in training; p may be changed at any time",
    .args = EFF_DROP_ARGS(0.5),
    .create = eff_drop_create,
    .forward = forward,
};
