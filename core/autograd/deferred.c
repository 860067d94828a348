/* Deferred tensors; see deferred.h. */
#include "autograd/deferred.h"

#include "kernels/variants.h"

#include <stdlib.h>

enum { X, SCALE, SHIFT, GATE, LEVEL, PARTS };

typedef struct recipe {
    eff_link link; /* first, so that a tensor's recipe is this one */
    eff_tensor *part[PARTS]; /* of a norm or a gradient; NULL where it has none */
    eff_activation act;
    eff_call *call; /* to run again; NULL for the others */
} recipe;

static recipe *recipe_of(const eff_tensor *t) { return eff_is_deferred(t) ? (recipe *)t->recipe : NULL; }

static void destroy(eff_link *link)
{
    recipe *r = (recipe *)link;
    for (int i = 0; i < PARTS; i++) eff_tensor_release(r->part[i]);
    for (int i = 0; r->call && i < r->call->n_in; i++) eff_tensor_release(r->call->in[i]);
    free(r->call);
    free(r);
}

static recipe *give_recipe(eff_tensor *t)
{
    recipe *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->link.refs = 1;
    r->link.destroy = destroy;
    t->recipe = &r->link;
    return r;
}

/* Aliases have no history: a recipe keeps arrays alive, not the graph behind them. */
static eff_status defer(eff_tensor *t, eff_tensor *const part[PARTS], eff_activation act)
{
    recipe *r = give_recipe(t);
    if (!r) return eff_fail(EFF_E_MEMORY, "no memory for a deferred tensor");
    r->act = act;
    for (int i = 0; i < PARTS; i++)
        if (part[i]) EFF_TRY(eff_tensor_alias(&r->part[i], part[i]));
    return EFF_OK;
}

eff_status eff_defer(eff_tensor *t, eff_tensor *x, eff_tensor *scale, eff_tensor *shift, eff_activation act)
{
    return defer(t, (eff_tensor *[PARTS]){[X] = x, [SCALE] = scale, [SHIFT] = shift}, act);
}

eff_status eff_defer_gated(eff_tensor *t, const eff_tensor *y, eff_tensor *gate)
{
    const recipe *r = recipe_of(y);
    return defer(t, (eff_tensor *[PARTS]){r->part[X], r->part[SCALE], r->part[SHIFT], gate}, r->act);
}

eff_status eff_defer_gradient(eff_tensor *t, eff_tensor *dy, eff_tensor *gate, eff_tensor *level)
{
    return defer(t, (eff_tensor *[PARTS]){[X] = dy, [GATE] = gate, [LEVEL] = level}, EFF_ACT_NONE);
}

eff_status eff_recompute_later(eff_call *c)
{
    recipe *r = give_recipe(c->out[0]);
    if (r) r->call = calloc(1, sizeof *r->call);
    if (!r || !r->call) return eff_fail(EFF_E_MEMORY, "no memory for a call to run again");
    eff_call_start(r->call, c->op);
    r->call->n_in = c->n_in;
    for (int i = 0; i < EFF_MAX_ARGS; i++) r->call->arg[i] = c->arg[i];
    for (int i = 0; i < c->n_in; i++)
        if (c->in[i]) EFF_TRY(eff_tensor_alias(&r->call->in[i], c->in[i]));
    return EFF_OK;
}

bool eff_is_scaled(const eff_tensor *t) { return eff_is_deferred(t) && recipe_of(t)->part[SCALE]; }

bool eff_is_gated(const eff_tensor *t) { return eff_is_scaled(t) && recipe_of(t)->part[GATE]; }

/* ---- reading ---- */

static const real *reals(const recipe *r, int i) { return r->part[i] ? eff_tensor_reals(r->part[i]) : NULL; }

eff_conv_input eff_read_input(const eff_tensor *t)
{
    const recipe *r = recipe_of(t);
    if (!r) return (eff_conv_input){.x = eff_tensor_reals(t)};
    return (eff_conv_input){reals(r, X), reals(r, SCALE), reals(r, SHIFT), reals(r, GATE), r->act};
}

static int64_t channels_of(const eff_tensor *t) { return t->shape[t->ndim - 1]; }

/* Rows of channels that share a row of the gate */
static int64_t image_rows(const eff_tensor *t, const recipe *r)
{
    return eff_tensor_numel(t) / eff_tensor_numel(r->part[GATE]);
}

eff_norm_gradient eff_read_gradient(const eff_tensor *t)
{
    const recipe *r = recipe_of(t);
    if (!r) return (eff_norm_gradient){.dy = eff_tensor_reals(t)};
    return (eff_norm_gradient){reals(r, X), reals(r, GATE), reals(r, LEVEL), image_rows(t, r)};
}

/* ---- computing ---- */

void eff_compute_sum(real *y, const eff_tensor *t, const real *add)
{
    const recipe *r = recipe_of(t);
    eff_conv_input in = eff_read_input(t);
    int64_t rows = r->part[GATE] ? image_rows(t, r) : eff_tensor_numel(t) / channels_of(t);
    eff_norm_kernels_now()->apply(y, &in, add, eff_tensor_numel(t) / channels_of(t) / rows, rows, channels_of(t));
}

static void compute_gradient(real *y, const eff_tensor *t)
{
    const eff_elementwise_kernels *k = eff_elementwise_kernels_now();
    eff_norm_gradient g = eff_read_gradient(t);
    int64_t c = channels_of(t), images = eff_tensor_numel(t) / c / g.image_rows;
    k->binary_rows(EFF_BINARY_MUL, y, g.dy, g.gate, images, g.image_rows, c);
    if (g.level) k->binary_rows(EFF_BINARY_ADD, y, y, g.level, images, g.image_rows, c);
}

/* The call as it was, with its output in place of the one that was let go */
static eff_status run_again(eff_tensor *out, const eff_call *recorded)
{
    eff_call c = *recorded;
    EFF_TRY(c.op->shape(&c));
    c.out[0] = out;
    return c.op->forward(&c);
}

eff_status eff_computed(eff_tensor **out, eff_tensor *t)
{
    const recipe *r = recipe_of(t);
    if (!r) return eff_tensor_dense(out, t);
    EFF_TRY(eff_tensor_like(out, t));
    if (eff_tensor_numel(t) == 0) return EFF_OK;
    if (r->call) return run_again(*out, r->call);
    if (eff_is_scaled(t))
        eff_compute_sum(eff_tensor_reals(*out), t, NULL);
    else
        compute_gradient(eff_tensor_reals(*out), t);
    return EFF_OK;
}

eff_status eff_settle(eff_tensor *t)
{
    if (!eff_is_deferred(t)) return EFF_OK;
    eff_tensor *computed;
    EFF_TRY(eff_computed(&computed, t));
    eff_tensor_adopt(t, computed);
    return EFF_OK;
}

eff_status eff_save_recipe(eff_tensor **out, const eff_tensor *t)
{
    EFF_TRY(eff_tensor_shape_only(out, t));
    (*out)->recipe = t->recipe;
    eff_link_retain(t->recipe);
    return EFF_OK;
}
