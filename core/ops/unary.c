/* Element-wise functions of one tensor; see unary.h. */
#include "ops/unary.h"

eff_status eff_unary_shape(eff_call *c)
{
    EFF_TRY(eff_want_dtype(c, 0, EFF_REAL));
    eff_spec_like(c, 0, EFF_REAL, c->in[0]);
    return EFF_OK;
}

eff_status eff_unary_forward(eff_call *c, eff_unary f)
{
    eff_elementwise_kernels_now()->unary(f, eff_tensor_reals(c->out[0]), eff_tensor_reals(c->in[0]),
                                         eff_tensor_numel(c->in[0]));
    return EFF_OK;
}

/* An op saves only what its derivative reads; dy stands in the place of the other, which must be readable. */
static const real *saved_or(const eff_tensor *t, const real *dy) { return t->storage ? eff_tensor_reals(t) : dy; }

eff_status eff_unary_backward(eff_call *c, eff_unary f)
{
    real *dx;
    const real *dy = eff_tensor_reals(c->dout[0]);
    EFF_TRY(eff_call_grad(c, 0, &dx));
    if (!dx) return EFF_OK;
    eff_elementwise_kernels_now()->unary_backward(f, dx, dy, saved_or(c->in[0], dy), saved_or(c->out[0], dy),
                                                  eff_tensor_numel(c->in[0]));
    return EFF_OK;
}
