/* Building and writing ONNX models; see model.h. */
#include "onnx/model.h"

#include "io/file.h"

#include "onnx.pb-c.h" /* generated from onnx.proto */

#include <stdlib.h>
#include <string.h>

typedef struct block { /* what the model allocated, to be freed with it */
    struct block *next;
    _Alignas(max_align_t) char bytes[];
} block;

struct eff_onnx {
    block *blocks;
    Onnx__ModelProto *file;
    Onnx__NodeProto *latest;
};

/* ---- memory ---- */

/* Zeroed bytes that live as long as the model; NULL when there is no memory. */
static void *take(eff_onnx *model, size_t bytes)
{
    block *b = calloc(1, sizeof *b + bytes);
    if (!b) return NULL;
    b->next = model->blocks;
    model->blocks = b;
    return b->bytes;
}

static void *take_copy(eff_onnx *model, const void *data, size_t bytes)
{
    void *copy = take(model, bytes);
    if (copy && bytes) memcpy(copy, data, bytes);
    return copy;
}

static char *take_text(eff_onnx *model, const char *text) { return take_copy(model, text, strlen(text) + 1); }

static eff_status no_memory(void) { return eff_fail(EFF_E_MEMORY, "no memory to build an ONNX model"); }

/* A list of pointers with room for one more than its n items: twice as long whenever n is a power of two. */
static void *room_for_one(eff_onnx *model, void *list, size_t n)
{
    if (n & (n - 1)) return list;
    void *longer = take(model, (n ? 2 * n : 1) * sizeof(void *));
    if (longer && n) memcpy(longer, list, n * sizeof(void *));
    return longer;
}

