/* MAT-files: what SciPy wrote (tests/golden/make_mats.py), what MATLAB writes otherwise, and damage of every kind. */
#define _GNU_SOURCE /* nftw */
#include "test_io_helpers.h"

#include <zlib.h>

#include "io/mat.h"

#define GOLDEN "tests/golden/mat/"

static const eff_mat_array *need(const eff_mat *mat, const char *name)
{
    const eff_mat_array *a = eff_mat_variable(mat, name);
    if (!a) fail_msg("no variable %s", name);
    return a;
}

static void assert_kinds(const char *path)
{
    const char *const types[] = {"int8",   "uint8", "int16",  "uint16",  "int32",
                                 "uint32", "int64", "uint64", "float32", "float64"};
    eff_mat mat;
    if (eff_mat_read(&mat, path) != EFF_OK) fail_msg("%s", eff_message());
    for (int i = 0; i < 10; i++) { /* [[first, 0, 100], [2, 3, 4]], column after column */
        const double first = i == 2 ? -300 : i == 6 ? -1099511627776.0 : i == 8 ? -0.5 : 1;
        const double want[6] = {first, 2, 0, 3, 100, 4};
        const eff_mat_array *a = need(&mat, types[i]);
        assert_int_equal(a->kind, EFF_MAT_NUMBERS);
        assert_int_equal(a->count, 6);
        assert_memory_equal(a->numbers, want, sizeof want);
    }
    const eff_mat_array *cell = need(&mat, "cell");
    assert_int_equal(cell->kind, EFF_MAT_CELL);
    assert_int_equal(cell->count, 3);
    assert_string_equal(cell->items[0].text, "one");
    assert_true(cell->items[1].numbers[0] == 7.5);
    assert_int_equal(cell->items[2].count, 0);
    const eff_mat_array *nested = need(&mat, "nested"), *a = eff_mat_field(nested, 0, "a");
    assert_string_equal(eff_mat_field(a, 0, "b")->text, "deep \xE2\x82\xAC");
    assert_true(eff_mat_field(nested, 0, "c")->numbers[1] == 2);
    assert_null(eff_mat_field(nested, 0, "d"));
    assert_null(eff_mat_field(cell, 0, "a"));
    assert_true(need(&mat, "flag")->numbers[0] == 1);
    assert_int_equal(need(&mat, "empty")->count, 0);
    assert_string_equal(need(&mat, "text")->text, "a");
    assert_null(eff_mat_variable(&mat, "complex"));
    eff_mat_free(&mat);
}

static void test_kinds(void **state)
{
    (void)state;
    assert_kinds(GOLDEN "kinds.mat");
    assert_kinds(GOLDEN "kinds_plain.mat");
}

/* ---- Files made byte by byte ---- */

typedef struct maker {
    uint8_t bytes[4096];
    size_t size;
} maker;

static void put32(maker *m, uint32_t value)
{
    for (int i = 0; i < 4; i++) m->bytes[m->size++] = (uint8_t)(value >> 8 * i);
}

static void begin(maker *m)
{
    memset(m, 0, sizeof *m);
    memset(m->bytes, ' ', 116);
    m->bytes[125] = 1;
    memcpy(m->bytes + 126, "IM", 2);
    m->size = 128;
}

static void add(maker *m, uint32_t type, const void *data, uint32_t size)
{
    put32(m, type);
    put32(m, size);
    memcpy(m->bytes + m->size, data, size);
    m->size += (size + 7) / 8 * 8;
}

static void add_small(maker *m, uint32_t type, const void *data, uint32_t size)
{
    put32(m, size << 16 | type);
    memcpy(m->bytes + m->size, data, size);
    m->size += 4;
}

/* Tag and head of an array `name` of 1 x count; returns where its size belongs. */
static size_t add_head(maker *m, uint32_t class, int32_t count, const char *name)
{
    const uint32_t flags[2] = {class, 0};
    const int32_t dimensions[2] = {1, count};
    size_t place = m->size + 4;
    put32(m, 14);
    put32(m, 0);
    add(m, 6, flags, 8);
    add(m, 5, dimensions, 8);
    if (strlen(name) <= 4) add_small(m, 1, name, (uint32_t)strlen(name));
    else add(m, 1, name, (uint32_t)strlen(name));
    return place;
}

