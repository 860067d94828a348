/* concat: tensors one after the other along an axis. */
#include "ops/axes.h"

enum { TENSORS, AXIS };

static eff_status check_part(const eff_call *c, int i, int axis)
{
    char a[EFF_SHAPE_TEXT], b[EFF_SHAPE_TEXT];
    const eff_tensor *first = c->in[0], *t = c->in[i];
    if (t->dtype != first->dtype)
        return eff_fail(EFF_E_TYPE, "concat: tensor %d is %s, tensor 1 is %s", i + 1, eff_dtype_name(t->dtype),
                        eff_dtype_name(first->dtype));
    bool fits = t->ndim == first->ndim;
    for (int d = 0; fits && d < t->ndim; d++) fits = d == axis || t->shape[d] == first->shape[d];
    if (fits) return EFF_OK;
    return eff_fail(EFF_E_SHAPE, "concat: tensor %d is %s, tensor 1 is %s (only axis %d may differ)", i + 1,
                    eff_shape_text(a, t->ndim, t->shape), eff_shape_text(b, first->ndim, first->shape), axis + 1);
}

static eff_status shape(eff_call *c)
{
    int axis;
    if (c->n_in == 0) return eff_fail(EFF_E_ARGUMENT, "concat: an empty list of tensors, wanted at least one");
    EFF_TRY(eff_axis_parse(&axis, c, c->arg[AXIS].i, c->in[0]->ndim));
    eff_spec_like(c, 0, c->in[0]->dtype, c->in[0]);
    for (int i = 1; i < c->n_in; i++) {
        EFF_TRY(check_part(c, i, axis));
        c->spec[0].shape[axis] += c->in[i]->shape[axis];
    }
    return EFF_OK;
}

/* Calls copy for the part of `whole` that input i stands at. */
static eff_status each_part(const eff_call *c, eff_tensor *whole, eff_status (*visit)(eff_tensor *part, eff_tensor *own),
                            eff_tensor *const *own)
{
    int axis;
    int64_t start = 0;
    EFF_TRY(eff_axis_parse(&axis, c, c->arg[AXIS].i, whole->ndim));
    for (int i = 0; i < c->n_in; i++) {
        int64_t stop = start + c->in[i]->shape[axis];
        if (own[i]) {
            eff_tensor *part = NULL;
            EFF_TRY(eff_tensor_slice(&part, whole, axis, start, stop, 1));
            eff_status status = visit(part, own[i]);
            eff_tensor_release(part);
            if (status != EFF_OK) return status;
        }
        start = stop;
    }
    return EFF_OK;
}

static eff_status put(eff_tensor *part, eff_tensor *own) { return eff_tensor_copy(part, own); }

static eff_status take(eff_tensor *part, eff_tensor *own) { return eff_tensor_copy(own, part); }

static eff_status forward(eff_call *c) { return each_part(c, c->out[0], put, c->in); }

static eff_status backward(eff_call *c)
{
    for (int i = 0; i < c->n_in; i++) {
        real *dx;
        EFF_TRY(eff_call_grad(c, i, &dx));
    }
    return each_part(c, c->dout[0], take, c->din);
}

static const char *const samples[] = {"tensors=2,3|4,3 axis=1", "tensors=2,1,3|2,2,3|2,1,3 axis=2", NULL};

const eff_op eff_op_concat = {
    .name = "concat",
    .doc = "tensors one after the other along an axis",
    .args = EFF_ARGS(EFF_IN_LIST("tensors", "equal shapes but for the axis"), EFF_INT("axis", 1, "which axis, from 1")),
    .flags = EFF_STRIDED,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
