/* expand: axes of size 1, and missing leading ones, repeated; a view. */
#include "ops/broadcast.h"
#include "ops/view.h"

enum { X, SHAPE };

static eff_status forward(eff_call *c)
{
    const eff_value *to = &c->arg[SHAPE];
    return eff_tensor_expand(&c->out[0], c->in[X], (int)to->i, to->list);
}

static eff_status backward(eff_call *c) { return eff_call_grad_summed(c, X, c->dout[0]); }

static const char *const samples[] = {"x=3,1 shape=2,3,4", "x=5 shape=2,5", NULL};

const eff_op eff_op_expand = {
    .name = "expand",
    .doc = "x repeated to a larger shape along axes of size 1 and new leading axes",
    .args = EFF_ARGS(EFF_IN("x", "any shape"), EFF_INTS("shape", "the new sizes")),
    .flags = EFF_STRIDED | EFF_VIEW,
    .shape = eff_view_shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
