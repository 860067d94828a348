/* Walking the tape backwards. */
#ifndef EFF_AUTOGRAD_BACKWARD_H
#define EFF_AUTOGRAD_BACKWARD_H

#include "tensor/tensor.h"

/* Adds d(root)/d(leaf) to the grad of every leaf that root depends on and that requires one. `gradient` has
 * root's shape; NULL stands for 1 and needs a root of one element. Each node's saved tensors are released as
 * soon as it is done, so a graph can be walked once, unless keep_graph. */
eff_status eff_backward(eff_tensor *root, const eff_tensor *gradient, bool keep_graph);

/* Marks t's gradient as zero without touching its memory. */
void eff_grad_zero(eff_tensor *t);

/* Makes a gradient that counts as zero really zero, and one that does not exist exist. */
eff_status eff_grad_settle(eff_tensor *t);

#endif
