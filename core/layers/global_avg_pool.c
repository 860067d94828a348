/* GlobalAvgPool: the mean over all pixels, as [n][c]. */
#include "layers/layer.h"
#include "ops/registry.h"

static eff_status forward(eff_tensor **y, eff_layer *layer, eff_tensor *x)
{
    eff_call c;
    eff_tensor *mean = NULL;
    (void)layer;
    EFF_TRY(eff_layer_apply(&mean, &eff_op_global_avg_pool, x, NULL));
    eff_call_start(&c, &eff_op_reshape);
    c.n_in = 1;
    c.in[0] = mean;
    c.arg[1].i = 2;
    c.arg[1].list[0] = mean->shape[0];
    c.arg[1].list[1] = mean->shape[3];
    eff_status status = eff_layer_run(y, &c);
    eff_tensor_release(mean);
    return status;
}

const eff_layer_type eff_layer_global_avg_pool = {
    .name = "GlobalAvgPool",
    .doc = "the mean over all pixels, [n][h][w][c] to [n][c]",
    .args = EFF_ARGS({.name = NULL}),
    .forward = forward,
};
