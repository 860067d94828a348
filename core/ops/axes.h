/* Arguments that name axes: 1-based, negative from the end. */
#ifndef EFF_OPS_AXES_H
#define EFF_OPS_AXES_H

#include "autograd/op.h"

/* The 0-based axis that argument `value` names in a tensor of ndim dimensions. */
eff_status eff_axis_parse(int *axis, const eff_call *c, int64_t value, int ndim);

/* The set of axes as bits; no axes given stands for all. */
eff_status eff_axes_parse(unsigned *axes, const eff_call *c, const eff_value *value, int ndim);

/* Output 0's shape for a reduction of input 0 over `axes`. */
void eff_spec_reduced(eff_call *c, eff_dtype dtype, unsigned axes, bool keep);

#endif
