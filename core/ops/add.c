/* add: a + b with broadcasting. The gradient of an input of the full shape is handed on, not copied. */
#include "ops/broadcast.h"

static eff_status forward(eff_call *c) { return eff_binary_apply(EFF_BINARY_ADD, c->out[0], c->in[0], c->in[1]); }

static eff_status backward(eff_call *c)
{
    if (c->wants[0]) EFF_TRY(eff_call_grad_summed(c, 0, c->dout[0]));
    if (c->wants[1]) EFF_TRY(eff_call_grad_summed(c, 1, c->dout[0]));
    return EFF_OK;
}

const eff_op eff_op_add = {
    .name = "add",
    .doc = "a + b, element-wise with broadcasting",
    .args = EFF_BINARY_ARGS,
    .saves = EFF_SAVE_NOTHING,
    .shape = eff_binary_shape,
    .forward = forward,
    .backward = backward,
    .samples = eff_binary_samples,
};
