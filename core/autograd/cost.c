/* What a call costs, by its record. */
#include "autograd/op.h"

static double spec_bytes(const eff_spec *s)
{
    double bytes = (double)eff_dtype_size(s->dtype);
    for (int i = 0; i < s->ndim; i++) bytes *= (double)s->shape[i];
    return bytes;
}

void eff_op_cost(eff_cost *cost, const eff_call *c)
{
    *cost = (eff_cost){0, 0};
    if (c->op->flags & EFF_VIEW) return;
    for (int i = 0; i < c->n_in; i++)
        if (c->in[i]) cost->bytes += (double)eff_tensor_numel(c->in[i]) * (double)eff_dtype_size(c->in[i]->dtype);
    for (int i = 0; i < c->n_out; i++)
        if (!c->spec[i].deferred) cost->bytes += spec_bytes(&c->spec[i]);
    if (c->n_out > 0) cost->flops = spec_bytes(&c->spec[0]) / (double)eff_dtype_size(c->spec[0].dtype);
    if (c->op->cost) c->op->cost(cost, c);
}
