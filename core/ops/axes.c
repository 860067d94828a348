/* Axis arguments; see axes.h. */
#include "ops/axes.h"

eff_status eff_axis_parse(int *axis, const eff_call *c, int64_t value, int ndim)
{
    int64_t found = value < 0 ? value + ndim : value - 1;
    if (value == 0 || found < 0 || found >= ndim)
        return eff_fail(EFF_E_ARGUMENT, "%s: axis %lld of a tensor with %d dimensions (1 to %d, or -1 from the end)",
                        c->op->name, (long long)value, ndim, ndim);
    *axis = (int)found;
    return EFF_OK;
}

eff_status eff_axes_parse(unsigned *axes, const eff_call *c, const eff_value *value, int ndim)
{
    *axes = 0;
    for (int64_t i = 0; i < value->i; i++) {
        int axis = 0;
        EFF_TRY(eff_axis_parse(&axis, c, value->list[i], ndim));
        *axes |= 1u << axis;
    }
    if (value->i == 0) *axes = (1u << ndim) - 1;
    return EFF_OK;
}

void eff_spec_reduced(eff_call *c, eff_dtype dtype, unsigned axes, bool keep)
{
    int64_t shape[EFF_MAX_DIMS];
    int n = 0;
    for (int i = 0; i < c->in[0]->ndim; i++) {
        if (!(axes & 1u << i)) shape[n++] = c->in[0]->shape[i];
        else if (keep) shape[n++] = 1;
    }
    eff_spec_set(c, 0, dtype, n, shape);
}
