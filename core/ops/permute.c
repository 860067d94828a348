/* permute: the axes in another order; a view. */
#include "ops/axes.h"
#include "ops/view.h"

enum { X, AXES };

static eff_status parse(int *axes, const eff_call *c)
{
    const eff_value *order = &c->arg[AXES];
    if (order->i != c->in[X]->ndim)
        return eff_fail(EFF_E_ARGUMENT, "permute: %lld axes for a tensor of %d dimensions", (long long)order->i,
                        c->in[X]->ndim);
    for (int i = 0; i < c->in[X]->ndim; i++) EFF_TRY(eff_axis_parse(&axes[i], c, order->list[i], c->in[X]->ndim));
    return EFF_OK;
}

static eff_status forward(eff_call *c)
{
    int axes[EFF_MAX_DIMS];
    EFF_TRY(parse(axes, c));
    return eff_tensor_permute(&c->out[0], c->in[X], axes);
}

static eff_status backward(eff_call *c)
{
    int axes[EFF_MAX_DIMS], inverse[EFF_MAX_DIMS];
    EFF_TRY(parse(axes, c));
    for (int i = 0; i < c->in[X]->ndim; i++) inverse[axes[i]] = i;
    eff_tensor *view = NULL;
    EFF_TRY(eff_tensor_permute(&view, c->dout[0], inverse));
    eff_status status = eff_call_hand_on(c, X, view);
    eff_tensor_release(view);
    return status;
}

static const char *const samples[] = {"x=2,3,4 axes=3,1,2", "x=2,5 axes=2,1", NULL};

const eff_op eff_op_permute = {
    .name = "permute",
    .doc = "the axes in another order: axis i of the result is axis axes[i] of x",
    .args = EFF_ARGS(EFF_IN("x", "any shape"), EFF_INTS("axes", "each of 1 .. dimensions once")),
    .flags = EFF_STRIDED | EFF_VIEW,
    .shape = eff_view_shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
