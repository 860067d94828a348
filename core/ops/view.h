/* What the ops that only look at their input differently share. */
#ifndef EFF_OPS_VIEW_H
#define EFF_OPS_VIEW_H

#include "autograd/op.h"

/* The shape rule of views: the output's type and shape come from forward. */
eff_status eff_view_shape(eff_call *c);

#endif
