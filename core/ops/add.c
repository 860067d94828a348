/* add: a + b with broadcasting. The gradient of an input of the full shape is handed on, not copied, and a deferred
 * input is computed on the way: the residual path of a block costs one pass. */
#include "autograd/deferred.h"
#include "ops/broadcast.h"

static eff_status add_computed(eff_call *c)
{
    eff_tensor *a = NULL, *b = NULL;
    eff_status status = eff_computed(&a, c->in[0]);
    if (status == EFF_OK) status = eff_computed(&b, c->in[1]);
    if (status == EFF_OK) status = eff_binary_apply(EFF_BINARY_ADD, c->out[0], a, b);
    eff_tensor_release(a);
    eff_tensor_release(b);
    return status;
}

static eff_status forward(eff_call *c)
{
    eff_tensor *a = c->in[0], *b = c->in[1], *other;
    bool deferred = eff_is_scaled(a) || eff_is_scaled(b);
    if (!deferred || !eff_tensor_same_shape(a, b) || eff_tensor_numel(a) == 0) return add_computed(c);
    EFF_TRY(eff_computed(&other, eff_is_scaled(a) ? b : a));
    eff_compute_sum(eff_tensor_reals(c->out[0]), eff_is_scaled(a) ? a : b, eff_tensor_reals(other));
    eff_tensor_release(other);
    return EFF_OK;
}

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
    .flags = EFF_READS_DEFERRED_ALL,
    .saves = EFF_SAVE_NOTHING,
    .shape = eff_binary_shape,
    .forward = forward,
    .backward = backward,
    .samples = eff_binary_samples,
};
