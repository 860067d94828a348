/* sub: a - b with broadcasting. */
#include "ops/broadcast.h"

static eff_status forward(eff_call *c) { return eff_binary_apply(EFF_BINARY_SUB, c->out[0], c->in[0], c->in[1]); }

static eff_status backward(eff_call *c)
{
    if (c->wants[0]) EFF_TRY(eff_call_grad_summed(c, 0, c->dout[0]));
    if (!c->wants[1]) return EFF_OK;
    eff_tensor *negative = NULL;
    EFF_TRY(eff_tensor_like(&negative, c->dout[0]));
    eff_elementwise_kernels_now()->unary(EFF_UNARY_NEG, eff_tensor_reals(negative), eff_tensor_reals(c->dout[0]),
                                         eff_tensor_numel(negative));
    eff_status status = eff_call_grad_summed(c, 1, negative);
    eff_tensor_release(negative);
    return status;
}

const eff_op eff_op_sub = {
    .name = "sub",
    .doc = "a - b, element-wise with broadcasting",
    .args = EFF_BINARY_ARGS,
    .saves = EFF_SAVE_NOTHING,
    .shape = eff_binary_shape,
    .forward = forward,
    .backward = backward,
    .samples = eff_binary_samples,
};
