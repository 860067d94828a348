/* avg_pool2d: the mean of each window. */
#include <string.h>

#include "ops/pool.h"

/* 1 / the number of pixels that a window's mean counts */
static real share(const eff_call *c, const eff_window *w, int64_t oy, int64_t ox)
{
    const int64_t *size = c->in[0]->shape;
    int64_t rows = eff_pool_stop(w, 0, oy, size[1]) - eff_pool_first(w, 0, oy);
    int64_t columns = eff_pool_stop(w, 1, ox, size[2]) - eff_pool_first(w, 1, ox);
    if (c->arg[EFF_POOL_COUNT_PADDING].i) {
        rows = w->kernel[0];
        columns = w->kernel[1];
    }
    return 1 / (real)(rows * columns);
}

static void mean_of_window(real *mean, const real *x, const eff_call *c, const eff_window *w, int64_t oy, int64_t ox)
{
    const int64_t *size = c->in[0]->shape;
    real factor = share(c, w, oy, ox);
    for (int64_t r = eff_pool_first(w, 0, oy); r < eff_pool_stop(w, 0, oy, size[1]); r++)
        for (int64_t s = eff_pool_first(w, 1, ox); s < eff_pool_stop(w, 1, ox, size[2]); s++)
            for (int64_t ch = 0; ch < size[3]; ch++) mean[ch] += factor * x[(r * size[2] + s) * size[3] + ch];
}

static void spread_to_window(real *dx, const real *dmean, const eff_call *c, const eff_window *w, int64_t oy, int64_t ox)
{
    const int64_t *size = c->in[0]->shape;
    real factor = share(c, w, oy, ox);
    for (int64_t r = eff_pool_first(w, 0, oy); r < eff_pool_stop(w, 0, oy, size[1]); r++)
        for (int64_t s = eff_pool_first(w, 1, ox); s < eff_pool_stop(w, 1, ox, size[2]); s++)
            for (int64_t ch = 0; ch < size[3]; ch++) dx[(r * size[2] + s) * size[3] + ch] += factor * dmean[ch];
}

static void forward_row(eff_call *c, const eff_window *w, int64_t image, int64_t row)
{
    const int64_t *size = c->in[0]->shape;
    const real *x = eff_tensor_reals(c->in[0]) + image * size[1] * size[2] * size[3];
    int64_t length = w->out[1] * size[3];
    real *y = eff_tensor_reals(c->out[0]) + (image * w->out[0] + row) * length;
    memset(y, 0, (size_t)length * sizeof *y);
    for (int64_t ox = 0; ox < w->out[1]; ox++, y += size[3]) mean_of_window(y, x, c, w, row, ox);
}

static void backward_image(eff_call *c, const eff_window *w, int64_t image)
{
    const int64_t *size = c->in[0]->shape;
    int64_t in = size[1] * size[2] * size[3];
    real *dx = eff_tensor_reals(c->din[0]) + image * in;
    const real *dy = eff_tensor_reals(c->dout[0]) + image * w->out[0] * w->out[1] * size[3];
    memset(dx, 0, (size_t)in * sizeof *dx);
    for (int64_t oy = 0; oy < w->out[0]; oy++)
        for (int64_t ox = 0; ox < w->out[1]; ox++, dy += size[3]) spread_to_window(dx, dy, c, w, oy, ox);
}

static eff_status forward(eff_call *c) { return eff_pool_forward(c, forward_row); }

static eff_status backward(eff_call *c) { return eff_pool_backward(c, backward_image); }

static const char *const samples[] = {"x=2,5,5,3 kernel_size=3 stride=2 padding=1", "x=1,4,6,2 kernel_size=2",
                                      "x=2,5,4,1 kernel_size=3 stride=2 padding=same count_padding=false", NULL};

const eff_op eff_op_avg_pool2d = {
    .name = "avg_pool2d",
    .doc = "the mean of each window",
    .args = EFF_POOL_ARGS(, EFF_FLAG("count_padding", true, "count the zeros around the image in the mean (PyTorch does, "
                                                            "TensorFlow does not)")),
    .shape = eff_pool_shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
