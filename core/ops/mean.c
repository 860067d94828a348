/* mean over axes. */
#include "ops/reduce.h"

static eff_status forward(eff_call *c) { return eff_reduce_forward(c, true); }

static eff_status backward(eff_call *c) { return eff_reduce_backward(c, true); }

const eff_op eff_op_mean = {
    .name = "mean",
    .doc = "mean over the given axes",
    .args = EFF_REDUCE_ARGS,
    .shape = eff_reduce_shape,
    .forward = forward,
    .backward = backward,
    .samples = eff_reduce_samples,
};
