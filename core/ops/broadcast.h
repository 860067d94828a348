/* Broadcasting and its reverse, shared by the element-wise functions of two tensors and the reductions. */
#ifndef EFF_OPS_BROADCAST_H
#define EFF_OPS_BROADCAST_H

#include "autograd/op.h"
#include "kernels/variants.h"

/* b repeats along one run of axes of y: y [outer][rows][c] against b [outer][c]. */
typedef struct eff_rows_pattern {
    int64_t outer, rows, c;
} eff_rows_pattern;

/* False when b repeats along several separate axes. */
bool eff_find_rows(eff_rows_pattern *p, const eff_tensor *y, const eff_tensor *b);

/* y = a (op) b; y is dense and has the broadcast shape. */
eff_status eff_binary_apply(eff_binary f, eff_tensor *y, const eff_tensor *a, const eff_tensor *b);

/* y = sum of the dense x over the axes whose bit is set in `axes`; y holds what remains, dense. */
eff_status eff_sum_axes(real *y, const real *x, int ndim, const int64_t *shape, unsigned axes);

/* The axes of `from` along which `to` was broadcast, as bits. */
unsigned eff_broadcast_axes(const eff_tensor *from, const eff_tensor *to);

/* Gives input i the gradient g, which has the broadcast shape, summed to the input's shape. */
eff_status eff_call_grad_summed(eff_call *c, int i, eff_tensor *g);

/* ---- records of two-tensor functions ---- */

#define EFF_BINARY_ARGS EFF_ARGS(EFF_IN("a", "any shape"), EFF_IN("b", "a shape that broadcasts with a's"))

eff_status eff_binary_shape(eff_call *c);

extern const char *const eff_binary_samples[];

#endif
