/* What the pooling ops share: their arguments, shapes, and the pixels of a window. */
#ifndef EFF_OPS_POOL_H
#define EFF_OPS_POOL_H

#include "ops/window.h"

enum { EFF_POOL_X, EFF_POOL_KERNEL, EFF_POOL_STRIDE, EFF_POOL_PADDING, EFF_POOL_COUNT_PADDING };

#define EFF_POOL_ARGS(...)                                                                                           \
    EFF_ARGS(EFF_IN("x", "[n][h][w][c]"), EFF_INTS("kernel_size", "one number or {vertical, horizontal}"),                 \
             EFF_INTS("stride", "the kernel's size when not given"),                                                  \
             EFF_INTS_OR_WORD("padding", eff_padding_words, EFF_PADDING_DOC) __VA_ARGS__)

eff_status eff_pool_geometry(eff_window *w, const eff_call *c);
eff_status eff_pool_shape(eff_call *c);

/* Forward: visit(c, w, image, row) for every row of windows of every image, in parallel */
typedef void (*eff_pool_visit_row)(eff_call *c, const eff_window *w, int64_t image, int64_t row);
eff_status eff_pool_forward(eff_call *c, eff_pool_visit_row visit);

/* Backward: visit(c, w, image) for every image of the batch, in parallel; din[0] is there to be filled. */
typedef void (*eff_pool_visit)(eff_call *c, const eff_window *w, int64_t image);
eff_status eff_pool_backward(eff_call *c, eff_pool_visit visit);

/* The part of the window at output `at` that lies in the image, along one direction. */
static inline int64_t eff_pool_first(const eff_window *w, int d, int64_t at)
{
    int64_t first = at * w->stride[d] - w->before[d];
    return first < 0 ? 0 : first;
}
static inline int64_t eff_pool_stop(const eff_window *w, int d, int64_t at, int64_t size)
{
    int64_t stop = at * w->stride[d] - w->before[d] + w->kernel[d];
    return stop > size ? size : stop;
}

#endif
