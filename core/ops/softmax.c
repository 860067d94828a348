/* softmax over the last axis. */
#include "ops/softmax_rows.h"

static void forward_row(eff_call *c, int64_t row, int64_t n)
{
    const real *x = eff_tensor_reals(c->in[0]) + row * n;
    real *y = eff_tensor_reals(c->out[0]) + row * n;
    real total = (real)eff_log_sum_exp(x, n);
    for (int64_t i = 0; i < n; i++) y[i] = real_exp(x[i] - total);
}

/* dx = y * (dy - sum(dy * y)) */
static void backward_row(eff_call *c, int64_t row, int64_t n)
{
    const real *y = eff_tensor_reals(c->out[0]) + row * n, *dy = eff_tensor_reals(c->dout[0]) + row * n;
    real *dx = eff_tensor_reals(c->din[0]) + row * n;
    double dot = 0;
    for (int64_t i = 0; i < n; i++) dot += (double)dy[i] * (double)y[i];
    for (int64_t i = 0; i < n; i++) dx[i] = y[i] * (real)((double)dy[i] - dot);
}

static eff_status forward(eff_call *c)
{
    eff_each_row(c, forward_row);
    return EFF_OK;
}

static eff_status backward(eff_call *c)
{
    real *dx;
    EFF_TRY(eff_call_grad(c, 0, &dx));
    if (dx) eff_each_row(c, backward_row);
    return EFF_OK;
}

static const char *const samples[] = {"x=3,5", "x=2,2,1", "x=1,17", NULL};

const eff_op eff_op_softmax = {
    .name = "softmax",
    .doc = "exp(x) / sum(exp(x)) over the last axis",
    .args = EFF_ARGS(EFF_IN("x", "[...][classes]")),
    .saves = EFF_SAVE_OUT(0),
    .shape = eff_softmax_shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
