/* Safetensors files that are well: what is written is the same file every time, and comes back as it was. */
#define _GNU_SOURCE
#include "io/safetensors.h"

#include "io/file.h"

#include "test_io_helpers.h"

#include <math.h>

static eff_st_reader *open_reader(const char *path)
{
    eff_st_reader *reader = NULL;
    if (eff_st_reader_open(&reader, path) != EFF_OK) fail_msg("%s", eff_message());
    return reader;
}

static eff_st_writer *new_writer(void)
{
    eff_st_writer *writer = NULL;
    assert_int_equal(eff_st_writer_new(&writer), EFF_OK);
    return writer;
}

static void write_and_free(eff_st_writer *writer, const char *path, bool checksum)
{
    if (eff_st_writer_write(writer, path, checksum) != EFF_OK) fail_msg("%s", eff_message());
    eff_st_writer_free(writer);
}

static const float weights[6] = {1.5f, -2, 0, 1e-45f, 3e38f, -0.0f};
static const double steps[2] = {0.1, -1e300};
static const int32_t labels[3] = {1, -1, 2147483647};
static const int64_t seeds[1] = {(int64_t)1 << 62};
static const uint8_t state_bytes[5] = {0, 255, 7, 8, 9};

static void add(eff_st_writer *writer, const char *name, eff_st_dtype dtype, int ndim, int64_t d0, int64_t d1,
                const void *data)
{
    int64_t shape[2] = {d0, d1};
    if (eff_st_writer_add(writer, name, dtype, ndim, shape, data) != EFF_OK) fail_msg("%s", eff_message());
}

/* Everything once, added in an order that is not the file's. */
static eff_st_writer *sample_writer(bool other_order)
{
    eff_st_writer *writer = new_writer();
    if (other_order) add(writer, "seed", EFF_ST_I64, 0, 0, 0, seeds);
    add(writer, "bytes", EFF_ST_U8, 1, 5, 0, state_bytes);
    add(writer, "w.b", EFF_ST_F32, 2, 2, 3, weights);
    add(writer, "w.a", EFF_ST_F32, 1, 6, 0, weights);
    add(writer, "labels", EFF_ST_I32, 1, 3, 0, labels);
    add(writer, "empty", EFF_ST_F32, 2, 0, 3, weights);
    add(writer, "steps", EFF_ST_F64, 1, 2, 0, steps);
    if (!other_order) add(writer, "seed", EFF_ST_I64, 0, 0, 0, seeds);
    const char *pairs[3][2] = {{"model", "b0"}, {"format", "pt"}, {"na\"me", "\xc3\xa9\n"}};
    for (int i = 0; i < 3; i++) {
        const char **pair = pairs[other_order ? 2 - i : i];
        assert_int_equal(eff_st_writer_metadata(writer, pair[0], pair[1]), EFF_OK);
    }
    return writer;
}

static void assert_entry(const eff_st_reader *reader, int64_t i, const char *name, const char *dtype, int ndim,
                         const void *data, int64_t bytes)
{
    const eff_st_entry *entry = eff_st_reader_entry(reader, i);
    assert_string_equal(entry->name, name);
    assert_string_equal(eff_st_dtype_name(entry->dtype), dtype);
    assert_int_equal(entry->ndim, ndim);
    assert_int_equal(entry->bytes, bytes);
    assert_ptr_equal(eff_st_reader_find(reader, name), entry);
    char read[64];
    assert_int_equal(eff_st_reader_read(read, reader, entry), EFF_OK);
    assert_memory_equal(read, data, (size_t)bytes);
}

