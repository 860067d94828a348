/* Deferred tensors; see deferred.h. */
#include "autograd/deferred.h"

#include "kernels/variants.h"

#include <stdlib.h>

typedef struct recipe {
    eff_link link; /* first, so that a tensor's recipe is this one */
    eff_tensor *x, *scale, *shift;
    eff_activation act;
} recipe;

static recipe *recipe_of(const eff_tensor *t) { return (recipe *)t->recipe; }

static void destroy(eff_link *link)
{
    recipe *r = (recipe *)link;
    eff_tensor_release(r->x);
    eff_tensor_release(r->scale);
    eff_tensor_release(r->shift);
    free(r);
}

/* Aliases have no history: a recipe keeps arrays alive, not the graph behind them. */
eff_status eff_defer(eff_tensor *t, eff_tensor *x, eff_tensor *scale, eff_tensor *shift, eff_activation act)
{
    recipe *r = calloc(1, sizeof *r);
    if (!r) return eff_fail(EFF_E_MEMORY, "no memory for a deferred tensor");
    r->link.refs = 1;
    r->link.destroy = destroy;
    r->act = act;
    t->recipe = &r->link;
    EFF_TRY(eff_tensor_alias(&r->x, x));
    EFF_TRY(eff_tensor_alias(&r->scale, scale));
    return eff_tensor_alias(&r->shift, shift);
}

eff_conv_input eff_read_input(const eff_tensor *t)
{
    const recipe *r = recipe_of(t);
    if (!r) return (eff_conv_input){.x = eff_tensor_reals(t)};
    return (eff_conv_input){.x = eff_tensor_reals(r->x), .scale = eff_tensor_reals(r->scale),
                            .shift = eff_tensor_reals(r->shift), .act = r->act};
}

static void compute(real *y, const eff_tensor *t)
{
    eff_conv_input in = eff_read_input(t);
    int64_t channels = t->shape[t->ndim - 1], rows = channels ? eff_tensor_numel(t) / channels : 0;
    eff_norm_kernels_now()->apply(y, in.x, in.scale, in.shift, in.act, rows, channels);
}

eff_status eff_computed(eff_tensor **out, eff_tensor *t)
{
    if (!t->recipe) return eff_tensor_dense(out, t);
    EFF_TRY(eff_tensor_like(out, t));
    compute(eff_tensor_reals(*out), t);
    return EFF_OK;
}

eff_status eff_settle(eff_tensor *t)
{
    if (!t->recipe) return EFF_OK;
    eff_tensor *computed;
    EFF_TRY(eff_computed(&computed, t));
    eff_tensor_adopt(t, computed);
    return EFF_OK;
}
