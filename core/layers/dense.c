/* Dense: a fully connected layer over the last axis. */
#include "layers/layer.h"
#include "ops/registry.h"

enum { IN_FEATURES, OUT_FEATURES, BIAS };

/* Weights uniform in +-1/sqrt(out), bias 0, as the official code has it. */
static eff_status create(eff_layer *layer)
{
    EFF_TRY(eff_layer_want_positive(layer, IN_FEATURES));
    EFF_TRY(eff_layer_want_positive(layer, OUT_FEATURES));
    int64_t in = layer->arg[IN_FEATURES].i, out = layer->arg[OUT_FEATURES].i;
    EFF_TRY(eff_layer_add_parameter(layer, "weight", 2, (int64_t[]){in, out}, EFF_FILL_UNIFORM, 1 / sqrt((double)out), true));
    return layer->arg[BIAS].i ? eff_layer_add_parameter(layer, "bias", 1, &out, EFF_FILL_CONSTANT, 0, false) : EFF_OK;
}

static eff_status forward(eff_tensor **y, eff_layer *layer, eff_tensor *x)
{
    eff_call c;
    eff_call_start(&c, &eff_op_dense);
    c.n_in = 3;
    c.in[0] = x;
    c.in[1] = layer->parameter[0].tensor;
    c.in[2] = layer->arg[BIAS].i ? layer->parameter[1].tensor : NULL;
    return eff_layer_run(y, &c);
}

const eff_layer_type eff_layer_dense = {
    .name = "Dense",
    .doc = "x weight + bias over the last axis. Parameters: weight [in][out], bias [out]",
    .args = EFF_ARGS(EFF_INT("in_features", 0, "size of the input's last axis"),
                     EFF_INT("out_features", 0, "size of the output's last axis"), EFF_FLAG("bias", true, "add a bias")),
    .create = create,
    .forward = forward,
};
