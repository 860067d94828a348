/* All operations: the list of ops.def, by name or by walking. */
#ifndef EFF_OPS_REGISTRY_H
#define EFF_OPS_REGISTRY_H

#include "autograd/op.h"

int eff_op_count(void);
const eff_op *eff_op_at(int index);
const eff_op *eff_op_find(const char *name); /* NULL when there is none */

/* ops.def's records by name, for the C code that composes them */
#define EFF_OP(name) extern const eff_op eff_op_##name;
#include "ops/ops.def"
#undef EFF_OP

#endif
