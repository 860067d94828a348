/* Tensors: a typed, strided window on reference-counted storage.
 *
 * Row-major by default; strides are in elements. A view shares its storage with the tensor it was made of.
 * A tensor also carries what differentiation needs to know: whether a gradient is wanted, the gradient of a
 * leaf, and links to the node that computed it or to its recipe. Links are opaque here; autograd/ gives them meaning.
 * Not thread-safe: tensors belong to the thread that runs Lua.
 */
#ifndef EFF_TENSOR_TENSOR_H
#define EFF_TENSOR_TENSOR_H

#include "base/real.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EFF_MAX_DIMS = 6 };

typedef enum eff_dtype { EFF_F32, EFF_F64, EFF_I32, EFF_I64, EFF_U8, EFF_DTYPE_COUNT } eff_dtype;

#ifdef EFF_REAL_DOUBLE
#define EFF_REAL EFF_F64
#else
#define EFF_REAL EFF_F32
#endif

const char *eff_dtype_name(eff_dtype dtype); /* "float32", "float64", "int32", "int64", "uint8" */
size_t eff_dtype_size(eff_dtype dtype);
eff_status eff_dtype_parse(eff_dtype *dtype, const char *name);

/* Whatever made or will make a tensor: destroyed when the last tensor or node that points at it is gone. */
typedef struct eff_link {
    int refs;
    void (*destroy)(struct eff_link *link);
} eff_link;

void eff_link_retain(eff_link *link);
void eff_link_release(eff_link *link); /* NULL is allowed */

typedef struct eff_storage {
    int refs;
    size_t bytes;
    void *data;       /* 64-byte aligned, from the pool */
    eff_link *packed; /* what an op made of the contents, to read them faster; copy, fill and set drop it */
} eff_storage;

typedef struct eff_tensor {
    int refs;
    eff_dtype dtype;
    int ndim;
    int64_t shape[EFF_MAX_DIMS];
    int64_t stride[EFF_MAX_DIMS];
    int64_t offset;       /* of the first element, in elements */
    eff_storage *storage; /* NULL in a shape-only tensor */
    eff_link *recipe;     /* how to compute the elements where storage is NULL (autograd/deferred.h) */

    bool requires_grad;
    bool grad_is_zero;       /* grad exists, but its contents are stale and count as zero */
    struct eff_tensor *grad; /* of a leaf; same shape */
    eff_link *maker;         /* NULL for a leaf */
    int maker_output;        /* which of the maker's outputs this is */
} eff_tensor;

/* ---- making and sharing; *out is NULL on failure ---- */

eff_status eff_tensor_new(eff_tensor **out, eff_dtype dtype, int ndim, const int64_t *shape); /* uninitialised */
eff_status eff_tensor_zeros(eff_tensor **out, eff_dtype dtype, int ndim, const int64_t *shape);
eff_status eff_tensor_like(eff_tensor **out, const eff_tensor *t); /* dense, same type and shape, uninitialised */

/* Another header on the same storage, with no history. */
eff_status eff_tensor_alias(eff_tensor **out, const eff_tensor *t);
/* A shape and a type without storage. */
eff_status eff_tensor_bare(eff_tensor **out, eff_dtype dtype, int ndim, const int64_t *shape);
/* Those of t. */
eff_status eff_tensor_shape_only(eff_tensor **out, const eff_tensor *t);

eff_tensor *eff_tensor_retain(eff_tensor *t);
void eff_tensor_release(eff_tensor *t); /* NULL is allowed */

/* ---- questions ---- */

/* Whether a tensor may have this shape: few enough axes and elements, no negative size. */
eff_status eff_shape_check(int ndim, const int64_t *shape);

int64_t eff_tensor_numel(const eff_tensor *t);
bool eff_tensor_is_dense(const eff_tensor *t); /* row-major without gaps */
bool eff_tensor_same_shape(const eff_tensor *a, const eff_tensor *b);
void *eff_tensor_data(const eff_tensor *t); /* address of the first element */

static inline real *eff_tensor_reals(const eff_tensor *t) { return (real *)eff_tensor_data(t); }

/* Writes "2x3x4" (a scalar: "scalar") into text; returns text. */
enum { EFF_SHAPE_TEXT = 96 };
const char *eff_shape_text(char text[EFF_SHAPE_TEXT], int ndim, const int64_t *shape);

/* ---- views: share storage, have no history ---- */

/* One size may be -1 and is then inferred. Copies when the strides do not allow a view. */
eff_status eff_tensor_reshape(eff_tensor **out, const eff_tensor *t, int ndim, const int64_t *shape);
eff_status eff_tensor_permute(eff_tensor **out, const eff_tensor *t, const int *axes);
/* Elements start, start+step, ... below stop along axis (0-based). */
eff_status eff_tensor_slice(eff_tensor **out, const eff_tensor *t, int axis, int64_t start, int64_t stop, int64_t step);
/* Sizes of 1 (and missing leading axes) are repeated by a stride of 0. */
eff_status eff_tensor_expand(eff_tensor **out, const eff_tensor *t, int ndim, const int64_t *shape);

/* ---- contents ---- */

/* A dense tensor with t's elements: t itself, retained, when it is dense already. */
eff_status eff_tensor_dense(eff_tensor **out, const eff_tensor *t);
/* Copies src's elements into dst: same shape, any strides, types converted (to integer: truncated). */
eff_status eff_tensor_copy(eff_tensor *dst, const eff_tensor *src);
void eff_tensor_fill(eff_tensor *t, double value);
double eff_tensor_get(const eff_tensor *t, const int64_t *index); /* index within bounds */
void eff_tensor_set(eff_tensor *t, const int64_t *index, double value);

/* The shape that a and b broadcast to by NumPy's rule. */
eff_status eff_broadcast_shape(int *ndim, int64_t *shape, const eff_tensor *a, const eff_tensor *b);

/* Gives t the elements of `computed`, a dense tensor of its shape and type, in place of a recipe; releases `computed`. */
void eff_tensor_adopt(eff_tensor *t, eff_tensor *computed);

/* Moves t onto `storage` at `offset` elements, keeping its contents; t must be dense. For flat parameters. */
eff_status eff_tensor_rehome(eff_tensor *t, eff_storage *storage, int64_t offset);

/* Prints as NumPy does: edges of 3, summarised beyond 1000 elements, 4 digits, then a line with type, shape and
 * bytes. Returns the length that the whole text has; writes at most `capacity` bytes including the 0. */
size_t eff_tensor_format(const eff_tensor *t, char *text, size_t capacity);

#endif
