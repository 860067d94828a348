/* Reading, writing, copying and converting elements; see tensor.h. */
#include "tensor/tensor.h"

#include <string.h>

static double load(const void *data, eff_dtype dtype, int64_t i)
{
    switch (dtype) {
    case EFF_F32: return ((const float *)data)[i];
    case EFF_F64: return ((const double *)data)[i];
    case EFF_I32: return ((const int32_t *)data)[i];
    case EFF_I64: return (double)((const int64_t *)data)[i];
    default: return ((const uint8_t *)data)[i];
    }
}

/* To an integer type: truncated towards zero and clamped to its range; NaN becomes 0. */
static double clamp(double value, double low, double high)
{
    if (!(value == value)) return 0;
    return value < low ? low : value > high ? high : value;
}

static void store(void *data, eff_dtype dtype, int64_t i, double value)
{
    switch (dtype) {
    case EFF_F32: ((float *)data)[i] = (float)value; break;
    case EFF_F64: ((double *)data)[i] = value; break;
    case EFF_I32: ((int32_t *)data)[i] = (int32_t)clamp(value, INT32_MIN, INT32_MAX); break;
    case EFF_I64: ((int64_t *)data)[i] = (int64_t)clamp(value, -0x1p63, 0x1.fffffffffffffp62); break;
    default: ((uint8_t *)data)[i] = (uint8_t)clamp(value, 0, 255); break;
    }
}

/* Steps `index` to the next element in row-major order and moves `n` offsets along; false after the last. */
static bool advance(int64_t *index, int ndim, const int64_t *shape, int64_t *offsets, const int64_t *const *strides, int n)
{
    for (int axis = ndim - 1; axis >= 0; axis--) {
        index[axis]++;
        for (int j = 0; j < n; j++) offsets[j] += strides[j][axis];
        if (index[axis] < shape[axis]) return true;
        for (int j = 0; j < n; j++) offsets[j] -= shape[axis] * strides[j][axis];
        index[axis] = 0;
    }
    return false;
}

static void copy_row(eff_tensor *dst, int64_t to, int64_t to_step, const eff_tensor *src, int64_t from, int64_t from_step,
                     int64_t n)
{
    const void *s = eff_tensor_data(src);
    void *d = eff_tensor_data(dst);
    size_t size = eff_dtype_size(dst->dtype);
    if (dst->dtype == src->dtype && to_step == 1 && from_step == 1) {
        memcpy((char *)d + (size_t)to * size, (const char *)s + (size_t)from * size, (size_t)n * size);
    } else if (dst->dtype == src->dtype && size == 4) {
        for (int64_t i = 0; i < n; i++) ((uint32_t *)d)[to + i * to_step] = ((const uint32_t *)s)[from + i * from_step];
    } else if (dst->dtype == EFF_I64 && src->dtype == EFF_I64) {
        for (int64_t i = 0; i < n; i++) ((int64_t *)d)[to + i * to_step] = ((const int64_t *)s)[from + i * from_step];
    } else {
        for (int64_t i = 0; i < n; i++)
            store(d, dst->dtype, to + i * to_step, load(s, src->dtype, from + i * from_step));
    }
}

static void begin_writing(eff_tensor *t)
{
    eff_link_release(t->storage->packed);
    t->storage->packed = NULL;
}

eff_status eff_tensor_copy(eff_tensor *dst, const eff_tensor *src)
{
    char to[EFF_SHAPE_TEXT], from[EFF_SHAPE_TEXT];
    if (!eff_tensor_same_shape(dst, src))
        return eff_fail(EFF_E_SHAPE, "copy of %s into a tensor of %s: the shapes must be the same", eff_shape_text(from, src->ndim, src->shape),
                        eff_shape_text(to, dst->ndim, dst->shape));
    if (eff_tensor_numel(dst) == 0) return EFF_OK;
    begin_writing(dst);
    if (eff_tensor_is_dense(dst) && eff_tensor_is_dense(src)) {
        copy_row(dst, 0, 1, src, 0, 1, eff_tensor_numel(dst));
        return EFF_OK;
    }
    int last = dst->ndim - 1;
    int64_t index[EFF_MAX_DIMS] = {0}, offsets[2] = {0, 0};
    const int64_t *strides[2] = {dst->stride, src->stride};
    do copy_row(dst, offsets[0], dst->stride[last], src, offsets[1], src->stride[last], dst->shape[last]);
    while (advance(index, last, dst->shape, offsets, strides, 2));
    return EFF_OK;
}

eff_status eff_tensor_dense(eff_tensor **out, const eff_tensor *t)
{
    if (eff_tensor_is_dense(t)) {
        *out = eff_tensor_retain((eff_tensor *)t);
        return EFF_OK;
    }
    EFF_TRY(eff_tensor_like(out, t));
    return eff_tensor_copy(*out, t);
}

void eff_tensor_fill(eff_tensor *t, double value)
{
    if (eff_tensor_numel(t) == 0) return;
    begin_writing(t);
    int64_t index[EFF_MAX_DIMS] = {0}, offset = 0;
    const int64_t *strides[1] = {t->stride};
    do store(eff_tensor_data(t), t->dtype, offset, value);
    while (advance(index, t->ndim, t->shape, &offset, strides, 1));
}

static int64_t element_offset(const eff_tensor *t, const int64_t *index)
{
    int64_t offset = 0;
    for (int i = 0; i < t->ndim; i++) offset += index[i] * t->stride[i];
    return offset;
}

double eff_tensor_get(const eff_tensor *t, const int64_t *index)
{
    return load(eff_tensor_data(t), t->dtype, element_offset(t, index));
}

void eff_tensor_set(eff_tensor *t, const int64_t *index, double value)
{
    begin_writing(t);
    store(eff_tensor_data(t), t->dtype, element_offset(t, index), value);
}
