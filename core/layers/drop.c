/* Shared by the dropping layers; see drop.h. */
#include "layers/drop.h"

enum { P };
enum { OP_P = 1 };

eff_status eff_drop_create(eff_layer *layer)
{
    if (layer->arg[P].f >= 0 && layer->arg[P].f < 1) return EFF_OK;
    return eff_layer_fail(layer, "p is %g, must be in [0, 1)", layer->arg[P].f);
}

eff_status eff_drop_forward(eff_tensor **y, eff_layer *layer, eff_tensor *x, const eff_op *op)
{
    eff_call c;
    if (!layer->training || layer->arg[P].f == 0) {
        *y = eff_tensor_retain(x);
        return EFF_OK;
    }
    eff_call_start(&c, op);
    c.n_in = 1;
    c.in[0] = x;
    c.arg[OP_P] = layer->arg[P];
    return eff_layer_run(y, &c);
}
