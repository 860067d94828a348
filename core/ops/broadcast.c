/* Broadcasting and its reverse; see broadcast.h. */
#include "ops/broadcast.h"

#include "base/pool.h"

#include <string.h>

const char *const eff_binary_samples[] = {"a=3,4 b=+3,4", "a=2,3,4,5 b=+5", "a=2,3,4,5 b=+2,1,1,5", "a=3,1 b=+1,4",
                                          "a=4 b=+2,3,4", "a=2,3 b=+1", NULL};

bool eff_find_rows(eff_rows_pattern *p, const eff_tensor *y, const eff_tensor *b)
{
    int lead = y->ndim - b->ndim, axis = 0;
    *p = (eff_rows_pattern){1, 1, 1};
    for (; axis < y->ndim && axis >= lead && b->shape[axis - lead] == y->shape[axis]; axis++) p->outer *= y->shape[axis];
    for (; axis < y->ndim && (axis < lead || b->shape[axis - lead] == 1); axis++) p->rows *= y->shape[axis];
    for (; axis < y->ndim && b->shape[axis - lead] == y->shape[axis]; axis++) p->c *= y->shape[axis];
    return axis == y->ndim;
}

static eff_status expanded(eff_tensor **out, const eff_tensor *t, const eff_tensor *y)
{
    eff_tensor *view = NULL;
    EFF_TRY(eff_tensor_expand(&view, t, y->ndim, y->shape));
    eff_status status = eff_tensor_dense(out, view);
    eff_tensor_release(view);
    return status;
}

eff_status eff_binary_apply(eff_binary f, eff_tensor *y, const eff_tensor *a, const eff_tensor *b)
{
    const eff_elementwise_kernels *k = eff_elementwise_kernels_now();
    bool a_full = eff_tensor_same_shape(a, y), commutes = f == EFF_BINARY_ADD || f == EFF_BINARY_MUL;
    eff_rows_pattern p;
    if (!a_full && commutes && eff_tensor_same_shape(b, y)) return eff_binary_apply(f, y, b, a);
    if (a_full && eff_find_rows(&p, y, b)) {
        if (p.rows == 1)
            k->binary(f, eff_tensor_reals(y), eff_tensor_reals(a), eff_tensor_reals(b), eff_tensor_numel(y));
        else
            k->binary_rows(f, eff_tensor_reals(y), eff_tensor_reals(a), eff_tensor_reals(b), p.outer, p.rows, p.c);
        return EFF_OK;
    }
    eff_tensor *full_a = NULL, *full_b = NULL;
    eff_status status = expanded(&full_a, a, y);
    if (status == EFF_OK) status = expanded(&full_b, b, y);
    if (status == EFF_OK)
        k->binary(f, eff_tensor_reals(y), eff_tensor_reals(full_a), eff_tensor_reals(full_b), eff_tensor_numel(y));
    eff_tensor_release(full_a);
    eff_tensor_release(full_b);
    return status;
}

/* Sums one run of adjacent axes: y [outer][c] of x [outer][rows][c]. */
static eff_status sum_rows(real *y, const real *x, int64_t outer, int64_t rows, int64_t c)
{
    const eff_elementwise_kernels *k = eff_elementwise_kernels_now();
    size_t bytes = k->dot_rows_scratch(outer, rows, c);
    void *scratch = bytes ? eff_pool_alloc(bytes) : NULL;
    if (bytes && !scratch) return eff_fail(EFF_E_MEMORY, "no memory for a sum's scratch");
    k->dot_rows(y, x, NULL, outer, rows, c, scratch);
    eff_pool_free(scratch);
    return EFF_OK;
}

eff_status eff_sum_axes(real *y, const real *x, int ndim, const int64_t *shape, unsigned axes)
{
    int last = ndim - 1;
    while (last >= 0 && !(axes & 1u << last)) last--;
    int64_t numel = 1, outer = 1, rows = 1, c = 1;
    for (int i = 0; i < ndim; i++) numel *= shape[i];
    if (last < 0) {
        memcpy(y, x, (size_t)numel * sizeof *y);
        return EFF_OK;
    }
    int first = last;
    while (first > 0 && (axes & 1u << (first - 1))) first--;
    for (int i = 0; i < ndim; i++) *(i < first ? &outer : i <= last ? &rows : &c) *= shape[i];
    unsigned rest = axes & ((1u << first) - 1);
    if (!rest) return sum_rows(y, x, outer, rows, c);
    int64_t left[EFF_MAX_DIMS];
    int n = 0;
    for (int i = 0; i < ndim; i++)
        if (i < first || i > last) left[n++] = shape[i];
    real *partial = eff_pool_alloc((size_t)(outer * c) * sizeof *partial);
    if (!partial) return eff_fail(EFF_E_MEMORY, "no memory for a partial sum");
    eff_status status = sum_rows(partial, x, outer, rows, c);
    if (status == EFF_OK) status = eff_sum_axes(y, partial, n, left, rest);
    eff_pool_free(partial);
    return status;
}

unsigned eff_broadcast_axes(const eff_tensor *from, const eff_tensor *to)
{
    unsigned axes = 0;
    int lead = to->ndim - from->ndim;
    for (int i = 0; i < to->ndim; i++)
        if (i < lead || from->shape[i - lead] != to->shape[i]) axes |= 1u << i;
    return axes;
}

eff_status eff_call_grad_summed(eff_call *c, int i, eff_tensor *g)
{
    unsigned axes = eff_broadcast_axes(c->in[i], g);
    if (!axes) return eff_call_hand_on(c, i, g);
    real *dx;
    EFF_TRY(eff_call_grad(c, i, &dx));
    if (!dx) return EFF_OK;
    return eff_sum_axes(dx, eff_tensor_reals(g), g->ndim, g->shape, axes);
}

eff_status eff_binary_shape(eff_call *c)
{
    int ndim;
    int64_t shape[EFF_MAX_DIMS];
    EFF_TRY(eff_want_dtype(c, 0, EFF_REAL));
    EFF_TRY(eff_want_dtype(c, 1, EFF_REAL));
    eff_status status = eff_broadcast_shape(&ndim, shape, c->in[0], c->in[1]);
    if (status != EFF_OK) return eff_fail_at(status, "%s", c->op->name);
    eff_spec_set(c, 0, EFF_REAL, ndim, shape);
    return EFF_OK;
}
