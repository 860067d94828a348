/* What the element-wise functions of one tensor share. */
#ifndef EFF_OPS_UNARY_H
#define EFF_OPS_UNARY_H

#include "autograd/op.h"
#include "kernels/variants.h"

#define EFF_UNARY_ARGS EFF_ARGS(EFF_IN("x", "any shape"))

eff_status eff_unary_shape(eff_call *c);
eff_status eff_unary_forward(eff_call *c, eff_unary f);
eff_status eff_unary_backward(eff_call *c, eff_unary f);

#endif
