/* batch_norm: per-channel normalisation over all leading axes, fused with an activation.
 *
 * Keeps x and the statistics, not y: backward recomputes the normalised value and the activation's slope, so
 * convolution + norm + activation hold one activation tensor instead of three. With `mean` and `variance` given
 * (inference, frozen statistics) those are used as constants. Hidden outputs: mean, biased variance and 1/std of
 * the batch, from which the layer updates its running statistics.
 */
#include "autograd/deferred.h"
#include "base/pool.h"
#include "kernels/variants.h"
#include "ops/registry.h"

enum { X, GAMMA, BETA, MEAN, VARIANCE };
enum { EPS = 5, ACTIVATION, DEFERRED };
enum { Y, BATCH_MEAN, BATCH_VARIANCE, RSTD };

static const char *const activations[] = {"none", "relu", "silu", NULL};

static int64_t channels(const eff_call *c) { return c->in[X]->shape[c->in[X]->ndim - 1]; }

static bool uses_batch(const eff_call *c) { return c->in[MEAN] == NULL; }

static eff_status shape(eff_call *c)
{
    char x[EFF_SHAPE_TEXT], v[EFF_SHAPE_TEXT];
    for (int i = 0; i < c->n_in; i++) EFF_TRY(eff_want_dtype(c, i, EFF_REAL));
    if (c->in[X]->ndim < 1) return eff_fail(EFF_E_SHAPE, "batch_norm: x is a scalar");
    eff_shape_text(x, c->in[X]->ndim, c->in[X]->shape);
    for (int i = GAMMA; i <= VARIANCE; i++) {
        const eff_tensor *t = c->in[i];
        if (t && (t->ndim != 1 || t->shape[0] != channels(c)))
            return eff_fail(EFF_E_SHAPE, "batch_norm: %s is %s, x has %lld channels (x %s)", eff_input_name(c, i),
                            eff_shape_text(v, t->ndim, t->shape), (long long)channels(c), x);
    }
    if (!c->in[MEAN] != !c->in[VARIANCE])
        return eff_fail(EFF_E_ARGUMENT, "batch_norm: mean and variance must be given together");
    if (uses_batch(c) && eff_tensor_numel(c->in[X]) == 0)
        return eff_fail(EFF_E_SHAPE, "batch_norm: an empty batch has no statistics (x %s)", x);
    eff_spec_like(c, Y, EFF_REAL, c->in[X]);
    c->spec[Y].deferred = c->arg[DEFERRED].i;
    for (int i = BATCH_MEAN; i <= RSTD; i++) eff_spec_set(c, i, EFF_REAL, 1, (int64_t[]){channels(c)});
    return EFF_OK;
}

static eff_status batch_statistics(eff_call *c, int64_t rows)
{
    const eff_norm_kernels *k = eff_norm_kernels_now();
    size_t bytes = k->scratch(rows, rows, channels(c));
    void *scratch = bytes ? eff_pool_alloc(bytes) : NULL;
    if (bytes && !scratch) return eff_fail(EFF_E_MEMORY, "batch_norm: no memory for scratch");
    k->statistics(eff_tensor_reals(c->out[BATCH_MEAN]), eff_tensor_reals(c->out[BATCH_VARIANCE]),
                  eff_tensor_reals(c->in[X]), rows, channels(c), scratch);
    eff_pool_free(scratch);
    return EFF_OK;
}

/* y = act(x * scale + shift) */
static eff_status find_scale(eff_call *c, eff_tensor **scale_out, eff_tensor **shift_out)
{
    int64_t n = channels(c);
    EFF_TRY(eff_tensor_new(scale_out, EFF_REAL, 1, &n));
    EFF_TRY(eff_tensor_new(shift_out, EFF_REAL, 1, &n));
    real *scale = eff_tensor_reals(*scale_out), *shift = eff_tensor_reals(*shift_out);
    const real *mean = eff_tensor_reals(c->out[BATCH_MEAN]), *variance = eff_tensor_reals(c->out[BATCH_VARIANCE]);
    const real *gamma = eff_tensor_reals(c->in[GAMMA]), *beta = eff_tensor_reals(c->in[BETA]);
    real *rstd = eff_tensor_reals(c->out[RSTD]);
    for (int64_t i = 0; i < n; i++) {
        rstd[i] = (real)(1.0 / sqrt((double)variance[i] + c->arg[EPS].f));
        scale[i] = gamma[i] * rstd[i];
        shift[i] = beta[i] - mean[i] * scale[i];
    }
    return EFF_OK;
}

