/* Views: new windows on the same storage; see tensor.h. */
#include "tensor/tensor.h"

#include <string.h>

/* Fills in the one -1 of `shape` so that it holds `numel` elements. */
static eff_status infer_shape(int64_t *full, int ndim, const int64_t *shape, const eff_tensor *t)
{
    int64_t numel = eff_tensor_numel(t), known = 1;
    int unknown = -1;
    char from[EFF_SHAPE_TEXT], to[EFF_SHAPE_TEXT];
    if (ndim > EFF_MAX_DIMS)
        return eff_fail(EFF_E_SHAPE, "reshape to %d dimensions (at most %d)", ndim, EFF_MAX_DIMS);
    for (int i = 0; i < ndim; i++) {
        full[i] = shape[i];
        if (shape[i] == -1 && unknown < 0)
            unknown = i;
        else if (shape[i] < 0)
            return eff_fail(EFF_E_SHAPE, "reshape to %s: sizes are 0 or more, and only one may be -1",
                            eff_shape_text(to, ndim, shape));
        else if (__builtin_mul_overflow(known, shape[i], &known))
            return eff_fail(EFF_E_SHAPE, "reshape to %s: too many elements", eff_shape_text(to, ndim, shape));
    }
    if (unknown >= 0 && known > 0) full[unknown] = numel / known;
    if (unknown >= 0 && known == 0) full[unknown] = 0;
    int64_t total = unknown >= 0 ? known * full[unknown] : known;
    if (total == numel) return eff_shape_check(ndim, full);
    return eff_fail(EFF_E_SHAPE, "reshape of %s (%lld elements) to %s: the number of elements cannot change",
                    eff_shape_text(from, t->ndim, t->shape), (long long)numel, eff_shape_text(to, ndim, shape));
}

eff_status eff_tensor_reshape(eff_tensor **out, const eff_tensor *t, int ndim, const int64_t *shape)
{
    int64_t full[EFF_MAX_DIMS];
    *out = NULL;
    EFF_TRY(infer_shape(full, ndim, shape, t));
    eff_tensor *dense = NULL, *view = NULL;
    EFF_TRY(eff_tensor_dense(&dense, t));
    eff_status status = eff_tensor_alias(&view, dense);
    eff_tensor_release(dense);
    if (status != EFF_OK) return status;
    view->ndim = ndim;
    int64_t step = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        view->shape[i] = full[i];
        view->stride[i] = step;
        step *= full[i];
    }
    *out = view;
    return EFF_OK;
}

eff_status eff_tensor_permute(eff_tensor **out, const eff_tensor *t, const int *axes)
{
    bool seen[EFF_MAX_DIMS] = {false};
    *out = NULL;
    for (int i = 0; i < t->ndim; i++) {
        if (axes[i] < 0 || axes[i] >= t->ndim || seen[axes[i]])
            return eff_fail(EFF_E_ARGUMENT, "permute: the axes must be 1 to %d in some order", t->ndim);
        seen[axes[i]] = true;
    }
    EFF_TRY(eff_tensor_alias(out, t));
    for (int i = 0; i < t->ndim; i++) {
        (*out)->shape[i] = t->shape[axes[i]];
        (*out)->stride[i] = t->stride[axes[i]];
    }
    return EFF_OK;
}

eff_status eff_tensor_slice(eff_tensor **out, const eff_tensor *t, int axis, int64_t start, int64_t stop, int64_t step)
{
    *out = NULL;
    if (axis < 0 || axis >= t->ndim)
        return eff_fail(EFF_E_ARGUMENT, "slice: axis %d of a tensor with %d dimensions", axis + 1, t->ndim);
    if (step < 1) return eff_fail(EFF_E_ARGUMENT, "slice: step %lld (must be at least 1)", (long long)step);
    if (start < 0 || start > stop || stop > t->shape[axis])
        return eff_fail(EFF_E_SHAPE, "slice: %lld to %lld is outside 1..%lld (the size of axis %d)", (long long)start + 1,
                        (long long)stop, (long long)t->shape[axis], axis + 1);
    EFF_TRY(eff_tensor_alias(out, t));
    (*out)->offset += start * t->stride[axis];
    (*out)->shape[axis] = (stop - start + step - 1) / step;
    (*out)->stride[axis] *= step;
    return EFF_OK;
}

eff_status eff_tensor_expand(eff_tensor **out, const eff_tensor *t, int ndim, const int64_t *shape)
{
    char from[EFF_SHAPE_TEXT], to[EFF_SHAPE_TEXT];
    *out = NULL;
    bool fits = ndim >= t->ndim && ndim <= EFF_MAX_DIMS;
    int lead = ndim - t->ndim;
    for (int i = 0; fits && i < t->ndim; i++) fits = t->shape[i] == 1 || t->shape[i] == shape[lead + i];
    if (!fits)
        return eff_fail(EFF_E_SHAPE, "a tensor of %s does not broadcast to %s", eff_shape_text(from, t->ndim, t->shape),
                        eff_shape_text(to, ndim > EFF_MAX_DIMS ? EFF_MAX_DIMS : ndim, shape));
    EFF_TRY(eff_shape_check(ndim, shape));
    EFF_TRY(eff_tensor_alias(out, t));
    (*out)->ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        bool repeated = i < lead || t->shape[i - lead] != shape[i];
        (*out)->shape[i] = shape[i];
        (*out)->stride[i] = repeated ? 0 : t->stride[i - lead];
    }
    return EFF_OK;
}

eff_status eff_broadcast_shape(int *ndim, int64_t *shape, const eff_tensor *a, const eff_tensor *b)
{
    char left[EFF_SHAPE_TEXT], right[EFF_SHAPE_TEXT];
    *ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    for (int i = 1; i <= *ndim; i++) {
        int64_t p = i <= a->ndim ? a->shape[a->ndim - i] : 1;
        int64_t q = i <= b->ndim ? b->shape[b->ndim - i] : 1;
        if (p != q && p != 1 && q != 1)
            return eff_fail(EFF_E_SHAPE, "shapes %s and %s do not broadcast (sizes %lld and %lld, counted from the right: %d)",
                            eff_shape_text(left, a->ndim, a->shape), eff_shape_text(right, b->ndim, b->shape),
                            (long long)p, (long long)q, i);
        shape[*ndim - i] = p == 1 ? q : p;
    }
    return EFF_OK;
}
