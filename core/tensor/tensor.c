/* Making, sharing and asking tensors; see tensor.h. */
#include "tensor/tensor.h"

#include "base/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[EFF_DTYPE_COUNT] = {{"float32", 4}, {"float64", 8}, {"int32", 4}, {"int64", 8}, {"uint8", 1}};

const char *eff_dtype_name(eff_dtype dtype) { return dtypes[dtype].name; }

size_t eff_dtype_size(eff_dtype dtype) { return dtypes[dtype].size; }

eff_status eff_dtype_parse(eff_dtype *dtype, const char *name)
{
    for (int i = 0; i < EFF_DTYPE_COUNT; i++) {
        if (strcmp(dtypes[i].name, name) != 0) continue;
        *dtype = (eff_dtype)i;
        return EFF_OK;
    }
    return eff_fail(EFF_E_TYPE, "unknown element type '%s' (known: float32, float64, int32, int64, uint8)", name);
}

void eff_link_retain(eff_link *link) { link->refs++; }

void eff_link_release(eff_link *link)
{
    if (link && --link->refs == 0) link->destroy(link);
}

static void storage_release(eff_storage *storage)
{
    if (!storage || --storage->refs > 0) return;
    eff_link_release(storage->packed);
    eff_pool_free(storage->data);
    free(storage);
}

static eff_storage *storage_new(size_t bytes)
{
    eff_storage *storage = calloc(1, sizeof *storage);
    if (!storage) return NULL;
    storage->refs = 1;
    storage->bytes = bytes;
    storage->data = eff_pool_alloc(bytes);
    if (storage->data) return storage;
    free(storage);
    return NULL;
}

static void set_dense_strides(eff_tensor *t)
{
    int64_t step = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        t->stride[i] = step;
        step *= t->shape[i];
    }
}

eff_status eff_shape_check(int ndim, const int64_t *shape)
{
    if (ndim < 0 || ndim > EFF_MAX_DIMS)
        return eff_fail(EFF_E_SHAPE, "a tensor of %d dimensions (0 to %d are possible)", ndim, EFF_MAX_DIMS);
    int64_t numel = 1; /* of the axes that are not empty: loops over them must end */
    for (int i = 0; i < ndim; i++) {
        if (shape[i] < 0)
            return eff_fail(EFF_E_SHAPE, "negative size %lld in dimension %d, wanted 0 or more", (long long)shape[i], i + 1);
        if (__builtin_mul_overflow(numel, shape[i] ? shape[i] : 1, &numel) || numel > ((int64_t)1 << 42))
            return eff_fail(EFF_E_SHAPE, "a tensor of more than 2^42 elements (it would not fit in memory)");
    }
    return EFF_OK;
}

eff_status eff_tensor_bare(eff_tensor **out, eff_dtype dtype, int ndim, const int64_t *shape)
{
    *out = NULL;
    EFF_TRY(eff_shape_check(ndim, shape));
    eff_tensor *t = calloc(1, sizeof *t);
    if (!t) return eff_fail(EFF_E_MEMORY, "no memory for a tensor header");
    t->refs = 1;
    t->dtype = dtype;
    t->ndim = ndim;
    for (int i = 0; i < ndim; i++) t->shape[i] = shape[i];
    set_dense_strides(t);
    *out = t;
    return EFF_OK;
}

eff_status eff_tensor_new(eff_tensor **out, eff_dtype dtype, int ndim, const int64_t *shape)
{
    EFF_TRY(eff_tensor_bare(out, dtype, ndim, shape));
    size_t bytes = (size_t)eff_tensor_numel(*out) * eff_dtype_size(dtype);
    (*out)->storage = storage_new(bytes);
    if ((*out)->storage) return EFF_OK;
    char text[EFF_SHAPE_TEXT];
    eff_shape_text(text, ndim, shape);
    eff_tensor_release(*out);
    *out = NULL;
    return eff_fail(EFF_E_MEMORY, "no memory for a tensor of %s %s (%.1f MB; %.1f MB are in use): a smaller batch or image, "
                    "or effv2.train's accumulate, needs less", text, eff_dtype_name(dtype), (double)bytes / 1e6,
                    (double)eff_pool_get_stats().live_bytes / 1e6);
}

