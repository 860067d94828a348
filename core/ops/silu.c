/* silu: x * sigmoid(x), element-wise (swish) */
#include "ops/unary.h"

static eff_status forward(eff_call *c) { return eff_unary_forward(c, EFF_UNARY_SILU); }

static eff_status backward(eff_call *c) { return eff_unary_backward(c, EFF_UNARY_SILU); }

static const char *const samples[] = {"x=7", "x=3,17", "x=2,3,5,4", NULL};

const eff_op eff_op_silu = {
    .name = "silu",
    .doc = "x * sigmoid(x), element-wise (swish)",
    .args = EFF_UNARY_ARGS,
    .saves = EFF_SAVE_IN(0),
    .shape = eff_unary_shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
