/* What Dropout and DropPath share: a probability that may change, and no effect in evaluation. */
#ifndef EFF_LAYERS_DROP_H
#define EFF_LAYERS_DROP_H

#include "layers/layer.h"

#define EFF_DROP_ARGS(probability) EFF_ARGS(EFF_NUMBER("p", probability, "probability, in [0, 1)"))

eff_status eff_drop_create(eff_layer *layer);

/* y = op(x, p) in training, else x itself */
eff_status eff_drop_forward(eff_tensor **y, eff_layer *layer, eff_tensor *x, const eff_op *op);

#endif
