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
