/* What sum and mean share. */
#ifndef EFF_OPS_REDUCE_H
#define EFF_OPS_REDUCE_H

#include "ops/axes.h"

enum { EFF_REDUCE_X, EFF_REDUCE_AXES, EFF_REDUCE_KEEP };

#define EFF_REDUCE_ARGS                                                                                              \
    EFF_ARGS(EFF_IN("x", "any shape"), EFF_INTS("axes", "the axes to reduce, from 1; all when not given"),            \
             EFF_FLAG("keep", false, "keep reduced axes with size 1"))

eff_status eff_reduce_shape(eff_call *c);
eff_status eff_reduce_forward(eff_call *c, bool mean);
eff_status eff_reduce_backward(eff_call *c, bool mean);

extern const char *const eff_reduce_samples[];

#endif
