/* SqueezeExcite: scales each channel by a gate computed from the image's mean (Hu et al. 2018). */
#include "layers/layer.h"
#include "ops/registry.h"

enum { CHANNELS, SQUEEZED, ACTIVATION };
enum { REDUCE_WEIGHT, REDUCE_BIAS, EXPAND_WEIGHT, EXPAND_BIAS };
enum { OP_ACTIVATION = 5 };

static const char *const activations[] = {"silu", "relu", NULL};

static eff_status create(eff_layer *layer)
{
    EFF_TRY(eff_layer_want_positive(layer, CHANNELS));
    EFF_TRY(eff_layer_want_positive(layer, SQUEEZED));
    int64_t c = layer->arg[CHANNELS].i, q = layer->arg[SQUEEZED].i;
    double to_q = sqrt(2 / (double)q), to_c = sqrt(2 / (double)c);
    EFF_TRY(eff_layer_add_parameter(layer, "reduce_weight", 2, (int64_t[]){c, q}, EFF_FILL_NORMAL, to_q, true));
    EFF_TRY(eff_layer_add_parameter(layer, "reduce_bias", 1, &q, EFF_FILL_CONSTANT, 0, false));
    EFF_TRY(eff_layer_add_parameter(layer, "expand_weight", 2, (int64_t[]){q, c}, EFF_FILL_NORMAL, to_c, true));
    return eff_layer_add_parameter(layer, "expand_bias", 1, &c, EFF_FILL_CONSTANT, 0, false);
}

static eff_status forward(eff_tensor **y, eff_layer *layer, eff_tensor *x)
{
    eff_call c;
    eff_call_start(&c, &eff_op_squeeze_excite);
    c.n_in = 5;
    c.in[0] = x;
    for (int i = REDUCE_WEIGHT; i <= EXPAND_BIAS; i++) c.in[1 + i] = layer->parameter[i].tensor;
    c.arg[OP_ACTIVATION] = layer->arg[ACTIVATION];
    return eff_layer_run(y, &c);
}

const eff_layer_type eff_layer_squeeze_excite = {
    .name = "SqueezeExcite",
    .doc = "x * sigmoid(expand(act(reduce(mean over the pixels)))). "
           "Parameters: reduce_weight [c][q], reduce_bias, expand_weight [q][c], expand_bias",
    .args = EFF_ARGS(EFF_INT("channels", 0, "channels of the input"), EFF_INT("squeezed", 0, "width between the two products"),
                     EFF_CHOICE("activation", activations, "silu or relu, after the first product")),
    .create = create,
    .forward = forward,
};