static void end(maker *m, size_t place)
{
    uint32_t size = (uint32_t)(m->size - place - 4);
    memcpy(m->bytes + place, &size, 4);
}

static eff_status read_made(eff_mat *mat, const maker *m)
{
    put_bytes(in_scratch("made.mat"), m->bytes, m->size);
    return eff_mat_read(mat, in_scratch("made.mat"));
}

/* MATLAB stores whole doubles as bytes, and up to four of them inside of the tag. */
static void test_narrow_and_small(void **state)
{
    eff_mat mat;
    maker m;
    (void)state;
    begin(&m);
    size_t place = add_head(&m, 6, 3, "few");
    add_small(&m, 2, "\x01\x02\xC8", 3);
    end(&m, place);
    place = add_head(&m, 6, 6, "several");
    add(&m, 3, ((int16_t[]){1, -2, 3, -4, 5, 1000}), 12);
    end(&m, place);
    place = add_head(&m, 4, 2, "t");
    add_small(&m, 4, "o\0\xE9\0", 4);
    end(&m, place);
    assert_int_equal(read_made(&mat, &m), EFF_OK);
    assert_memory_equal(need(&mat, "few")->numbers, ((double[]){1, 2, 200}), 3 * sizeof(double));
    assert_memory_equal(need(&mat, "several")->numbers, ((double[]){1, -2, 3, -4, 5, 1000}), 6 * sizeof(double));
    assert_string_equal(need(&mat, "t")->text, "o\xC3\xA9");
    eff_mat_free(&mat);
}

static void expect_refused(const maker *m, const char *text)
{
    eff_mat mat;
    assert_int_equal(read_made(&mat, m), EFF_E_FORMAT);
    assert_contains(eff_message(), "made.mat: ");
    assert_contains(eff_message(), text);
    assert_int_equal(mat.count, 0);
}

static void test_headers(void **state)
{
    eff_mat mat;
    maker m;
    (void)state;
    begin(&m);
    assert_int_equal(read_made(&mat, &m), EFF_OK); /* nothing in it */
    assert_int_equal(mat.count, 0);
    eff_mat_free(&mat);
    m.bytes[125] = 2;
    expect_refused(&m, "version 2.0; only version 5 is read (save it with -v7)");
    memcpy(m.bytes + 126, "MI", 2);
    expect_refused(&m, "a big-endian MAT-file, which is not read");
    memcpy(m.bytes + 126, "??", 2);
    expect_refused(&m, "no MAT-file of version 5");
    m.size = 100;
    expect_refused(&m, "it has 100 bytes, a header has 128");
    assert_int_equal(eff_mat_read(&mat, in_scratch("none.mat")), EFF_E_IO);
    assert_contains(eff_message(), "none.mat: cannot read: No such file");
}

static void test_contradictions(void **state)
{
    maker m;
    (void)state;
    begin(&m);
    end(&m, add_head(&m, 6, 3, "x"));
    expect_refused(&m, "it ends inside of an element");
    begin(&m);
    size_t place = add_head(&m, 6, 3, "x");
    add_small(&m, 2, "ab", 2);
    end(&m, place);
    expect_refused(&m, "not as many numbers as the dimensions say");
    begin(&m);
    place = add_head(&m, 6, 2000000000, "x");
    add_small(&m, 2, "ab", 2);
    end(&m, place);
    expect_refused(&m, "dimensions beyond its size");
    begin(&m);
    place = add_head(&m, 6, -1, "x");
    end(&m, place);
    expect_refused(&m, "dimensions beyond its size");
    begin(&m);
    place = add_head(&m, 1, 60000000, "x");
    end(&m, place);
    expect_refused(&m, "inside of an array of arrays");
    begin(&m);
    place = add_head(&m, 1, 1, "x");
    add(&m, 9, "12345678", 8);
    end(&m, place);
    expect_refused(&m, "in a cell or field that is no array");
    begin(&m);
    place = add_head(&m, 2, 1, "x");
    add_small(&m, 5, "\xFF\0\0\0", 4);
    end(&m, place);
    expect_refused(&m, "field names of an impossible length");
    begin(&m);
    add(&m, 9, "12345678", 8);
    expect_refused(&m, "something beside the arrays");
    begin(&m);
    add(&m, 15, "no zlib", 7);
    expect_refused(&m, "a compressed array cannot be unpacked");
    begin(&m);
    place = add_head(&m, 4, 2, "x");
    add_small(&m, 2, "a\0", 2);
    end(&m, place);
    expect_refused(&m, "a text with an impossible character");
    begin(&m);
    put32(&m, 8 << 16 | 2);
    put32(&m, 0);
    expect_refused(&m, "a small element of more than 4 bytes");
}

