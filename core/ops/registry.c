/* The list of operations; see registry.h. */
#include "ops/registry.h"

#include <string.h>

static const eff_op *const ops[] = {
#define EFF_OP(name) &eff_op_##name,
#include "ops/ops.def"
#undef EFF_OP
};

int eff_op_count(void) { return (int)(sizeof ops / sizeof ops[0]); }

const eff_op *eff_op_at(int index) { return ops[index]; }

const eff_op *eff_op_find(const char *name)
{
    for (int i = 0; i < eff_op_count(); i++)
        if (strcmp(ops[i]->name, name) == 0) return ops[i];
    return NULL;
}

static double spec_numel(const eff_spec *s)
{
    double n = 1;
    for (int i = 0; i < s->ndim; i++) n *= (double)s->shape[i];
    return n;
}

void eff_op_cost(eff_cost *cost, const eff_call *c)
{
    *cost = (eff_cost){0, 0};
    for (int i = 0; i < c->n_in; i++)
        if (c->in[i]) cost->bytes += (double)eff_tensor_numel(c->in[i]) * (double)eff_dtype_size(c->in[i]->dtype);
    for (int i = 0; i < c->n_out; i++) cost->bytes += spec_numel(&c->spec[i]) * (double)eff_dtype_size(c->spec[i].dtype);
    if (c->n_out > 0) cost->flops = spec_numel(&c->spec[0]);
    if (c->op->cost) c->op->cost(cost, c);
}
