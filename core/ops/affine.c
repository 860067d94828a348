/* affine: x * scale + shift with constant scale and shift; x + 1, x * 2, -x and x / 3 in Lua are this op. */
#include "ops/registry.h"

enum { X, SCALE, SHIFT };

static eff_status shape(eff_call *c)
{
    EFF_TRY(eff_want_dtype(c, 0, EFF_REAL));
    eff_spec_like(c, 0, EFF_REAL, c->in[0]);
    return EFF_OK;
}

static eff_status forward(eff_call *c)
{
    real *y = eff_tensor_reals(c->out[0]), scale = (real)c->arg[SCALE].f, shift = (real)c->arg[SHIFT].f;
    const real *x = eff_tensor_reals(c->in[X]);
    for (int64_t i = 0, n = eff_tensor_numel(c->out[0]); i < n; i++) y[i] = x[i] * scale + shift;
    return EFF_OK;
}

static eff_status backward(eff_call *c)
{
    real *dx, scale = (real)c->arg[SCALE].f;
    if (scale == 1) return eff_call_hand_on(c, 0, c->dout[0]);
    EFF_TRY(eff_call_grad(c, 0, &dx));
    const real *dy = eff_tensor_reals(c->dout[0]);
    for (int64_t i = 0, n = eff_tensor_numel(c->dout[0]); dx && i < n; i++) dx[i] = dy[i] * scale;
    return EFF_OK;
}

static const char *const samples[] = {"x=3,5 scale=2.5 shift=-1", "x=7 shift=3", NULL};

const eff_op eff_op_affine = {
    .name = "affine",
    .doc = "x * scale + shift, element-wise, with numbers for scale and shift",
    .args = EFF_ARGS(EFF_IN("x", "any shape"), EFF_NUMBER("scale", 1, "factor"), EFF_NUMBER("shift", 0, "added")),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
