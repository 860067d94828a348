/* SqueezeExcite: scales each channel by a gate computed from the image's mean (Hu et al. 2018). */
#include "layers/layer.h"
#include "ops/registry.h"

enum { CHANNELS, SQUEEZED, ACTIVATION };
enum { REDUCE_WEIGHT, REDUCE_BIAS, EXPAND_WEIGHT, EXPAND_BIAS };

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

static eff_status dense(eff_tensor **y, eff_layer *layer, eff_tensor *x, int weight)
{
    eff_call c;
    eff_call_start(&c, &eff_op_dense);
    c.n_in = 3;
    c.in[0] = x;
    c.in[1] = layer->parameter[weight].tensor;
    c.in[2] = layer->parameter[weight + 1].tensor;
    return eff_layer_run(y, &c);
}

static eff_status gate(eff_tensor **g, eff_layer *layer, eff_tensor *x)
{
    eff_tensor *mean = NULL, *squeezed = NULL, *active = NULL, *expanded = NULL;
    const eff_op *act = layer->arg[ACTIVATION].i == 0 ? &eff_op_silu : &eff_op_relu;
    eff_status status = eff_layer_apply(&mean, &eff_op_global_avg_pool, x, NULL);
    if (status == EFF_OK) status = dense(&squeezed, layer, mean, REDUCE_WEIGHT);
    if (status == EFF_OK) status = eff_layer_apply(&active, act, squeezed, NULL);
    if (status == EFF_OK) status = dense(&expanded, layer, active, EXPAND_WEIGHT);
    if (status == EFF_OK) status = eff_layer_apply(g, &eff_op_sigmoid, expanded, NULL);
    eff_tensor_release(mean);
    eff_tensor_release(squeezed);
    eff_tensor_release(active);
    eff_tensor_release(expanded);
    return status;
}

static eff_status forward(eff_tensor **y, eff_layer *layer, eff_tensor *x)
{
    eff_tensor *g = NULL;
    EFF_TRY(gate(&g, layer, x));
    eff_status status = eff_layer_apply(y, &eff_op_mul, x, g);
    eff_tensor_release(g);
    return status;
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
