/* LayerNorm over the last axis. */
#include "layers/layer.h"
#include "ops/registry.h"

enum { FEATURES, EPS };
enum { OP_EPS = 3 };

static eff_status create(eff_layer *layer)
{
    int64_t n = layer->arg[FEATURES].i;
    EFF_TRY(eff_layer_want_positive(layer, FEATURES));
    EFF_TRY(eff_layer_add_parameter(layer, "gamma", 1, &n, EFF_FILL_CONSTANT, 1, false));
    return eff_layer_add_parameter(layer, "beta", 1, &n, EFF_FILL_CONSTANT, 0, false);
}

static eff_status forward(eff_tensor **y, eff_layer *layer, eff_tensor *x)
{
    eff_call c;
    eff_call_start(&c, &eff_op_layer_norm);
    c.n_in = 3;
    c.in[0] = x;
    c.in[1] = layer->parameter[0].tensor;
    c.in[2] = layer->parameter[1].tensor;
    c.arg[OP_EPS] = layer->arg[EPS];
    return eff_layer_run(y, &c);
}

const eff_layer_type eff_layer_layer_norm = {
    .name = "LayerNorm",
    .doc = "layer normalisation over the last axis. Parameters: gamma, beta",
    .args = EFF_ARGS(EFF_INT("features", 0, "size of the last axis"), EFF_NUMBER("eps", 1e-6, "added to the variance")),
    .create = create,
    .forward = forward,
};
