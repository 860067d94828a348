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

/* Channels of a window at a time: enough for vectors, few enough for registers */
enum { BLOCK = 16 };

typedef struct window { /* the part that lies in the image */
    int64_t top, bottom, left, right;
} window;

/* `channels` of a window from x on, whose first element has the offset `at`; NaN wins. */
static inline __attribute__((always_inline)) void pool_block(real *y, int32_t *where, const real *x, int64_t at,
                                                             const int64_t *size, const window *p, int channels)
{
    real best[BLOCK];
    int32_t winner[BLOCK];
    for (int i = 0; i < channels; i++) {
        best[i] = (real)-INFINITY;
        winner[i] = -1;
    }
    for (int64_t r = p->top; r < p->bottom; r++)
        for (int64_t s = p->left; s < p->right; s++) {
            int32_t offset = (int32_t)(at + (r * size[2] + s) * size[3]);
            const real *v = x + offset;
            for (int i = 0; i < channels; i++) {
                bool wins = v[i] > best[i] || v[i] != v[i] || winner[i] < 0;
                best[i] = wins ? v[i] : best[i];
                winner[i] = wins ? offset + i : winner[i];
            }
        }
    memcpy(y, best, (size_t)channels * sizeof *y);
    memcpy(where, winner, (size_t)channels * sizeof *where);
}

/* The same without the winners, which only backward reads */
static inline __attribute__((always_inline)) void values_block(real *y, const real *x, const int64_t *size,
                                                               const window *p, int channels)
{
    real best[BLOCK];
    for (int i = 0; i < channels; i++) best[i] = (real)-INFINITY;
    for (int64_t r = p->top; r < p->bottom; r++)
        for (int64_t s = p->left; s < p->right; s++) {
            const real *v = x + (r * size[2] + s) * size[3];
            for (int i = 0; i < channels; i++) best[i] = v[i] <= best[i] || best[i] != best[i] ? best[i] : v[i];
        }
    memcpy(y, best, (size_t)channels * sizeof *y);
}

static void values_of_window(real *y, const real *x, const int64_t *size, const window *p)
{
    int64_t i = 0;
    for (; i + BLOCK <= size[3]; i += BLOCK) values_block(y + i, x + i, size, p, BLOCK);
    if (i < size[3]) values_block(y + i, x + i, size, p, (int)(size[3] - i));
}

static void forward_row(eff_call *c, const eff_window *w, int64_t image, int64_t row)
{
    const int64_t *size = c->in[0]->shape;
    const real *x = eff_tensor_reals(c->in[0]) + image * size[1] * size[2] * size[3];
    int64_t out = (image * w->out[0] + row) * w->out[1] * size[3];
    window p = {.top = eff_pool_first(w, 0, row), .bottom = eff_pool_stop(w, 0, row, size[1])};
    for (int64_t ox = 0; ox < w->out[1]; ox++, out += size[3]) {
        real *y = eff_tensor_reals(c->out[Y]) + out;
        int32_t *where = (int32_t *)eff_tensor_data(c->out[WHERE]) + out;
        int64_t i = 0;
        p.left = eff_pool_first(w, 1, ox);
        p.right = eff_pool_stop(w, 1, ox, size[2]);
        if (!c->training) {
            values_of_window(y, x, size, &p);
            continue;
        }
        for (; i + BLOCK <= size[3]; i += BLOCK) pool_block(y + i, where + i, x, i, size, &p, BLOCK);
        if (i < size[3]) pool_block(y + i, where + i, x, i, size, &p, (int)(size[3] - i));
    }
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

static eff_status forward(eff_call *c) { return eff_pool_forward(c, forward_row); }

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
