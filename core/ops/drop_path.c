/* drop_path: whole samples are zero with probability p (stochastic depth), the others scaled by 1 / (1 - p).
 *
 * A deferred norm stays deferred: its samples' factors become a gate, and the gradient's.
 */
#include "autograd/deferred.h"
#include "autograd/op.h"

enum { X, P };
enum { Y, FACTOR }; /* FACTOR: 0 or 1 / (1 - p), one a sample, or one a sample and channel where Y is deferred */

static eff_status shape(eff_call *c)
{
    EFF_TRY(eff_want_dtype(c, X, EFF_REAL));
    if (c->in[X]->ndim < 1) return eff_fail(EFF_E_SHAPE, "drop_path: x is a scalar, wanted a batch");
    if (!(c->arg[P].f >= 0 && c->arg[P].f < 1))
        return eff_fail(EFF_E_ARGUMENT, "drop_path: p is %g, must be in [0, 1)", c->arg[P].f);
    eff_spec_like(c, Y, EFF_REAL, c->in[X]);
    c->spec[Y].deferred = eff_is_scaled(c->in[X]) && !eff_is_gated(c->in[X]) && c->in[X]->ndim > 1;
    int64_t samples = c->in[X]->shape[0], channels = c->in[X]->shape[c->in[X]->ndim - 1];
    eff_spec_set(c, FACTOR, EFF_REAL, c->spec[Y].deferred ? 2 : 1, (int64_t[]){samples, channels});
    return EFF_OK;
}

static void scale_samples(real *y, const real *x, const eff_tensor *factor, int64_t numel)
{
    int64_t samples = factor->shape[0], n = samples ? numel / samples : 0;
    const real *f = eff_tensor_reals(factor);
    for (int64_t i = 0; i < samples; i++)
        for (int64_t j = i * n; j < (i + 1) * n; j++) y[j] = f[i] == 0 ? 0 : x[j] * f[i];
}

static void draw_factors(eff_call *c)
{
    eff_rng rng;
    real *factor = eff_tensor_reals(c->out[FACTOR]);
    double keep = 1 - c->arg[P].f;
    int64_t samples = c->in[X]->shape[0], repeats = samples ? eff_tensor_numel(c->out[FACTOR]) / samples : 0;
    eff_rng_start(&rng, c->seed, EFF_RNG_DROPOUT, c->stream_a, c->stream_b);
    for (int64_t i = 0; i < samples; i++) {
        real value = eff_rng_uniform(&rng) < keep ? (real)(1 / keep) : 0;
        for (int64_t j = 0; j < repeats; j++) *factor++ = value;
    }
}

static eff_status forward(eff_call *c)
{
    eff_tensor *x;
    draw_factors(c);
    if (c->spec[Y].deferred) return eff_defer_gated(c->out[Y], c->in[X], c->out[FACTOR]);
    EFF_TRY(eff_computed(&x, c->in[X]));
    scale_samples(eff_tensor_reals(c->out[Y]), eff_tensor_reals(x), c->out[FACTOR], eff_tensor_numel(x));
    eff_tensor_release(x);
    return EFF_OK;
}

static eff_status backward(eff_call *c)
{
    real *dx;
    if (c->out[FACTOR]->ndim == 2 && c->wants[X]) {
        EFF_TRY(eff_tensor_shape_only(&c->din[X], c->in[X]));
        return eff_defer_gradient(c->din[X], c->dout[Y], c->out[FACTOR], NULL);
    }
    EFF_TRY(eff_call_grad(c, X, &dx));
    if (dx) scale_samples(dx, eff_tensor_reals(c->dout[Y]), c->out[FACTOR], eff_tensor_numel(c->in[X]));
    return EFF_OK;
}

static const char *const samples[] = {"x=6,2,2,3 p=0.4", "x=5,3 p=0.2", NULL};

const eff_op eff_op_drop_path = {
    .name = "drop_path",
    .doc = "whole samples zero with probability p, else scaled by 1 / (1 - p) (stochastic depth)",
    .args = EFF_ARGS(EFF_IN("x", "[n][...]"), EFF_NUMBER("p", 0.2, "probability that a sample's branch is dropped, below 1")),
    .hidden = 1,
    .flags = EFF_RANDOM | EFF_READS_DEFERRED,
    .saves = EFF_SAVE_OUT(1),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