static void round_trip(void **state)
{
    (void)state;
    const char *path = in_scratch("all.safetensors");
    write_and_free(sample_writer(false), path, true);
    eff_st_reader *reader = open_reader(path);
    assert_int_equal(eff_st_reader_count(reader), 7);
    assert_entry(reader, 0, "seed", "I64", 0, seeds, 8);
    assert_entry(reader, 1, "steps", "F64", 1, steps, 16);
    assert_entry(reader, 2, "empty", "F32", 2, weights, 0);
    assert_entry(reader, 3, "w.a", "F32", 1, weights, 24);
    assert_entry(reader, 4, "w.b", "F32", 2, weights, 24);
    assert_entry(reader, 5, "labels", "I32", 1, labels, 12);
    assert_entry(reader, 6, "bytes", "U8", 1, state_bytes, 5);
    const eff_st_entry *wb = eff_st_reader_find(reader, "w.b");
    assert_int_equal(wb->shape[0], 2);
    assert_int_equal(wb->shape[1], 3);
    assert_int_equal(wb->count, 6);
    assert_int_equal(eff_st_reader_find(reader, "seed")->count, 1);
    assert_int_equal(eff_st_reader_find(reader, "seed")->offset % 64, 0);
    assert_null(eff_st_reader_find(reader, "w"));
    assert_null(eff_st_reader_find(reader, "__metadata__"));

    assert_string_equal(eff_st_reader_metadata(reader, "na\"me"), "\xc3\xa9\n");
    assert_null(eff_st_reader_metadata(reader, "absent"));
    assert_int_equal(eff_st_reader_metadata_count(reader), 4);
    const char *keys[] = {"effv2.checksum", "format", "model", "na\"me"}, *key, *value;
    for (int i = 0; i < 4; i++) {
        eff_st_reader_metadata_pair(&key, &value, reader, i);
        assert_string_equal(key, keys[i]);
        assert_string_equal(value, eff_st_reader_metadata(reader, key));
    }
    assert_int_equal(eff_st_reader_verify(reader), EFF_OK);
    eff_st_reader_close(reader);
}

static void same_content_is_the_same_file(void **state)
{
    (void)state;
    char first[2048], second[2048];
    for (int checksum = 0; checksum < 2; checksum++) {
        write_and_free(sample_writer(false), in_scratch("x"), checksum);
        write_and_free(sample_writer(true), in_scratch("y"), checksum);
        size_t size = get_bytes(first, sizeof first, in_scratch("x"));
        assert_int_equal(get_bytes(second, sizeof second, in_scratch("y")), size);
        assert_memory_equal(first, second, size);
    }
}

static void bytes_are_those_of_the_format(void **state)
{
    (void)state;
    eff_st_writer *writer = new_writer();
    add(writer, "b", EFF_ST_U8, 1, 2, 0, "hi");
    add(writer, "a", EFF_ST_I32, 2, 1, 1, &(int32_t){0x04030201});
    assert_int_equal(eff_st_writer_metadata(writer, "k", "old"), EFF_OK);
    assert_int_equal(eff_st_writer_metadata(writer, "k", "v"), EFF_OK);
    write_and_free(writer, in_scratch("exact"), false);
    static const char header[] = "{\"__metadata__\":{\"k\":\"v\"},"
                                 "\"a\":{\"dtype\":\"I32\",\"shape\":[1,1],\"data_offsets\":[0,4]},"
                                 "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[4,6]}}";
    char expected[198], got[512]; /* 8 + 184 bytes are three times 64 */
    memset(expected, ' ', sizeof expected);
    memcpy(expected, "\xb8\0\0\0\0\0\0\0", 8);
    memcpy(expected + 8, header, sizeof header - 1);
    memcpy(expected + 192, "\1\2\3\4hi", 6);
    assert_int_equal(get_bytes(got, sizeof got, in_scratch("exact")), sizeof expected);
    assert_memory_equal(got, expected, sizeof expected);
}

static void nothing_at_all_is_a_file_too(void **state)
{
    (void)state;
    write_and_free(new_writer(), in_scratch("nothing"), false);
    eff_st_reader *reader = open_reader(in_scratch("nothing"));
    assert_int_equal(eff_st_reader_count(reader), 0);
    assert_int_equal(eff_st_reader_metadata_count(reader), 0);
    assert_null(eff_st_reader_metadata(reader, "k"));
    assert_null(eff_st_reader_find(reader, "a"));
    assert_int_equal(eff_st_reader_verify(reader), EFF_OK);
    eff_st_reader_close(reader);
    eff_st_reader_close(NULL);
}

