/* div: a / b with broadcasting. */
#include "ops/broadcast.h"

static eff_status forward(eff_call *c) { return eff_binary_apply(EFF_BINARY_DIV, c->out[0], c->in[0], c->in[1]); }

/* da = dy / b, db = -(dy / b) * y */
static eff_status backward(eff_call *c)
{
    const eff_elementwise_kernels *k = eff_elementwise_kernels_now();
    eff_tensor *quotient = NULL;
    EFF_TRY(eff_tensor_like(&quotient, c->dout[0]));
    real *q = eff_tensor_reals(quotient);
    int64_t n = eff_tensor_numel(quotient);
    eff_status status = eff_binary_apply(EFF_BINARY_DIV, quotient, c->dout[0], c->in[1]);
    if (status == EFF_OK && c->wants[1]) {
        eff_tensor *db = NULL;
        status = eff_tensor_like(&db, quotient);
        if (status == EFF_OK) {
            k->binary(EFF_BINARY_MUL, eff_tensor_reals(db), q, eff_tensor_reals(c->out[0]), n);
            k->unary(EFF_UNARY_NEG, eff_tensor_reals(db), eff_tensor_reals(db), n);
            status = eff_call_grad_summed(c, 1, db);
        }
        eff_tensor_release(db);
    }
    if (status == EFF_OK && c->wants[0]) status = eff_call_grad_summed(c, 0, quotient);
    eff_tensor_release(quotient);
    return status;
}

const eff_op eff_op_div = {
    .name = "div",
    .doc = "a / b, element-wise with broadcasting",
    .args = EFF_BINARY_ARGS,
    .saves = EFF_SAVE_IN(1) | EFF_SAVE_OUT(0),
    .shape = eff_binary_shape,
    .forward = forward,
    .backward = backward,
    .samples = eff_binary_samples,
};
