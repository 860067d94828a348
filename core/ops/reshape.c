/* reshape: the same elements in another shape; a view where the strides allow it. */
#include "ops/view.h"

enum { X, SHAPE };

static eff_status forward(eff_call *c)
{
    const eff_value *to = &c->arg[SHAPE];
    return eff_tensor_reshape(&c->out[0], c->in[X], (int)to->i, to->list);
}

static eff_status backward(eff_call *c) { return eff_call_hand_on(c, X, c->dout[0]); }

static const char *const samples[] = {"x=2,6 shape=3,-1", "x=2,3,4 shape=24", NULL};

const eff_op eff_op_reshape = {
    .name = "reshape",
    .doc = "the same elements in another shape; one size may be -1",
    .args = EFF_ARGS(EFF_IN("x", "any shape"), EFF_INTS("shape", "the new sizes")),
    .flags = EFF_STRIDED | EFF_VIEW,
    .shape = eff_view_shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