/* Appends item to the list of a message, whose fields are n_<list> and <list>. */
#define APPEND(model, message, list, item)                                                                           \
    append(model, &(message)->n_##list, (void **)&(message)->list, item)

static eff_status append(eff_onnx *model, size_t *n, void **list, void *item)
{
    void *longer = item ? room_for_one(model, *list, *n) : NULL;
    if (!longer) return no_memory();
    memcpy((char *)longer + *n * sizeof item, &item, sizeof item);
    *list = longer;
    (*n)++;
    return EFF_OK;
}

/* A message of the kind whose initialiser is given; NULL when there is no memory. */
#define NEW(model, kind, initial) ((kind *)take_copy(model, &(const kind)initial, sizeof(kind)))

/* ---- the model ---- */

static eff_status start(eff_onnx *model, const char *graph, int64_t ir, int64_t opset)
{
    Onnx__ModelProto *file = model->file = NEW(model, Onnx__ModelProto, ONNX__MODEL_PROTO__INIT);
    Onnx__OperatorSetIdProto *operators = NEW(model, Onnx__OperatorSetIdProto, ONNX__OPERATOR_SET_ID_PROTO__INIT);
    char *name = take_text(model, graph);
    if (!file || !operators || !name) return no_memory();
    file->graph = NEW(model, Onnx__GraphProto, ONNX__GRAPH_PROTO__INIT);
    if (!file->graph) return no_memory();
    file->graph->name = name;
    file->ir_version = ir;
    file->has_ir_version = true;
    operators->domain = (char *)"";
    operators->version = opset;
    operators->has_version = true;
    return APPEND(model, file, opset_import, operators);
}

eff_status eff_onnx_new(eff_onnx **out, const char *graph, int64_t ir, int64_t opset)
{
    *out = NULL;
    eff_onnx *model = calloc(1, sizeof *model);
    if (!model) return no_memory();
    eff_status status = start(model, graph, ir, opset);
    if (status == EFF_OK) *out = model;
    else eff_onnx_free(model);
    return status;
}

void eff_onnx_free(eff_onnx *model)
{
    if (!model) return;
    for (block *b = model->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(model);
}

eff_status eff_onnx_producer(eff_onnx *model, const char *name, const char *version)
{
    model->file->producer_name = take_text(model, name);
    model->file->producer_version = take_text(model, version);
    return model->file->producer_name && model->file->producer_version ? EFF_OK : no_memory();
}

eff_status eff_onnx_metadata(eff_onnx *model, const char *key, const char *value)
{
    Onnx__StringStringEntryProto *entry = NEW(model, Onnx__StringStringEntryProto, ONNX__STRING_STRING_ENTRY_PROTO__INIT);
    if (!entry) return no_memory();
    entry->key = take_text(model, key);
    entry->value = take_text(model, value);
    if (!entry->key || !entry->value) return no_memory();
    return APPEND(model, model->file, metadata_props, entry);
}

/* ---- inputs and outputs ---- */

static eff_status add_size(eff_onnx *model, Onnx__TensorShapeProto *shape, int64_t size)
{
    Onnx__TensorShapeProto__Dimension *d =
        NEW(model, Onnx__TensorShapeProto__Dimension, ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT);
    if (!d) return no_memory();
    if (size == EFF_ONNX_FREE) {
        d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        d->dim_param = (char *)EFF_ONNX_FREE_NAME;
    } else {
        d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        d->dim_value = size;
    }
    return APPEND(model, shape, dim, d);
}

static eff_status describe(Onnx__ValueInfoProto **out, eff_onnx *model, const char *name, eff_onnx_type element,
                           int ndim, const int64_t *sizes)
{
    Onnx__ValueInfoProto *info = *out = NEW(model, Onnx__ValueInfoProto, ONNX__VALUE_INFO_PROTO__INIT);
    Onnx__TypeProto *type = NEW(model, Onnx__TypeProto, ONNX__TYPE_PROTO__INIT);
    Onnx__TypeProto__Tensor *tensor = NEW(model, Onnx__TypeProto__Tensor, ONNX__TYPE_PROTO__TENSOR__INIT);
    Onnx__TensorShapeProto *shape = NEW(model, Onnx__TensorShapeProto, ONNX__TENSOR_SHAPE_PROTO__INIT);
    if (!info || !type || !tensor || !shape || !(info->name = take_text(model, name))) return no_memory();
    info->type = type;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    tensor->has_elem_type = true;
    tensor->elem_type = (int32_t)element;
    tensor->shape = shape;
    for (int i = 0; i < ndim; i++) EFF_TRY(add_size(model, shape, sizes[i]));
    return EFF_OK;
}

eff_status eff_onnx_input(eff_onnx *model, const char *name, eff_onnx_type type, int ndim, const int64_t *shape)
{
    Onnx__ValueInfoProto *info;
    EFF_TRY(describe(&info, model, name, type, ndim, shape));
    return APPEND(model, model->file->graph, input, info);
}

eff_status eff_onnx_output(eff_onnx *model, const char *name, eff_onnx_type type, int ndim, const int64_t *shape)
{
    Onnx__ValueInfoProto *info;
    EFF_TRY(describe(&info, model, name, type, ndim, shape));
    return APPEND(model, model->file->graph, output, info);
}

/* ---- constants and nodes ---- */

eff_status eff_onnx_initializer(eff_onnx *model, const char *name, eff_onnx_type type, int ndim, const int64_t *shape,
                                const void *data, size_t bytes)
{
    Onnx__TensorProto *t = NEW(model, Onnx__TensorProto, ONNX__TENSOR_PROTO__INIT);
    if (!t) return no_memory();
    t->name = take_text(model, name);
    t->dims = take_copy(model, shape, (size_t)ndim * sizeof *shape);
    if (!t->name || !t->dims) return no_memory();
    t->n_dims = (size_t)ndim;
    t->has_data_type = true;
    t->data_type = (int32_t)type;
    t->has_raw_data = true;
    t->raw_data = (ProtobufCBinaryData){.len = bytes, .data = (uint8_t *)data};
    return APPEND(model, model->file->graph, initializer, t);
}

eff_status eff_onnx_node(eff_onnx *model, const char *op, const char *name, int n_in, const char *const *in, int n_out,
                         const char *const *out)
{
    Onnx__NodeProto *node = NEW(model, Onnx__NodeProto, ONNX__NODE_PROTO__INIT);
    if (!node) return no_memory();
    node->op_type = take_text(model, op);
    node->name = take_text(model, name);
    if (!node->op_type || !node->name) return no_memory();
    for (int i = 0; i < n_in; i++) EFF_TRY(APPEND(model, node, input, take_text(model, in[i])));
    for (int i = 0; i < n_out; i++) EFF_TRY(APPEND(model, node, output, take_text(model, out[i])));
    model->latest = node;
    return APPEND(model, model->file->graph, node, node);
}

static eff_status add_attribute(Onnx__AttributeProto **out, eff_onnx *model, const char *name,
                                Onnx__AttributeProto__AttributeType type)
{
    if (!model->latest) return eff_fail(EFF_E_STATE, "attribute %.200s: there is no node yet", name);
    Onnx__AttributeProto *a = *out = NEW(model, Onnx__AttributeProto, ONNX__ATTRIBUTE_PROTO__INIT);
    if (!a || !(a->name = take_text(model, name))) return no_memory();
    a->has_type = true;
    a->type = type;
    return APPEND(model, model->latest, attribute, a);
}

eff_status eff_onnx_set_int(eff_onnx *model, const char *name, int64_t value)
{
    Onnx__AttributeProto *a;
    EFF_TRY(add_attribute(&a, model, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT));
    a->has_i = true;
    a->i = value;
    return EFF_OK;
}

eff_status eff_onnx_set_float(eff_onnx *model, const char *name, double value)
{
    Onnx__AttributeProto *a;
    EFF_TRY(add_attribute(&a, model, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT));
    a->has_f = true;
    a->f = (float)value;
    return EFF_OK;
}

eff_status eff_onnx_set_string(eff_onnx *model, const char *name, const char *value)
{
    Onnx__AttributeProto *a;
    EFF_TRY(add_attribute(&a, model, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING));
    a->has_s = true;
    a->s = (ProtobufCBinaryData){.len = strlen(value), .data = (uint8_t *)take_text(model, value)};
    return a->s.data ? EFF_OK : no_memory();
}

eff_status eff_onnx_set_ints(eff_onnx *model, const char *name, int n, const int64_t *values)
{
    Onnx__AttributeProto *a;
    EFF_TRY(add_attribute(&a, model, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS));
    a->ints = take_copy(model, values, (size_t)n * sizeof *values);
    a->n_ints = (size_t)n;
    return a->ints ? EFF_OK : no_memory();
}

/* ---- the file ---- */

eff_status eff_onnx_write(const eff_onnx *model, const char *path)
{
    size_t bytes = onnx__model_proto__get_packed_size(model->file);
    if (bytes > INT32_MAX)
        return eff_fail(EFF_E_ARGUMENT, "%s: the model takes %.2f GiB, and an ONNX file holds at most 2", path,
                        (double)bytes / (1 << 30));
    uint8_t *content = malloc(bytes);
    if (!content) return eff_fail(EFF_E_MEMORY, "%s: no memory for the %zu bytes of an ONNX file", path, bytes);
    onnx__model_proto__pack(model->file, content);
    eff_status status = eff_file_write(path, content, bytes);
    free(content);
    return status;
}