eff_status eff_tensor_zeros(eff_tensor **out, eff_dtype dtype, int ndim, const int64_t *shape)
{
    EFF_TRY(eff_tensor_new(out, dtype, ndim, shape));
    memset((*out)->storage->data, 0, (*out)->storage->bytes);
    return EFF_OK;
}

eff_status eff_tensor_like(eff_tensor **out, const eff_tensor *t)
{
    return eff_tensor_new(out, t->dtype, t->ndim, t->shape);
}

eff_status eff_tensor_alias(eff_tensor **out, const eff_tensor *t)
{
    EFF_TRY(eff_tensor_bare(out, t->dtype, t->ndim, t->shape));
    memcpy((*out)->stride, t->stride, sizeof t->stride);
    (*out)->offset = t->offset;
    (*out)->storage = t->storage;
    if (t->storage) t->storage->refs++;
    if (t->recipe && !t->storage) {
        (*out)->recipe = t->recipe;
        eff_link_retain(t->recipe);
    }
    return EFF_OK;
}

eff_status eff_tensor_shape_only(eff_tensor **out, const eff_tensor *t)
{
    return eff_tensor_bare(out, t->dtype, t->ndim, t->shape);
}

eff_tensor *eff_tensor_retain(eff_tensor *t)
{
    if (t) t->refs++;
    return t;
}

void eff_tensor_release(eff_tensor *t)
{
    if (!t || --t->refs > 0) return;
    eff_tensor *grad = t->grad;
    eff_link *maker = t->maker, *recipe = t->recipe;
    storage_release(t->storage);
    free(t);
    eff_tensor_release(grad);
    eff_link_release(recipe);
    eff_link_release(maker);
}

int64_t eff_tensor_numel(const eff_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++) n *= t->shape[i];
    return n;
}

bool eff_tensor_is_dense(const eff_tensor *t)
{
    int64_t step = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->shape[i] != 1 && t->stride[i] != step) return false;
        step *= t->shape[i];
    }
    return true;
}

bool eff_tensor_same_shape(const eff_tensor *a, const eff_tensor *b)
{
    if (a->ndim != b->ndim) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return true;
}

void *eff_tensor_data(const eff_tensor *t)
{
    return (char *)t->storage->data + (size_t)t->offset * eff_dtype_size(t->dtype);
}

const char *eff_shape_text(char text[EFF_SHAPE_TEXT], int ndim, const int64_t *shape)
{
    if (ndim == 0) {
        snprintf(text, EFF_SHAPE_TEXT, "scalar");
        return text;
    }
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < ndim && used < EFF_SHAPE_TEXT; i++)
        used += (size_t)snprintf(text + used, EFF_SHAPE_TEXT - used, i ? "x%lld" : "%lld", (long long)shape[i]);
    return text;
}

void eff_tensor_adopt(eff_tensor *t, eff_tensor *computed)
{
    t->storage = computed->storage;
    t->storage->refs++;
    t->offset = computed->offset;
    eff_link_release(t->recipe);
    t->recipe = NULL;
    eff_tensor_release(computed);
}

eff_status eff_tensor_rehome(eff_tensor *t, eff_storage *storage, int64_t offset)
{
    size_t size = eff_dtype_size(t->dtype), bytes = (size_t)eff_tensor_numel(t) * size;
    if (!eff_tensor_is_dense(t)) return eff_fail(EFF_E_ARGUMENT, "only a dense tensor can move into flat storage");
    if ((size_t)offset * size + bytes > storage->bytes)
        return eff_fail(EFF_E_ARGUMENT, "flat storage of %zu bytes ends before offset %lld + %zu bytes", storage->bytes,
                        (long long)offset, bytes);
    memmove((char *)storage->data + (size_t)offset * size, eff_tensor_data(t), bytes);
    storage->refs++;
    storage_release(t->storage);
    t->storage = storage;
    t->offset = offset;
    return EFF_OK;
}
