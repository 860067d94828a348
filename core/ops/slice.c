/* slice: elements start .. stop of one axis; a view. */
#include "ops/axes.h"
#include "ops/view.h"

enum { X, AXIS, START, STOP, STEP };

static eff_status window(eff_tensor **out, const eff_call *c, const eff_tensor *t)
{
    int axis;
    int64_t start = c->arg[START].i, stop = c->arg[STOP].i;
    EFF_TRY(eff_axis_parse(&axis, c, c->arg[AXIS].i, t->ndim));
    if (start < 0) start += t->shape[axis] + 1;
    if (stop < 0) stop += t->shape[axis] + 1;
    return eff_tensor_slice(out, t, axis, start - 1, stop, c->arg[STEP].i);
}

static eff_status forward(eff_call *c) { return window(&c->out[0], c, c->in[X]); }

static eff_status backward(eff_call *c)
{
    real *dx;
    eff_tensor *target = NULL;
    EFF_TRY(eff_call_grad(c, X, &dx));
    if (!dx) return EFF_OK;
    eff_tensor_fill(c->din[X], 0);
    EFF_TRY(window(&target, c, c->din[X]));
    eff_status status = eff_tensor_copy(target, c->dout[0]);
    eff_tensor_release(target);
    return status;
}

static const char *const samples[] = {"x=5,3 axis=1 start=2 stop=4", "x=2,7 axis=-1 start=1 stop=-1 step=3", NULL};

const eff_op eff_op_slice = {
    .name = "slice",
    .doc = "elements start, start + step, ... up to stop of one axis (from 1; negative counts from the end)",
    .args = EFF_ARGS(EFF_IN("x", "any shape"), EFF_INT("axis", 1, "which axis"), EFF_INT("start", 1, "first element"),
                     EFF_INT("stop", -1, "last element, included"), EFF_INT("step", 1, "at least 1")),
    .flags = EFF_STRIDED | EFF_VIEW,
    .shape = eff_view_shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
