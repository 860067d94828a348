/* ONNX files: what was built is what protobuf reads back; what cannot be written says why. */
#define _GNU_SOURCE
#include "onnx/model.h"

#include "io/file.h"

#include "onnx.pb-c.h"
#include "test_io_helpers.h"

#include <math.h>

static const float weight[6] = {1, -2, 3.5f, INFINITY, -0.0f, 1e-40f};

static eff_onnx *new_model(void)
{
    eff_onnx *model = NULL;
    assert_int_equal(eff_onnx_new(&model, "a graph", 10, 22), EFF_OK);
    return model;
}

/* y = Op(x, w) with an attribute of every kind */
static void build(eff_onnx *model)
{
    const char *in[] = {"x", "", "w"}, *out[] = {"y"};
    int64_t images[] = {EFF_ONNX_FREE, 3, 5, 7}, matrix[] = {2, 3}, logits[] = {EFF_ONNX_FREE, 3};
    int64_t pads[] = {0, 1, -2, INT64_C(1) << 40};
    assert_int_equal(eff_onnx_producer(model, "tests", "1.0"), EFF_OK);
    assert_int_equal(eff_onnx_input(model, "x", EFF_ONNX_F32, 4, images), EFF_OK);
    assert_int_equal(eff_onnx_output(model, "y", EFF_ONNX_I64, 2, logits), EFF_OK);
    assert_int_equal(eff_onnx_initializer(model, "w", EFF_ONNX_F32, 2, matrix, weight, sizeof weight), EFF_OK);
    assert_int_equal(eff_onnx_initializer(model, "scalar", EFF_ONNX_F32, 0, NULL, weight, sizeof weight[0]), EFF_OK);
    assert_int_equal(eff_onnx_node(model, "Op", "a node", 3, in, 1, out), EFF_OK);
    assert_int_equal(eff_onnx_set_int(model, "zero", 0), EFF_OK);
    assert_int_equal(eff_onnx_set_float(model, "epsilon", 1e-6), EFF_OK);
    assert_int_equal(eff_onnx_set_string(model, "mode", "linear"), EFF_OK);
    assert_int_equal(eff_onnx_set_ints(model, "pads", 4, pads), EFF_OK);
    assert_int_equal(eff_onnx_set_ints(model, "none", 0, NULL), EFF_OK);
    assert_int_equal(eff_onnx_metadata(model, "key", "value"), EFF_OK);
}

static Onnx__ModelProto *read_back(const char *path)
{
    char *data;
    size_t bytes;
    assert_int_equal(eff_file_read(&data, &bytes, path, 1 << 20), EFF_OK);
    Onnx__ModelProto *file = onnx__model_proto__unpack(NULL, bytes, (const uint8_t *)data);
    free(data);
    assert_non_null(file);
    return file;
}

static void check_sizes(const Onnx__ValueInfoProto *info, const char *name, size_t n, int64_t second)
{
    const Onnx__TensorShapeProto *shape = info->type->tensor_type->shape;
    assert_string_equal(info->name, name);
    assert_int_equal(shape->n_dim, n);
    assert_string_equal(shape->dim[0]->dim_param, "batch");
    assert_int_equal(shape->dim[1]->dim_value, second);
}

static void check_attributes(const Onnx__NodeProto *node)
{
    assert_int_equal(node->n_attribute, 5);
    assert_true(node->attribute[0]->has_i && node->attribute[0]->i == 0);
    assert_true(node->attribute[1]->f == 1e-6f);
    assert_memory_equal(node->attribute[2]->s.data, "linear", 6);
    assert_int_equal(node->attribute[3]->n_ints, 4);
    assert_int_equal(node->attribute[3]->ints[2], -2);
    assert_int_equal(node->attribute[3]->ints[3], INT64_C(1) << 40);
    assert_int_equal(node->attribute[4]->n_ints, 0);
    assert_int_equal(node->attribute[4]->type, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
}

static void is_read_back(void **state)
{
    (void)state;
    const char *path = in_scratch("a.onnx");
    eff_onnx *model = new_model();
    build(model);
    assert_int_equal(eff_onnx_write(model, path), EFF_OK);
    eff_onnx_free(model);

    Onnx__ModelProto *file = read_back(path);
    assert_int_equal(file->ir_version, 10);
    assert_int_equal(file->opset_import[0]->version, 22);
    assert_string_equal(file->producer_name, "tests");
    assert_string_equal(file->metadata_props[0]->value, "value");
    assert_string_equal(file->graph->name, "a graph");
    check_sizes(file->graph->input[0], "x", 4, 3);
    check_sizes(file->graph->output[0], "y", 2, 3);
    assert_int_equal(file->graph->n_initializer, 2);
    assert_int_equal(file->graph->initializer[0]->dims[1], 3);
    assert_int_equal(file->graph->initializer[0]->raw_data.len, sizeof weight);
    assert_memory_equal(file->graph->initializer[0]->raw_data.data, weight, sizeof weight);
    assert_int_equal(file->graph->initializer[1]->n_dims, 0);
    assert_string_equal(file->graph->node[0]->op_type, "Op");
    assert_string_equal(file->graph->node[0]->input[1], "");
    check_attributes(file->graph->node[0]);
    onnx__model_proto__free_unpacked(file, NULL);
}

static void holds_many_nodes(void **state)
{
    (void)state;
    const char *path = in_scratch("many.onnx"), *in[] = {"x"}, *out[] = {"x"};
    char name[16];
    eff_onnx *model = new_model();
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%d", i);
        assert_int_equal(eff_onnx_node(model, "Relu", name, 1, in, 1, out), EFF_OK);
    }
    assert_int_equal(eff_onnx_write(model, path), EFF_OK);
    eff_onnx_free(model);
    Onnx__ModelProto *file = read_back(path);
    assert_int_equal(file->graph->n_node, 1000);
    assert_string_equal(file->graph->node[999]->name, "999");
    onnx__model_proto__free_unpacked(file, NULL);
}

static void says_why_it_cannot_be_written(void **state)
{
    (void)state;
    eff_onnx *model = new_model();
    assert_int_equal(eff_onnx_set_int(model, "axis", 1), EFF_E_STATE);
    assert_int_equal(eff_onnx_write(model, "/nowhere/a.onnx"), EFF_E_IO);
    int64_t shape[] = {3, 1 << 28};
    assert_int_equal(eff_onnx_initializer(model, "huge", EFF_ONNX_F32, 2, shape, weight, (size_t)3 << 30), EFF_OK);
    assert_int_equal(eff_onnx_write(model, in_scratch("huge.onnx")), EFF_E_ARGUMENT);
    assert_non_null(strstr(eff_message(), "huge.onnx: the model takes 3.00 GiB"));
    assert_false(eff_file_exists(in_scratch("huge.onnx")));
    eff_onnx_free(model);
    eff_onnx_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_read_back),
        cmocka_unit_test(holds_many_nodes),
        cmocka_unit_test(says_why_it_cannot_be_written),
    };
    return cmocka_run_group_tests_name("onnx model", tests, scratch_setup, scratch_teardown);
}
