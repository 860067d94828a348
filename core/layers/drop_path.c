/* DropPath: whole samples are zero with probability p in training (stochastic depth, survival 1 - p). */
#include "layers/layer.h"
#include "ops/registry.h"

enum { P };
enum { OP_P = 1 };

static eff_status create(eff_layer *layer)
{
    if (layer->arg[P].f >= 0 && layer->arg[P].f < 1) return EFF_OK;
    return eff_layer_fail(layer, "p is %g, must be in [0, 1)", layer->arg[P].f);
}

static eff_status forward(eff_tensor **y, eff_layer *layer, eff_tensor *x)
{
    eff_call c;
    if (!layer->training || layer->arg[P].f == 0) {
        *y = eff_tensor_retain(x);
        return EFF_OK;
    }
    eff_call_start(&c, &eff_op_drop_path);
    c.n_in = 1;
    c.in[0] = x;
    c.arg[OP_P] = layer->arg[P];
    return eff_layer_run(y, &c);
}

const eff_layer_type eff_layer_drop_path = {
    .name = "DropPath",
    .doc = "whole samples are zero with probability p in training (stochastic depth, survival 1 - p); p may be changed at any time",
    .args = EFF_ARGS(EFF_NUMBER("p", 0.2, "probability, in [0, 1)")),
    .create = create,
    .forward = forward,
};
