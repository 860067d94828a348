/* max_pool2d: the largest value of each window; padding never wins. The gradient goes to the first maximum. */
#include <string.h>

#include "ops/pool.h"

enum { Y, WHERE }; /* WHERE: int32 offset of the winner within its image */

static eff_status shape(eff_call *c)
{
    EFF_TRY(eff_pool_shape(c));
    eff_spec_set(c, WHERE, EFF_I32, 4, c->spec[Y].shape);
    return EFF_OK;
}

static void pool_window(real *y, int32_t *where, const real *x, const int64_t *size, const eff_window *w, int64_t oy,
                        int64_t ox)
{
    int64_t channels = size[3], top = eff_pool_first(w, 0, oy), left = eff_pool_first(w, 1, ox);
    for (int64_t ch = 0; ch < channels; ch++) where[ch] = -1;
    for (int64_t r = top; r < eff_pool_stop(w, 0, oy, size[1]); r++)
        for (int64_t s = left; s < eff_pool_stop(w, 1, ox, size[2]); s++) {
            int64_t at = (r * size[2] + s) * channels;
            for (int64_t ch = 0; ch < channels; ch++) {
                real v = x[at + ch];
                if (where[ch] >= 0 && !(v > y[ch]) && v == v) continue;
                y[ch] = v;
                where[ch] = (int32_t)(at + ch);
            }
        }
}

static void forward_image(eff_call *c, const eff_window *w, int64_t image)
{
    const int64_t *size = c->in[0]->shape;
    const real *x = eff_tensor_reals(c->in[0]) + image * size[1] * size[2] * size[3];
    int64_t out = image * w->out[0] * w->out[1] * size[3];
    real *y = eff_tensor_reals(c->out[Y]) + out;
    int32_t *where = (int32_t *)eff_tensor_data(c->out[WHERE]) + out;
    for (int64_t oy = 0; oy < w->out[0]; oy++)
        for (int64_t ox = 0; ox < w->out[1]; ox++, y += size[3], where += size[3])
            pool_window(y, where, x, size, w, oy, ox);
}

static void backward_image(eff_call *c, const eff_window *w, int64_t image)
{
    const int64_t *size = c->in[0]->shape;
    int64_t in = size[1] * size[2] * size[3], out = w->out[0] * w->out[1] * size[3];
    real *dx = eff_tensor_reals(c->din[0]) + image * in;
    const real *dy = eff_tensor_reals(c->dout[Y]) + image * out;
    const int32_t *where = (const int32_t *)eff_tensor_data(c->out[WHERE]) + image * out;
    memset(dx, 0, (size_t)in * sizeof *dx);
    for (int64_t i = 0; i < out; i++) dx[where[i]] += dy[i];
}

static eff_status forward(eff_call *c) { return eff_pool_forward(c, forward_image); }

static eff_status backward(eff_call *c) { return eff_pool_backward(c, backward_image); }

static const char *const samples[] = {"x=2,5,5,3 kernel_size=3 stride=2 padding=1", "x=1,4,6,2 kernel_size=2",
                                      "x=2,5,4,1 kernel_size=3,2 stride=1 padding=same", NULL};

const eff_op eff_op_max_pool2d = {
    .name = "max_pool2d",
    .doc = "the largest value of each window",
    .args = EFF_POOL_ARGS(),
    .hidden = 1,
    .saves = EFF_SAVE_OUT(1),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