static eff_status apply(eff_call *c, eff_tensor *scale, eff_tensor *shift, int64_t rows)
{
    eff_activation act = (eff_activation)c->arg[ACTIVATION].i;
    if (c->arg[DEFERRED].i) return eff_defer(c->out[Y], c->in[X], scale, shift, act);
    eff_conv_input in = {eff_tensor_reals(c->in[X]), eff_tensor_reals(scale), eff_tensor_reals(shift), NULL, act};
    eff_norm_kernels_now()->apply(eff_tensor_reals(c->out[Y]), &in, NULL, 1, rows, channels(c));
    return EFF_OK;
}

static eff_status forward(eff_call *c)
{
    int64_t n = channels(c), rows = n ? eff_tensor_numel(c->in[X]) / n : 0;
    if (uses_batch(c)) {
        EFF_TRY(batch_statistics(c, rows));
    } else {
        EFF_TRY(eff_tensor_copy(c->out[BATCH_MEAN], c->in[MEAN]));
        EFF_TRY(eff_tensor_copy(c->out[BATCH_VARIANCE], c->in[VARIANCE]));
    }
    eff_tensor *scale = NULL, *shift = NULL;
    eff_status status = find_scale(c, &scale, &shift);
    if (status == EFF_OK) status = apply(c, scale, shift, rows);
    eff_tensor_release(scale);
    eff_tensor_release(shift);
    return status;
}

static eff_status backward(eff_call *c)
{
    const eff_norm_kernels *k = eff_norm_kernels_now();
    int64_t n = channels(c), rows = eff_tensor_numel(c->in[X]) / n;
    eff_activation act = (eff_activation)c->arg[ACTIVATION].i;
    eff_norm_gradient dy = eff_read_gradient(c->dout[Y]);
    const real *x = eff_tensor_reals(c->in[X]);
    const real *mean = eff_tensor_reals(c->out[BATCH_MEAN]), *rstd = eff_tensor_reals(c->out[RSTD]);
    const real *gamma = eff_tensor_reals(c->in[GAMMA]), *beta = eff_tensor_reals(c->in[BETA]);
    real *dx, *dgamma, *dbeta;
    EFF_TRY(eff_call_grad(c, X, &dx));
    EFF_TRY(eff_call_grad(c, GAMMA, &dgamma));
    EFF_TRY(eff_call_grad(c, BETA, &dbeta));
    size_t scratch_bytes = (k->scratch(rows, dy.gate ? dy.image_rows : rows, n) + 63) / 64 * 64;
    char *scratch = eff_pool_alloc(scratch_bytes + 2 * (size_t)n * sizeof(real));
    if (!scratch) return eff_fail(EFF_E_MEMORY, "batch_norm: no memory for scratch");
    if (!dgamma) dgamma = (real *)(scratch + scratch_bytes);
    if (!dbeta) dbeta = (real *)(scratch + scratch_bytes) + n;
    k->reduce(dgamma, dbeta, &dy, x, mean, rstd, gamma, beta, act, rows, n, scratch);
    if (dx) k->backward(dx, &dy, x, mean, rstd, gamma, beta, uses_batch(c) ? dgamma : NULL, dbeta, act, rows, n);
    eff_pool_free(scratch);
    return EFF_OK;
}

static void cost(eff_cost *cost, const eff_call *c) { cost->flops = 8.0 * (double)eff_tensor_numel(c->in[X]); }

static const char *const samples[] = {"x=3,2,2,5 gamma=+5 beta=5 activation=silu",
                                      "x=7,3 gamma=+3 beta=3",
                                      "x=2,3,3,9 gamma=+9 beta=9 activation=relu",
                                      "x=4,6 gamma=+6 beta=6 mean=6 variance=+6 activation=silu eps=0.1",
                                      "x=3,2,2,5 gamma=+5 beta=5 activation=silu deferred=true",
                                      NULL};

const eff_op eff_op_batch_norm = {
    .name = "batch_norm",
    .doc = "(x - mean) / sqrt(variance + eps) * gamma + beta per channel (the last axis), then the activation; "
           "statistics of the batch unless given",
    .args = EFF_ARGS(EFF_IN("x", "[...][c]"), EFF_IN("gamma", "[c]"), EFF_IN("beta", "[c]"),
                     EFF_IN_OPTIONAL("mean", "[c], a constant"), EFF_IN_OPTIONAL("variance", "[c], a constant"),
                     EFF_NUMBER("eps", 1e-3, "added to the variance"),
                     EFF_CHOICE("activation", activations, "none, relu or silu, fused"),
                     EFF_FLAG("deferred", false, "compute the result where it is read, from x, which must then not be "
                                                 "changed in place")),
    .hidden = 3,
    .flags = EFF_READS_DEFERRED_GRADIENT,
    .saves = EFF_SAVE_IN(0) | EFF_SAVE_IN(1) | EFF_SAVE_IN(2) | EFF_SAVE_OUT(1) | EFF_SAVE_OUT(3),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .samples = samples,
};
