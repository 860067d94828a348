/* argmax: where the largest value along one axis is. */
#include "ops/extremum.h"

enum { X, AXIS };

static eff_status shape(eff_call *c)
{
    eff_lanes l;
    EFF_TRY(eff_want_dtype(c, X, EFF_REAL));
    EFF_TRY(eff_lanes_of(&l, c, c->arg[AXIS].i));
    eff_spec_reduced(c, EFF_I64, 1u << l.axis, false);
    return EFF_OK;
}

static eff_status forward(eff_call *c)
{
    eff_lanes l;
    EFF_TRY(eff_lanes_of(&l, c, c->arg[AXIS].i));
    int64_t *y = eff_tensor_data(c->out[0]);
    for (int64_t lane = 0; lane < l.outer * l.inner; lane++)
        y[lane] = eff_lane_argmax(&l, eff_tensor_reals(c->in[X]), lane);
    return EFF_OK;
}

static const char *const samples[] = {"x=3,5", "x=2,3,4 axis=1", NULL};

const eff_op eff_op_argmax = {
    .name = "argmax",
    .doc = "0-based place of the first largest value along one axis, as class labels are counted",
    .args = EFF_ARGS(EFF_IN("x", "any shape"), EFF_INT("axis", -1, "which axis, from 1")),
    .shape = shape,
    .forward = forward,
    .backward = eff_no_grad,
    .samples = samples,
};
