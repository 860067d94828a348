/* BatchNorm2d: batch normalisation with running statistics, fused with an activation. */
#include "layers/layer.h"
#include "ops/registry.h"

enum { CHANNELS, EPS, MOMENTUM, ACTIVATION, FROZEN, DEFERRED };
enum { X, GAMMA, BETA, MEAN, VARIANCE };
enum { OP_EPS = 5, OP_ACTIVATION, OP_DEFERRED };
enum { BATCH_MEAN = 1, BATCH_VARIANCE };

static const char *const activations[] = {"none", "relu", "silu", NULL};

static eff_status create(eff_layer *layer)
{
    int64_t n = layer->arg[CHANNELS].i;
    double momentum = layer->arg[MOMENTUM].f;
    EFF_TRY(eff_layer_want_positive(layer, CHANNELS));
    if (!(momentum >= 0 && momentum <= 1)) return eff_layer_fail(layer, "momentum is %g, must be in [0, 1]", momentum);
    EFF_TRY(eff_layer_add_parameter(layer, "gamma", 1, &n, EFF_FILL_CONSTANT, 1, false));
    EFF_TRY(eff_layer_add_parameter(layer, "beta", 1, &n, EFF_FILL_CONSTANT, 0, false));
    EFF_TRY(eff_layer_add_buffer(layer, "running_mean", n, 0));
    return eff_layer_add_buffer(layer, "running_variance", n, 1);
}

/* running = momentum * running + (1 - momentum) * batch; the variance with Bessel's correction. */
static void update_running(eff_layer *layer, const eff_call *c)
{
    int64_t n = layer->arg[CHANNELS].i, rows = eff_tensor_numel(c->in[X]) / n;
    real keep = (real)layer->arg[MOMENTUM].f, correction = rows > 1 ? (real)rows / (real)(rows - 1) : 1;
    real *mean = eff_tensor_reals(layer->buffer[0].tensor), *variance = eff_tensor_reals(layer->buffer[1].tensor);
    const real *batch_mean = eff_tensor_reals(c->out[BATCH_MEAN]), *batch_variance = eff_tensor_reals(c->out[BATCH_VARIANCE]);
    for (int64_t i = 0; i < n; i++) {
        mean[i] = keep * mean[i] + (1 - keep) * batch_mean[i];
        variance[i] = keep * variance[i] + (1 - keep) * batch_variance[i] * correction;
    }
}

static eff_status forward(eff_tensor **y, eff_layer *layer, eff_tensor *x)
{
    eff_call c;
    bool batch = layer->training && !layer->arg[FROZEN].i;
    eff_call_start(&c, &eff_op_batch_norm);
    c.n_in = 5;
    c.in[X] = x;
    c.in[GAMMA] = layer->parameter[0].tensor;
    c.in[BETA] = layer->parameter[1].tensor;
    c.in[MEAN] = batch ? NULL : layer->buffer[0].tensor;
    c.in[VARIANCE] = batch ? NULL : layer->buffer[1].tensor;
    c.arg[OP_EPS] = layer->arg[EPS];
    c.arg[OP_ACTIVATION] = layer->arg[ACTIVATION];
    c.arg[OP_DEFERRED] = layer->arg[DEFERRED];
    EFF_TRY(eff_call_run(&c));
    if (batch) update_running(layer, &c);
    *y = c.out[0];
    c.out[0] = NULL;
    eff_call_release_outputs(&c);
    return EFF_OK;
}

const eff_layer_type eff_layer_batch_norm2d = {
    .name = "BatchNorm2d",
    .doc = "batch normalisation over all axes but the last, then the activation; in eval() with running statistics. "
           "Parameters: gamma, beta; buffers: running_mean, running_variance",
    .args = EFF_ARGS(EFF_INT("channels", 0, "channels of the input"), EFF_NUMBER("eps", 1e-3, "added to the variance"),
                     EFF_NUMBER("momentum", 0.99, "share of the running statistics that stays at an update, as TensorFlow "
                                                  "counts it (PyTorch's momentum is 1 minus this)"),
                     EFF_CHOICE("activation", activations, "none, relu or silu, fused"),
                     EFF_FLAG("frozen", false, "use and keep the running statistics in training too"),
                     EFF_FLAG("deferred", false, "compute the result where it is read, from the input, which must then "
                                                 "not be changed in place")),
    .create = create,
    .forward = forward,
};
