/* global_avg_pool: the mean over all pixels, [n][h][w][c] to [n][1][1][c]. */
#include "ops/broadcast.h"

static eff_status shape(eff_call *c)
{
    EFF_TRY(eff_want_dtype(c, 0, EFF_REAL));
    EFF_TRY(eff_want_ndim(c, 0, 4));
    const int64_t *x = c->in[0]->shape;
    if (x[1] * x[2] == 0) return eff_fail(EFF_E_SHAPE, "global_avg_pool: an image without pixels");
    eff_spec_set(c, 0, EFF_REAL, 4, (int64_t[]){x[0], 1, 1, x[3]});
    return EFF_OK;
}

static eff_status forward(eff_call *c)
{
    const int64_t *x = c->in[0]->shape;
    real *y = eff_tensor_reals(c->out[0]), scale = 1 / (real)(x[1] * x[2]);
    EFF_TRY(eff_sum_axes(y, eff_tensor_reals(c->in[0]), 4, x, 6u));
    for (int64_t i = 0; i < x[0] * x[3]; i++) y[i] *= scale;
    return EFF_OK;
}

static eff_status backward(eff_call *c)
{
    const int64_t *x = c->in[0]->shape;
    real *dx, scale = 1 / (real)(x[1] * x[2]);
    EFF_TRY(eff_call_grad(c, 0, &dx));
    if (!dx) return EFF_OK;
    const real *dy = eff_tensor_reals(c->dout[0]);
    for (int64_t n = 0; n < x[0]; n++)
        for (int64_t pixel = 0; pixel < x[1] * x[2]; pixel++)
            for (int64_t ch = 0; ch < x[3]; ch++) *dx++ = dy[n * x[3] + ch] * scale;
    return EFF_OK;
}

static const char *const samples[] = {"x=2,3,4,5", "x=1,1,1,1", "x=3,7,1,17", NULL};

const eff_op eff_op_global_avg_pool = {
    .name = "global_avg_pool",
    .doc = "the mean over all pixels of each image and channel",
    .args = EFF_ARGS(EFF_IN("x", "[n][h][w][c]")),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
