/* drop_path: whole samples are zero with probability p (stochastic depth), the others scaled by 1 / (1 - p). */
#include "autograd/op.h"

enum { X, P };
enum { Y, FACTOR }; /* FACTOR: one number a sample, 0 or 1 / (1 - p) */

static eff_status shape(eff_call *c)
{
    EFF_TRY(eff_want_dtype(c, X, EFF_REAL));
    if (c->in[X]->ndim < 1) return eff_fail(EFF_E_SHAPE, "drop_path: x is a scalar, wanted a batch");
    if (!(c->arg[P].f >= 0 && c->arg[P].f < 1))
        return eff_fail(EFF_E_ARGUMENT, "drop_path: p is %g, must be in [0, 1)", c->arg[P].f);
    eff_spec_like(c, Y, EFF_REAL, c->in[X]);
    eff_spec_set(c, FACTOR, EFF_REAL, 1, c->in[X]->shape);
    return EFF_OK;
}

static void scale_samples(real *y, const real *x, const eff_tensor *factor, int64_t numel)
{
    int64_t samples = factor->shape[0], n = samples ? numel / samples : 0;
    const real *f = eff_tensor_reals(factor);
    for (int64_t i = 0; i < samples; i++)
        for (int64_t j = i * n; j < (i + 1) * n; j++) y[j] = f[i] == 0 ? 0 : x[j] * f[i];
}

static eff_status forward(eff_call *c)
{
    eff_rng rng;
    real *factor = eff_tensor_reals(c->out[FACTOR]);
    double keep = 1 - c->arg[P].f;
    eff_rng_start(&rng, c->seed, EFF_RNG_DROPOUT, c->stream_a, c->stream_b);
    for (int64_t i = 0; i < c->in[X]->shape[0]; i++) factor[i] = eff_rng_uniform(&rng) < keep ? (real)(1 / keep) : 0;
    scale_samples(eff_tensor_reals(c->out[Y]), eff_tensor_reals(c->in[X]), c->out[FACTOR], eff_tensor_numel(c->in[X]));
    return EFF_OK;
}

static eff_status backward(eff_call *c)
{
    real *dx;
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
    .flags = EFF_RANDOM,
    .saves = EFF_SAVE_OUT(1),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
