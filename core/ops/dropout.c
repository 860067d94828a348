/* dropout: each element is zero with probability p, the others are scaled by 1 / (1 - p). */
#include "autograd/op.h"

enum { X, P };
enum { Y, MASK };

static eff_status shape(eff_call *c)
{
    EFF_TRY(eff_want_dtype(c, X, EFF_REAL));
    if (!(c->arg[P].f >= 0 && c->arg[P].f < 1))
        return eff_fail(EFF_E_ARGUMENT, "dropout: p is %g, must be in [0, 1)", c->arg[P].f);
    eff_spec_like(c, Y, EFF_REAL, c->in[X]);
    eff_spec_like(c, MASK, EFF_U8, c->in[X]);
    return EFF_OK;
}

static void scale_kept(real *y, const real *x, const uint8_t *mask, int64_t n, double p)
{
    real scale = (real)(1 / (1 - p));
    for (int64_t i = 0; i < n; i++) y[i] = mask[i] ? x[i] * scale : 0;
}

static eff_status forward(eff_call *c)
{
    eff_rng rng;
    uint8_t *mask = eff_tensor_data(c->out[MASK]);
    int64_t n = eff_tensor_numel(c->in[X]);
    eff_rng_start(&rng, c->seed, EFF_RNG_DROPOUT, c->stream_a, c->stream_b);
    for (int64_t i = 0; i < n; i++) mask[i] = (double)eff_rng_u32(&rng) * 0x1p-32 >= c->arg[P].f;
    scale_kept(eff_tensor_reals(c->out[Y]), eff_tensor_reals(c->in[X]), mask, n, c->arg[P].f);
    return EFF_OK;
}

static eff_status backward(eff_call *c)
{
    real *dx;
    EFF_TRY(eff_call_grad(c, X, &dx));
    if (dx)
        scale_kept(dx, eff_tensor_reals(c->dout[Y]), eff_tensor_data(c->out[MASK]), eff_tensor_numel(c->in[X]),
                   c->arg[P].f);
    return EFF_OK;
}

static const char *const samples[] = {"x=4,5 p=0.4", "x=7", NULL};

const eff_op eff_op_dropout = {
    .name = "dropout",
    .doc = "zero with probability p, else scaled by 1 / (1 - p)",
    .args = EFF_ARGS(EFF_IN("x", "any shape"), EFF_NUMBER("p", 0.5, "probability of a zero, below 1")),
    .hidden = 1,
    .flags = EFF_RANDOM,
    .saves = EFF_SAVE_OUT(1),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
