/* A model in ONNX's file format (onnx.proto): a graph of nodes over values with names, written to a file.
 *
 * Knows the format, not what operators mean: whoever adds a node answers for its inputs and attributes. Names and
 * numbers are copied; the elements of initializers are not, and must stay until the model is written.
 */
#ifndef EFF_ONNX_MODEL_H
#define EFF_ONNX_MODEL_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct eff_onnx eff_onnx;

typedef enum eff_onnx_type { /* of elements, by ONNX's numbers */
    EFF_ONNX_F32 = 1,
    EFF_ONNX_U8 = 2,
    EFF_ONNX_I32 = 6,
    EFF_ONNX_I64 = 7,
    EFF_ONNX_F64 = 11
} eff_onnx_type;

#define EFF_ONNX_FREE (-1)          /* a size that the file leaves open */
#define EFF_ONNX_FREE_NAME "batch" /* what the file calls it */

/* An empty graph. Operators mean what version `opset` of ONNX's operator set says; `ir` is the version of the format. */
eff_status eff_onnx_new(eff_onnx **model, const char *graph, int64_t ir, int64_t opset);
void eff_onnx_free(eff_onnx *model); /* NULL is allowed */

eff_status eff_onnx_producer(eff_onnx *model, const char *name, const char *version);
eff_status eff_onnx_metadata(eff_onnx *model, const char *key, const char *value);

eff_status eff_onnx_input(eff_onnx *model, const char *name, eff_onnx_type type, int ndim, const int64_t *shape);
eff_status eff_onnx_output(eff_onnx *model, const char *name, eff_onnx_type type, int ndim, const int64_t *shape);

/* A constant of the graph; data is dense, row-major, little-endian. */
eff_status eff_onnx_initializer(eff_onnx *model, const char *name, eff_onnx_type type, int ndim, const int64_t *shape,
                                const void *data, size_t bytes);

/* A node behind those that compute its inputs; the name of an optional input that is absent is "". */
eff_status eff_onnx_node(eff_onnx *model, const char *op, const char *name, int n_in, const char *const *in, int n_out,
                         const char *const *out);

/* Attributes of the latest node */
eff_status eff_onnx_set_int(eff_onnx *model, const char *name, int64_t value);
eff_status eff_onnx_set_float(eff_onnx *model, const char *name, double value);
eff_status eff_onnx_set_string(eff_onnx *model, const char *name, const char *value);
eff_status eff_onnx_set_ints(eff_onnx *model, const char *name, int n, const int64_t *values);

/* The file appears whole or not at all. EFF_E_ARGUMENT beyond 2 GiB, which one protobuf message cannot hold. */
eff_status eff_onnx_write(const eff_onnx *model, const char *path);

#endif
