/* sum over axes. */
#include "ops/reduce.h"

static eff_status forward(eff_call *c) { return eff_reduce_forward(c, false); }

static eff_status backward(eff_call *c) { return eff_reduce_backward(c, false); }

const eff_op eff_op_sum = {
    .name = "sum",
    .doc = "sum over the given axes",
    .args = EFF_REDUCE_ARGS,
    .shape = eff_reduce_shape,
    .forward = forward,
    .backward = backward,
    .samples = eff_reduce_samples,
};
