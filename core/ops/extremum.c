/* Lanes along one axis; see extremum.h. */
#include "ops/extremum.h"

eff_status eff_lanes_of(eff_lanes *l, const eff_call *c, int64_t axis)
{
    const eff_tensor *t = c->in[0];
    EFF_TRY(eff_axis_parse(&l->axis, c, axis, t->ndim));
    l->outer = l->inner = 1;
    l->length = t->shape[l->axis];
    for (int i = 0; i < l->axis; i++) l->outer *= t->shape[i];
    for (int i = l->axis + 1; i < t->ndim; i++) l->inner *= t->shape[i];
    if (l->length == 0) return eff_fail(EFF_E_SHAPE, "%s: axis %d is empty", c->op->name, l->axis + 1);
    return EFF_OK;
}

int64_t eff_lane_argmax(const eff_lanes *l, const real *x, int64_t lane)
{
    int64_t best = 0;
    real largest = x[eff_lane_offset(l, lane, 0)];
    for (int64_t i = 1; i < l->length && largest == largest; i++) {
        real v = x[eff_lane_offset(l, lane, i)];
        if (v <= largest) continue;
        largest = v;
        best = i;
    }
    return best;
}
