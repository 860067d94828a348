/* index_select: chosen slices of the first axis, in any order and number. */
#include "autograd/op.h"

#include <string.h>

enum { X, INDEX };

static int64_t row_size(const eff_call *c)
{
    int64_t n = 1;
    for (int i = 1; i < c->in[X]->ndim; i++) n *= c->in[X]->shape[i];
    return n;
}

static eff_status shape(eff_call *c)
{
    EFF_TRY(eff_want_dtype(c, X, EFF_REAL));
    EFF_TRY(eff_want_dtype(c, INDEX, EFF_I64));
    EFF_TRY(eff_want_ndim(c, INDEX, 1));
    if (c->in[X]->ndim < 1) return eff_fail(EFF_E_SHAPE, "index_select: x is a scalar");
    eff_spec_like(c, 0, EFF_REAL, c->in[X]);
    c->spec[0].shape[0] = c->in[INDEX]->shape[0];
    return EFF_OK;
}

static eff_status forward(eff_call *c)
{
    int64_t size = row_size(c), rows = c->in[X]->shape[0];
    const int64_t *index = eff_tensor_data(c->in[INDEX]);
    const real *x = eff_tensor_reals(c->in[X]);
    for (int64_t i = 0; i < c->in[INDEX]->shape[0]; i++) {
        if (index[i] < 0 || index[i] >= rows)
            return eff_fail(EFF_E_ARGUMENT, "index_select: index %lld is outside 0..%lld", (long long)index[i],
                            (long long)rows - 1);
        memcpy(eff_tensor_reals(c->out[0]) + i * size, x + index[i] * size, (size_t)size * sizeof *x);
    }
    return EFF_OK;
}

static eff_status backward(eff_call *c)
{
    real *dx;
    EFF_TRY(eff_call_grad(c, X, &dx));
    if (!dx) return EFF_OK;
    int64_t size = row_size(c);
    const int64_t *index = eff_tensor_data(c->in[INDEX]);
    const real *dy = eff_tensor_reals(c->dout[0]);
    memset(dx, 0, (size_t)eff_tensor_numel(c->in[X]) * sizeof *dx);
    for (int64_t i = 0; i < c->in[INDEX]->shape[0]; i++)
        for (int64_t j = 0; j < size; j++) dx[index[i] * size + j] += dy[i * size + j];
    return EFF_OK;
}

static const char *const samples[] = {"x=5,3 index=<5>7", "x=2 index=<2>1", NULL};

const eff_op eff_op_index_select = {
    .name = "index_select",
    .doc = "slices of the first axis by 0-based index",
    .args = EFF_ARGS(EFF_IN("x", "[rows][...]"), EFF_IN("index", "int64 [n], 0-based")),
    .saves = EFF_SAVE_IN(1),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
