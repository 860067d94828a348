/* max: the largest value along one axis. The gradient goes to the first maximum. */
#include "ops/extremum.h"

#include <string.h>

enum { X, AXIS, KEEP };
enum { Y, WHERE };

static eff_status shape(eff_call *c)
{
    eff_lanes l;
    EFF_TRY(eff_want_dtype(c, X, EFF_REAL));
    EFF_TRY(eff_lanes_of(&l, c, c->arg[AXIS].i));
    eff_spec_reduced(c, EFF_REAL, 1u << l.axis, c->arg[KEEP].i);
    eff_spec_set(c, WHERE, EFF_I64, c->spec[Y].ndim, c->spec[Y].shape);
    return EFF_OK;
}

static eff_status forward(eff_call *c)
{
    eff_lanes l;
    EFF_TRY(eff_lanes_of(&l, c, c->arg[AXIS].i));
    const real *x = eff_tensor_reals(c->in[X]);
    real *y = eff_tensor_reals(c->out[Y]);
    int64_t *where = eff_tensor_data(c->out[WHERE]);
    for (int64_t lane = 0; lane < l.outer * l.inner; lane++) {
        where[lane] = eff_lane_argmax(&l, x, lane);
        y[lane] = x[eff_lane_offset(&l, lane, where[lane])];
    }
    return EFF_OK;
}

static eff_status backward(eff_call *c)
{
    eff_lanes l;
    real *dx;
    EFF_TRY(eff_lanes_of(&l, c, c->arg[AXIS].i));
    EFF_TRY(eff_call_grad(c, X, &dx));
    if (!dx) return EFF_OK;
    const real *dy = eff_tensor_reals(c->dout[Y]);
    const int64_t *where = eff_tensor_data(c->out[WHERE]);
    memset(dx, 0, (size_t)eff_tensor_numel(c->in[X]) * sizeof *dx);
    for (int64_t lane = 0; lane < l.outer * l.inner; lane++) dx[eff_lane_offset(&l, lane, where[lane])] = dy[lane];
    return EFF_OK;
}

static const char *const samples[] = {"x=3,5", "x=2,3,4 axis=2 keep=true", "x=2,3,4 axis=1", NULL};

const eff_op eff_op_max = {
    .name = "max",
    .doc = "the largest value along one axis; NaN wins",
    .args = EFF_ARGS(EFF_IN("x", "any shape"), EFF_INT("axis", -1, "which axis, from 1"),
                     EFF_FLAG("keep", false, "keep the axis with size 1")),
    .hidden = 1,
    .saves = EFF_SAVE_OUT(1),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
