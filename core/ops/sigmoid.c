/* sigmoid: 1 / (1 + exp(-x)), element-wise */
#include "ops/unary.h"

static eff_status forward(eff_call *c) { return eff_unary_forward(c, EFF_UNARY_SIGMOID); }

static eff_status backward(eff_call *c) { return eff_unary_backward(c, EFF_UNARY_SIGMOID); }

static const char *const samples[] = {"x=7", "x=3,17", "x=2,3,5,4", NULL};

const eff_op eff_op_sigmoid = {
    .name = "sigmoid",
    .doc = "1 / (1 + exp(-x)), element-wise",
    .args = EFF_UNARY_ARGS,
    .saves = EFF_SAVE_OUT(0),
    .shape = eff_unary_shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