/* Files of others: any order of tensors, spaces in the JSON, unknown keys, no padding, all dtypes. */
static void reads_what_others_write(void **state)
{
    (void)state;
    static const char header[] =
        "{ \"z\" : {\"shape\":[2], \"extra\":1, \"dtype\":\"F16\", \"data_offsets\":[4,8]},\n"
        "\"y\":{\"dtype\":\"BF16\",\"shape\":[2,1],\"data_offsets\":[0,4]},\"__metadata__\":{},"
        "\"e1\":{\"dtype\":\"I16\",\"shape\":[0],\"data_offsets\":[4,4]},"
        "\"e0\":{\"dtype\":\"F8_E4M3\",\"shape\":[3,0],\"data_offsets\":[0,0]},"
        "\"q\":{\"dtype\":\"F4\",\"shape\":[1,2,1,1,1,1,1,1],\"data_offsets\":[8,9]},"
        "\"\":{\"dtype\":\"BOOL\",\"shape\":[],\"data_offsets\":[9,10]}}";
    char file[1024] = {0};
    uint64_t length = sizeof header - 1;
    memcpy(file, &length, 8);
    memcpy(file + 8, header, length);
    memcpy(file + 8 + length, "\x80\x3f\x00\xc0\x00\x3c\x00\xc0\x5a\x01", 10); /* 1, -2 twice, then q and "" */
    const char *path = in_scratch("others");
    put_bytes(path, file, 8 + length + 10);
    eff_st_reader *reader = open_reader(path);
    const char *order[] = {"e0", "y", "e1", "z", "q", ""};
    for (int i = 0; i < 6; i++) assert_string_equal(eff_st_reader_entry(reader, i)->name, order[i]);

    float values[2];
    for (int i = 1; i < 4; i += 2) {
        assert_int_equal(eff_st_reader_read_f32(values, reader, eff_st_reader_entry(reader, i)), EFF_OK);
        assert_true(values[0] == 1 && values[1] == -2);
    }
    assert_int_equal(eff_st_reader_read_f32(values, reader, eff_st_reader_find(reader, "q")), EFF_E_TYPE);
    assert_contains(eff_message(), "tensor \"q\" has dtype F4, which effv2 does not support");
    assert_int_equal(eff_st_reader_read(values, reader, eff_st_reader_find(reader, "")), EFF_E_TYPE);
    assert_contains(eff_message(), path);
    eff_st_reader_close(reader);
}

static void reads_as_float(void **state)
{
    (void)state;
    enum { COUNT = 10000 }; /* more than one chunk of the conversion */
    static double doubles[COUNT];
    static float floats[COUNT];
    for (int i = 0; i < COUNT; i++) doubles[i] = i / 7.0 - 300;
    eff_st_writer *writer = new_writer();
    add(writer, "d", EFF_ST_F64, 1, COUNT, 0, doubles);
    add(writer, "f", EFF_ST_F32, 1, 6, 0, weights);
    add(writer, "i", EFF_ST_I32, 1, 3, 0, labels);
    write_and_free(writer, in_scratch("floats"), false);
    eff_st_reader *reader = open_reader(in_scratch("floats"));
    assert_int_equal(eff_st_reader_read_f32(floats, reader, eff_st_reader_find(reader, "d")), EFF_OK);
    for (int i = 0; i < COUNT; i++) assert_true(floats[i] == (float)doubles[i]);
    assert_int_equal(eff_st_reader_read_f32(floats, reader, eff_st_reader_find(reader, "f")), EFF_OK);
    assert_memory_equal(floats, weights, sizeof weights);
    assert_int_equal(eff_st_reader_read_f32(floats, reader, eff_st_reader_find(reader, "i")), EFF_E_TYPE);
    assert_contains(eff_message(), "holds integers (I32)");
    eff_st_reader_close(reader);
}

static void all_halves_become_floats(void **state)
{
    (void)state;
    for (int bits = 0; bits < 65536; bits++) {
        uint16_t half = (uint16_t)bits;
        float f16, bf16;
        eff_f32_from_f16(&f16, &half, 1);
        eff_f32_from_bf16(&bf16, &half, 1);
        int exponent = half >> 10 & 31, fraction = half & 1023;
        double expected = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
        if (exponent == 31) expected = fraction ? NAN : INFINITY;
        if (half & 0x8000) expected = -expected;
        if (isnan(expected)) assert_true(isnan(f16));
        else assert_true(f16 == expected);
        assert_int_equal(!!signbit(f16), half >> 15);

        exponent = half >> 7 & 255, fraction = half & 127;
        expected = exponent ? ldexp(128 + fraction, exponent - 134) : ldexp(fraction, -133);
        if (exponent == 255) expected = fraction ? NAN : INFINITY;
        if (half & 0x8000) expected = -expected;
        if (isnan(expected)) assert_true(isnan(bf16));
        else assert_true(bf16 == expected);
        assert_int_equal(!!signbit(bf16), half >> 15);
    }
}

static void assert_add_fails(eff_st_writer *writer, const char *name, eff_st_dtype dtype, int ndim,
                             const int64_t *shape, eff_status code, const char *part)
{
    assert_int_equal(eff_st_writer_add(writer, name, dtype, ndim, shape, weights), code);
    assert_contains(eff_message(), part);
}

