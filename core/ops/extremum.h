/* Lanes along one axis of a dense tensor, for max and argmax. */
#ifndef EFF_OPS_EXTREMUM_H
#define EFF_OPS_EXTREMUM_H

#include "ops/axes.h"

typedef struct eff_lanes {
    int axis;
    int64_t outer, length, inner;
} eff_lanes;

/* The lanes of input 0 along the axis named by `axis`; fails when they are empty. */
eff_status eff_lanes_of(eff_lanes *l, const eff_call *c, int64_t axis);

static inline int64_t eff_lane_offset(const eff_lanes *l, int64_t lane, int64_t at)
{
    return (lane / l->inner * l->length + at) * l->inner + lane % l->inner;
}

/* Place of the first maximum in a lane, or of the first NaN. */
int64_t eff_lane_argmax(const eff_lanes *l, const real *x, int64_t lane);

#endif