/* Cells in cells in cells ... */
static void test_nesting(void **state)
{
    maker m;
    size_t places[40];
    (void)state;
    begin(&m);
    for (int i = 0; i < 40; i++) places[i] = add_head(&m, 1, 1, "x");
    for (int i = 40; i-- > 0;) end(&m, places[i]);
    expect_refused(&m, "nested too deeply");
}

/* A file that unpacks to far more than it is. */
static void test_bomb(void **state)
{
    const size_t size = (size_t)80 << 20;
    maker m;
    uint8_t *zeros = calloc(size, 1), *packed = malloc(compressBound(size));
    uLongf packed_size = compressBound(size);
    (void)state;
    assert_int_equal(compress(packed, &packed_size, zeros, size), Z_OK);
    begin(&m);
    FILE *file = fopen(in_scratch("made.mat"), "wb");
    put32(&m, 15);
    put32(&m, (uint32_t)packed_size);
    fwrite(m.bytes, 1, m.size, file);
    fwrite(packed, 1, packed_size, file);
    fclose(file);
    free(zeros);
    free(packed);
    eff_mat mat;
    assert_int_equal(eff_mat_read(&mat, in_scratch("made.mat")), EFF_E_FORMAT);
    assert_contains(eff_message(), "more than 67108864 bytes when unpacked");
}

/* ---- Damage ---- */

/* Whatever happens to a file, reading ends, and what was read can be freed. */
static void try_damaged(const uint8_t *bytes, size_t size)
{
    eff_mat mat;
    put_bytes(in_scratch("damaged.mat"), bytes, size);
    eff_status status = eff_mat_read(&mat, in_scratch("damaged.mat"));
    assert_true(status == EFF_OK || status == EFF_E_FORMAT || status == EFF_E_MEMORY);
    eff_mat_free(&mat);
}

static void test_damage(void **state)
{
    const char *const files[] = {"kinds_plain.mat", "kinds.mat", "cars/devkit/cars_train_annos.mat"};
    uint32_t random = 1;
    (void)state;
    for (int f = 0; f < 3; f++) {
        uint8_t bytes[4096], changed[4096];
        char path[128];
        snprintf(path, sizeof path, GOLDEN "%s", files[f]);
        size_t size = get_bytes(bytes, sizeof bytes, path);
        for (size_t cut = 0; cut < size; cut++) try_damaged(bytes, cut);
        for (int i = 0; i < 4000; i++) {
            memcpy(changed, bytes, size);
            for (int k = 0; k <= i % 3; k++) {
                random = random * 1664525u + 1013904223u;
                uint8_t *byte = &changed[128 + (random >> 8) % (size - 128)];
                *byte = (uint8_t)(i % 2 ? random >> 24 : *byte ^ 1u << (random >> 28 & 7));
            }
            try_damaged(changed, size);
        }
    }
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_folder(test_kinds),          in_folder(test_narrow_and_small), in_folder(test_headers),
        in_folder(test_contradictions), in_folder(test_nesting),          in_folder(test_bomb),
        in_folder(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
