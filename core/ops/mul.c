/* mul: a * b with broadcasting; with b [n][1][1][c] it is the gate of squeeze-and-excitation. */
#include "ops/broadcast.h"

#include "base/pool.h"

static eff_status forward(eff_call *c) { return eff_binary_apply(EFF_BINARY_MUL, c->out[0], c->in[0], c->in[1]); }

/* The gate's gradient in one pass: the sum over the pixels of dy * x. */
static eff_status grad_by_dot(eff_call *c, int i, const eff_tensor *other, const eff_rows_pattern *p)
{
    const eff_elementwise_kernels *k = eff_elementwise_kernels_now();
    real *d;
    EFF_TRY(eff_call_grad(c, i, &d));
    if (!d) return EFF_OK;
    size_t bytes = k->dot_rows_scratch(p->outer, p->rows, p->c);
    void *scratch = bytes ? eff_pool_alloc(bytes) : NULL;
    if (bytes && !scratch) return eff_fail(EFF_E_MEMORY, "no memory for a sum's scratch");
    k->dot_rows(d, eff_tensor_reals(c->dout[0]), eff_tensor_reals(other), p->outer, p->rows, p->c,
                scratch);
    eff_pool_free(scratch);
    return EFF_OK;
}

static eff_status grad_of(eff_call *c, int i)
{
    const eff_tensor *dy = c->dout[0], *other = c->in[1 - i];
    eff_rows_pattern p;
    if (!c->wants[i]) return EFF_OK;
    if (!eff_tensor_same_shape(c->in[i], dy) && eff_tensor_same_shape(other, dy) &&
        eff_find_rows(&p, dy, c->in[i]))
        return grad_by_dot(c, i, other, &p);
    eff_tensor *product = NULL;
    EFF_TRY(eff_tensor_like(&product, dy));
    eff_status status = eff_binary_apply(EFF_BINARY_MUL, product, dy, other);
    if (status == EFF_OK) status = eff_call_grad_summed(c, i, product);
    eff_tensor_release(product);
    return status;
}

static eff_status backward(eff_call *c)
{
    EFF_TRY(grad_of(c, 0));
    return grad_of(c, 1);
}

const eff_op eff_op_mul = {
    .name = "mul",
    .doc = "a * b, element-wise with broadcasting",
    .args = EFF_BINARY_ARGS,
    .saves = EFF_SAVE_IN(0) | EFF_SAVE_IN(1),
    .shape = eff_binary_shape,
    .forward = forward,
    .backward = backward,
    .samples = eff_binary_samples,
};