static void the_writer_refuses_what_cannot_be_read(void **state)
{
    (void)state;
    eff_st_writer *writer = new_writer();
    const int64_t good[] = {2}, negative[] = {1, -3}, huge[] = {(int64_t)1 << 40, (int64_t)1 << 40},
                  bits[] = {(int64_t)1 << 61};
    add(writer, "a", EFF_ST_F32, 1, 2, 0, weights);
    assert_add_fails(writer, "a", EFF_ST_F64, 1, good, EFF_E_ARGUMENT, "two tensors are named \"a\"");
    assert_add_fails(writer, "__metadata__", EFF_ST_F32, 1, good, EFF_E_ARGUMENT, "__metadata__");
    assert_add_fails(writer, "n", EFF_ST_F32, 2, negative, EFF_E_SHAPE, "tensor \"n\": dimension 2 of the shape is -3");
    assert_add_fails(writer, "h", EFF_ST_F32, 2, huge, EFF_E_SHAPE, "more elements");
    assert_add_fails(writer, "h", EFF_ST_F32, 1, bits, EFF_E_SHAPE, "more bytes");
    assert_add_fails(writer, "d", EFF_ST_F32, 9, good, EFF_E_SHAPE, "9 dimensions");
    assert_add_fails(writer, "f", EFF_ST_F16, 1, good, EFF_E_TYPE, "dtype F16 cannot be written");
    assert_add_fails(writer, "\xff", EFF_ST_F32, 1, good, EFF_E_ARGUMENT, "UTF-8");
    assert_int_equal(eff_st_writer_metadata(writer, "k", "\xc3"), EFF_E_ARGUMENT);
    assert_int_equal(eff_st_writer_metadata(writer, "\xff", "v"), EFF_E_ARGUMENT);
    int64_t bytes = -1;
    assert_int_equal(eff_st_bytes(&bytes, EFF_ST_F6_E2M3, 1, good), EFF_E_SHAPE);
    assert_contains(eff_message(), "whole number of bytes");

    write_and_free(writer, in_scratch("kept"), false); /* failures left no trace */
    eff_st_reader *reader = open_reader(in_scratch("kept"));
    assert_int_equal(eff_st_reader_count(reader), 1);
    assert_int_equal(eff_st_reader_metadata_count(reader), 0);
    eff_st_reader_close(reader);
}

static void metadata_can_be_handed_on(void **state)
{
    (void)state;
    eff_st_writer *writer = new_writer();
    assert_int_equal(eff_st_writer_metadata(writer, EFF_ST_CHECKSUM_KEY, "stale"), EFF_OK);
    assert_int_equal(eff_st_writer_metadata(writer, "k", "v"), EFF_OK);
    assert_int_equal(eff_st_writer_write(writer, in_scratch("plain"), false), EFF_OK);
    write_and_free(writer, in_scratch("checked"), true);
    eff_st_reader *plain = open_reader(in_scratch("plain")), *checked = open_reader(in_scratch("checked"));
    assert_null(eff_st_reader_metadata(plain, EFF_ST_CHECKSUM_KEY));
    assert_int_equal(strlen(eff_st_reader_metadata(checked, EFF_ST_CHECKSUM_KEY)), strlen("xxh3-128:") + 32);
    assert_int_equal(eff_st_reader_verify(checked), EFF_OK);
    eff_st_reader_close(plain);
    eff_st_reader_close(checked);
}

static void a_failed_write_keeps_the_old_file(void **state)
{
    (void)state;
    const char *path = in_scratch("last");
    put_bytes(path, "old", 3);
    eff_atomic_file *other = NULL;
    assert_int_equal(eff_atomic_file_begin(&other, path, 0), EFF_OK);
    eff_st_writer *writer = sample_writer(false);
    assert_int_equal(eff_st_writer_write(writer, path, true), EFF_E_IO);
    assert_contains(eff_message(), "being written");
    assert_content(path, "old");
    eff_atomic_file_abort(other);
    assert_int_equal(eff_st_writer_write(writer, in_scratch("missing/x"), true), EFF_E_IO);
    assert_contains(eff_message(), "does not exist");
    write_and_free(writer, path, true); /* the same writer can still be used */
    eff_st_reader_close(open_reader(path));
    eff_st_writer_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(same_content_is_the_same_file),
        cmocka_unit_test(bytes_are_those_of_the_format),
        cmocka_unit_test(nothing_at_all_is_a_file_too),
        cmocka_unit_test(reads_what_others_write),
        cmocka_unit_test(reads_as_float),
        cmocka_unit_test(all_halves_become_floats),
        cmocka_unit_test(the_writer_refuses_what_cannot_be_read),
        cmocka_unit_test(metadata_can_be_handed_on),
        cmocka_unit_test(a_failed_write_keeps_the_old_file),
    };
    return cmocka_run_group_tests_name("io safetensors", tests, scratch_setup, scratch_teardown);
}
