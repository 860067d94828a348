/* Damaged and hostile safetensors files: each is refused with a text that names the file, none does harm. */
#define _GNU_SOURCE
#include "io/safetensors.h"

#include "base/rng.h"

#include "test_io_helpers.h"

#include <sys/stat.h>

enum { DATA_BYTES = 16, FILE_ROOM = 1 << 16 };

static char file_bytes[FILE_ROOM];

/* Lays a file out in file_bytes and returns its size. */
static size_t lay_out(const char *header, size_t header_bytes)
{
    uint64_t length = header_bytes;
    assert_true(8 + header_bytes + DATA_BYTES <= FILE_ROOM);
    memcpy(file_bytes, &length, 8);
    memcpy(file_bytes + 8, header, header_bytes);
    memset(file_bytes + 8 + header_bytes, 0x5A, DATA_BYTES);
    return 8 + header_bytes + DATA_BYTES;
}

/* Fails the test unless the file is refused as malformed with a text that starts with its path. */
static void assert_refused(size_t size, const char *part, const char *label)
{
    const char *path = in_scratch("damaged");
    put_bytes(path, file_bytes, size);
    eff_st_reader *reader = NULL;
    eff_fail(EFF_OK, "no message");
    eff_status status = eff_st_reader_open(&reader, path);
    if (status != EFF_E_FORMAT) fail_msg("%s: status %s", label, eff_status_name(status));
    assert_null(reader);
    if (strncmp(eff_message(), path, strlen(path)) != 0) fail_msg("%s: \"%s\"", label, eff_message());
    if (!strstr(eff_message(), part)) fail_msg("%s: no \"%s\" in \"%s\"", label, part, eff_message());
}

#define T(dtype, shape, offsets) "{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define GOOD T("\"F32\"", "[4]", "[0,16]")

static void bad_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header, *part;
    } cases[] = {
        /* not JSON, or not an object */
        {"", "does not start with '{'"},
        {" {\"a\":" GOOD "}", "does not start with '{'"},
        {"[]", "does not start with '{'"},
        {"null", "does not start with '{'"},
        {"\xef\xbb\xbf{\"a\":" GOOD "}", "does not start with '{'"},
        {"{", "not valid JSON"},
        {"{\"a\"", "not valid JSON"},
        {"{\"a\":" GOOD, "not valid JSON"},
        {"{\"a\":" GOOD ",}", "not valid JSON"},
        {"{\"a\":" GOOD "}}", "not valid JSON"},
        {"{\"a\":" GOOD "} x", "not valid JSON"},
        {"{'a':" GOOD "}", "not valid JSON"},
        {"{a:" GOOD "}", "not valid JSON"},
        {"{\"a\":" GOOD "/* */}", "not valid JSON"},
        {"{\"a\":NaN}", "not valid JSON"},
        {"{\"a\xff\":" GOOD "}", "decode"},
        {"{\"a\xc3\":" GOOD "}", "not valid JSON"},
        {"{\"\xc0\x80\":" GOOD "}", "decode"},
        {"{\"\xed\xa0\x80\":" GOOD "}", "decode"},
        {"{\"\\ud800\":" GOOD "}", "not valid JSON"},
        {"{\"a\\u0000\":" GOOD "}", "not valid JSON"},
        {"{\"a\n\":" GOOD "}", "not valid JSON"},
        {"{\"a\":" GOOD ",\"a\":" GOOD "}", "uplicate"},
        {"{\"a\":" GOOD ",\"\\u0061\":" GOOD "}", "uplicate"},
        {"{\"__metadata__\":{},\"a\":" GOOD ",\"__metadata__\":{}}", "uplicate"},
        {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"},\"a\":" GOOD "}", "uplicate"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"shape\":[4],\"data_offsets\":[0,16]}}", "uplicate"},
        /* metadata */
        {"{\"__metadata__\":[],\"a\":" GOOD "}", "object of strings"},
        {"{\"__metadata__\":null,\"a\":" GOOD "}", "object of strings"},
        {"{\"__metadata__\":\"x\",\"a\":" GOOD "}", "object of strings"},
        {"{\"__metadata__\":{\"k\":1},\"a\":" GOOD "}", "metadata \"k\" must be a string"},
        {"{\"__metadata__\":{\"j\":\"\",\"k\":null},\"a\":" GOOD "}", "metadata \"k\" must be a string"},
        {"{\"__metadata__\":{\"k\":{}},\"a\":" GOOD "}", "metadata \"k\" must be a string"},
        /* the description of a tensor */
        {"{\"a\":null}", "tensor \"a\": its description must be an object"},
        {"{\"a\":[]}", "must be an object"},
        {"{\"a\":\"F32\"}", "must be an object"},
        {"{\"a\":{}}", "\"dtype\" must be"},
        {"{\"a\":{\"shape\":[4],\"data_offsets\":[0,16]}}", "\"dtype\" must be"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,16]}}", "\"shape\" must be"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4]}}", "\"data_offsets\" must be"},
        /* dtypes */
        {"{\"a\":" T("\"F31\"", "[4]", "[0,16]") "}", "unknown dtype \"F31\""},
        {"{\"a\":" T("\"f32\"", "[4]", "[0,16]") "}", "unknown dtype \"f32\""},
        {"{\"a\":" T("\"\"", "[4]", "[0,16]") "}", "unknown dtype \"\""},
        {"{\"a\":" T("\"float32\"", "[4]", "[0,16]") "}", "unknown dtype"},
        {"{\"a\":" T("\"%s%n\"", "[4]", "[0,16]") "}", "unknown dtype \"%s%n\""},
        {"{\"a\":" T("32", "[4]", "[0,16]") "}", "\"dtype\" must be a string"},
        {"{\"a\":" T("null", "[4]", "[0,16]") "}", "\"dtype\" must be a string"},
        {"{\"a\":" T("[\"F32\"]", "[4]", "[0,16]") "}", "\"dtype\" must be a string"},
        {"{\"a\":" T("\"F64\"", "[4]", "[0,16]") "}", "span 16 bytes, its dtype and shape need 32"},
        {"{\"a\":" T("\"F16\"", "[4]", "[0,16]") "}", "need 8"},
        {"{\"a\":" T("\"F4\"", "[31]", "[0,16]") "}", "whole number of bytes"},
        {"{\"a\":" T("\"F6_E2M3\"", "[21]", "[0,16]") "}", "whole number of bytes"},
        /* shapes */
        {"{\"a\":" T("\"F32\"", "4", "[0,16]") "}", "\"shape\" must be a list"},
        {"{\"a\":" T("\"F32\"", "null", "[0,16]") "}", "\"shape\" must be a list"},
        {"{\"a\":" T("\"F32\"", "{}", "[0,16]") "}", "\"shape\" must be a list"},
        {"{\"a\":" T("\"F32\"", "[4.0]", "[0,16]") "}", "\"shape\" must be a list"},
        {"{\"a\":" T("\"F32\"", "[\"4\"]", "[0,16]") "}", "\"shape\" must be a list"},
        {"{\"a\":" T("\"F32\"", "[true]", "[0,16]") "}", "\"shape\" must be a list"},
        {"{\"a\":" T("\"F32\"", "[[4]]", "[0,16]") "}", "\"shape\" must be a list"},
        {"{\"a\":" T("\"F32\"", "[4e0]", "[0,16]") "}", "\"shape\" must be a list"},
        {"{\"a\":" T("\"F32\"", "[-4]", "[0,16]") "}", "dimension 1 of the shape is -4"},
        {"{\"a\":" T("\"F32\"", "[-2,-2]", "[0,16]") "}", "dimension 1 of the shape is -2"},
        {"{\"a\":" T("\"F32\"", "[4,1,-1]", "[0,16]") "}", "dimension 3 of the shape is -1"},
        {"{\"a\":" T("\"F32\"", "[-9223372036854775808]", "[0,16]") "}", "must not be negative"},
        {"{\"a\":" T("\"F32\"", "[9223372036854775807]", "[0,16]") "}", "more bytes than"},
        {"{\"a\":" T("\"F32\"", "[9223372036854775808]", "[0,16]") "}", "not valid JSON"},
        {"{\"a\":" T("\"F32\"", "[4611686018427387908]", "[0,16]") "}", "more bytes than"}, /* 2^62+4: wraps to 16 */
        {"{\"a\":" T("\"U8\"", "[4294967296,4294967296]", "[0,0]") "}", "more elements than"}, /* wraps to 0 */
        {"{\"a\":" T("\"U8\"", "[4294967296,4294967296,0]", "[0,0]") "}", "more elements than"},
        {"{\"a\":" T("\"F32\"", "[1,1,1,1,1,1,1,1,4]", "[0,16]") "}", "9 dimensions, at most 8"},
        {"{\"a\":" T("\"F32\"", "[]", "[0,16]") "}", "need 4"},
        {"{\"a\":" T("\"F32\"", "[0]", "[0,16]") "}", "need 0"},
        {"{\"a\":" T("\"F32\"", "[5]", "[0,16]") "}", "need 20"},
        /* offsets */
        {"{\"a\":" T("\"F32\"", "[4]", "16") "}", "list of two integers"},
        {"{\"a\":" T("\"F32\"", "[4]", "null") "}", "list of two integers"},
        {"{\"a\":" T("\"F32\"", "[4]", "{}") "}", "list of two integers"},
        {"{\"a\":" T("\"F32\"", "[4]", "[]") "}", "list of two integers"},
        {"{\"a\":" T("\"F32\"", "[4]", "[16]") "}", "list of two integers"},
        {"{\"a\":" T("\"F32\"", "[4]", "[0,16,16]") "}", "list of two integers"},
        {"{\"a\":" T("\"F32\"", "[4]", "[0,16.0]") "}", "list of two integers"},
        {"{\"a\":" T("\"F32\"", "[4]", "[\"0\",16]") "}", "list of two integers"},
        {"{\"a\":" T("\"F32\"", "[4]", "[null,16]") "}", "list of two integers"},
        {"{\"a\":" T("\"F32\"", "[4]", "[-16,0]") "}", "-16 and 0 are no range"},
        {"{\"a\":" T("\"F32\"", "[4]", "[-1,15]") "}", "no range"},
        {"{\"a\":" T("\"F32\"", "[4]", "[16,0]") "}", "no range"},
        {"{\"a\":" T("\"F32\"", "[4]", "[-9223372036854775808,16]") "}", "no range"},
        {"{\"a\":" T("\"F32\"", "[4]", "[-9223372036854775808,-9223372036854775792]") "}", "no range"},
        {"{\"a\":" T("\"F32\"", "[4]", "[9223372036854775791,9223372036854775807]") "}", "holds only 16 bytes"},
        {"{\"a\":" T("\"F32\"", "[4]", "[0,18446744073709551616]") "}", "not valid JSON"},
        {"{\"a\":" T("\"F32\"", "[4]", "[1,17]") "}", "bytes end at 17, but the file holds only 16"},
        {"{\"a\":" T("\"F32\"", "[4]", "[16,32]") "}", "holds only 16"},
        {"{\"a\":" T("\"F32\"", "[4]", "[0,15]") "}", "span 15 bytes"},
        {"{\"a\":" T("\"F32\"", "[4]", "[0,0]") "}", "span 0 bytes"},
        /* holes and overlaps */
        {"{}", "16 bytes at the end of the file belong to no tensor"},
        {"{\"__metadata__\":{}}", "16 bytes at the end"},
        {"{\"a\":" T("\"F32\"", "[3]", "[0,12]") "}", "4 bytes at the end"},
        {"{\"a\":" T("\"F32\"", "[3]", "[4,16]") "}", "4 bytes of data before tensor \"a\""},
        {"{\"a\":" T("\"F32\"", "[0]", "[8,8]") "}", "8 bytes of data before tensor \"a\""},
        {"{\"a\":" T("\"F32\"", "[1]", "[0,4]") ",\"b\":" T("\"F32\"", "[2]", "[8,16]") "}", "4 bytes of data before"},
        {"{\"b\":" T("\"F32\"", "[3]", "[4,16]") ",\"a\":" T("\"F32\"", "[2]", "[0,8]") "}", "\"a\" and \"b\" overlap"},
        {"{\"a\":" GOOD ",\"b\":" GOOD "}", "\"a\" and \"b\" overlap"},
        {"{\"a\":" GOOD ",\"b\":" T("\"F32\"", "[1]", "[4,8]") "}", "\"a\" and \"b\" overlap"},
        {"{\"a\":" GOOD ",\"b\":" T("\"F32\"", "[0]", "[8,8]") "}", "\"a\" and \"b\" overlap"},
        {"{\"a\":" GOOD ",\"b\":" T("\"F32\"", "[1]", "[12,16]") "}", "\"a\" and \"b\" overlap"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(lay_out(cases[i].header, strlen(cases[i].header)), cases[i].part, cases[i].header);
    static const char good[] = "{\"a\":" GOOD "}";
    assert_refused(lay_out(good, sizeof good), "not valid JSON", "NUL behind the header");
}

/* Nesting by brackets, by objects, and within a value that is not looked at otherwise. */
static void deep_nesting(void **state)
{
    (void)state;
    static char header[20000];
    for (int depth = 1; depth < 10000; depth = depth * 3 + 1) {
        int used = sprintf(header, "{\"a\":");
        memset(header + used, '[', (size_t)depth);
        memset(header + used + depth, ']', (size_t)depth);
        header[used + 2 * depth] = '}';
        assert_refused(lay_out(header, (size_t)(used + 2 * depth + 1)), depth < 2000 ? "must be an object" : "depth",
                       "nested lists");
        assert_refused(lay_out(header, (size_t)(used + depth)), "not valid JSON", "open lists");
        used = 0;
        for (int i = 0; i < depth && used < 15000; i++) used += sprintf(header + used, "{\"a\":");
        assert_refused(lay_out(header, (size_t)used), "not valid JSON", "open objects");
    }
}

static void header_lengths(void **state)
{
    (void)state;
    static const char good[] = "{\"a\":" GOOD "}";
    size_t size = lay_out(good, sizeof good - 1);
    const uint64_t lengths[] = {0,         1,         2,         size - 8 - DATA_BYTES - 1, size - 8 - DATA_BYTES + 1,
                                size - 8,  size - 7,  size,      1000,                      99999999,
                                100000000, 100000001, 1u << 31,  0xFFFFFFFF,                (uint64_t)1 << 32,
                                INT64_MAX, (uint64_t)1 << 63, UINT64_MAX - 8, UINT64_MAX - 7, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memcpy(file_bytes, &lengths[i], 8);
        const char *part = lengths[i] > 100000000  ? "at most 100000000 are allowed"
                           : lengths[i] > size - 8 ? "ends within its header"
                           : lengths[i] == 0       ? "does not start"
                                                   : "not valid JSON";
        assert_refused(size, part, "header length");
    }
}

/* A small but complete file with checksum, in file_bytes; returns its size. */
static size_t checked_file(void)
{
    eff_st_writer *writer = NULL;
    const float weights[4] = {1, 2, 3, 4};
    const uint8_t bytes[3] = {1, 2, 3};
    assert_int_equal(eff_st_writer_new(&writer), EFF_OK);
    assert_int_equal(eff_st_writer_add(writer, "w", EFF_ST_F32, 2, (int64_t[]){2, 2}, weights), EFF_OK);
    assert_int_equal(eff_st_writer_add(writer, "b", EFF_ST_U8, 1, (int64_t[]){3}, bytes), EFF_OK);
    assert_int_equal(eff_st_writer_metadata(writer, "step", "1200"), EFF_OK);
    assert_int_equal(eff_st_writer_write(writer, in_scratch("checked"), true), EFF_OK);
    eff_st_writer_free(writer);
    return get_bytes(file_bytes, sizeof file_bytes, in_scratch("checked"));
}

static void truncation_anywhere(void **state)
{
    (void)state;
    size_t size = checked_file();
    assert_true(size > 250);
    for (size_t keep = 0; keep < size; keep++)
        assert_refused(keep, keep < 8 ? "no safetensors file" : "truncated", "truncation");
    assert_refused(size + 1, "1 bytes at the end", "a byte too many");
}

/* Every bit of the file: a flipped one is found on opening, by the checksum, or is in the checksum's own key. */
static void flipped_bits(void **state)
{
    (void)state;
    size_t size = checked_file();
    const char *path = in_scratch("flipped");
    int opened = 0, unmarked = 0;
    for (size_t bit = 0; bit < 8 * size; bit++) {
        file_bytes[bit / 8] ^= (char)(1 << bit % 8);
        put_bytes(path, file_bytes, size);
        file_bytes[bit / 8] ^= (char)(1 << bit % 8);
        eff_st_reader *reader = NULL;
        eff_status status = eff_st_reader_open(&reader, path);
        if (status == EFF_OK) {
            opened++;
            if (!eff_st_reader_metadata(reader, EFF_ST_CHECKSUM_KEY)) unmarked++;
            else status = eff_st_reader_verify(reader);
            eff_st_reader_close(reader);
            if (status == EFF_OK) continue;
            assert_contains(eff_message(), "checksum");
        }
        assert_int_equal(status, EFF_E_FORMAT);
        assert_contains(eff_message(), path);
    }
    assert_true(opened - unmarked > 19 * 8); /* the tensors' bytes at least */
    assert_true(unmarked < 8 * (int)sizeof "__metadata__:effv2.checksum");
}

static void a_damaged_checkpoint_is_named(void **state)
{
    (void)state;
    size_t size = checked_file();
    file_bytes[size - 1] ^= 1;
    const char *path = in_scratch("last.safetensors");
    put_bytes(path, file_bytes, size);
    eff_st_reader *reader = NULL;
    assert_int_equal(eff_st_reader_open(&reader, path), EFF_OK);
    assert_int_equal(eff_st_reader_verify(reader), EFF_E_FORMAT);
    assert_contains(eff_message(), "last.safetensors: the file is damaged or was edited: its checksum differs");
    eff_st_reader_close(reader);

    char *text = memmem(file_bytes, size, "\"xxh3-128:", 10);
    assert_non_null(text);
    text[1] = 'y'; /* another kind of checksum */
    put_bytes(path, file_bytes, size);
    assert_int_equal(eff_st_reader_open(&reader, path), EFF_OK);
    assert_int_equal(eff_st_reader_verify(reader), EFF_E_FORMAT);
    assert_contains(eff_message(), "its checksum cannot be used");
    eff_st_reader_close(reader);
}

/* Bytes are overwritten, removed and repeated at random; whatever still opens must lie within the file. */
static void random_damage(void **state)
{
    (void)state;
    static char original[FILE_ROOM];
    size_t size = checked_file();
    memcpy(original, file_bytes, size);
    eff_rng rng;
    eff_rng_start(&rng, 7, EFF_RNG_USER, 0, 0);
    for (int round = 0; round < 3000; round++) {
        memcpy(file_bytes, original, size);
        size_t now = size;
        for (int i = (int)eff_rng_below(&rng, 4); i >= 0; i--) {
            size_t at = (size_t)eff_rng_below(&rng, (int64_t)now), from = (size_t)eff_rng_below(&rng, (int64_t)now);
            size_t run = (size_t)eff_rng_below(&rng, 8);
            if (run > now - (at > from ? at : from)) continue;
            switch (eff_rng_below(&rng, 3)) {
            case 0: file_bytes[at] = "0123456789-.,:[]{}\"\\ eF"[eff_rng_below(&rng, 23)]; break;
            case 1: memmove(file_bytes + at, file_bytes + from, run); break;
            default: memmove(file_bytes + at, file_bytes + at + run, now - at - run), now -= run;
            }
        }
        const char *path = in_scratch("random");
        put_bytes(path, file_bytes, now);
        eff_st_reader *reader = NULL;
        if (eff_st_reader_open(&reader, path) != EFF_OK) {
            assert_contains(eff_message(), path);
            continue;
        }
        for (int64_t i = 0; i < eff_st_reader_count(reader); i++) {
            const eff_st_entry *entry = eff_st_reader_entry(reader, i);
            assert_true(entry->offset >= 8 && entry->bytes >= 0 && entry->offset + entry->bytes <= (int64_t)now);
        }
        eff_st_reader_close(reader);
    }
}

static void what_is_no_file(void **state)
{
    (void)state;
    eff_st_reader *reader = NULL;
    assert_int_equal(eff_st_reader_open(&reader, in_scratch("missing")), EFF_E_IO);
    assert_contains(eff_message(), "missing: cannot read: No such file");
    assert_int_equal(eff_st_reader_open(&reader, scratch), EFF_E_IO);
    assert_contains(eff_message(), "this is a folder");
    assert_int_equal(eff_st_reader_open(&reader, "/dev/zero"), EFF_E_IO);
    assert_contains(eff_message(), "device");
    assert_int_equal(mkfifo(in_scratch("pipe"), 0600), 0);
    assert_int_equal(eff_st_reader_open(&reader, in_scratch("pipe")), EFF_E_IO);
    assert_contains(eff_message(), "pipe");
    assert_null(reader);
}

static void a_file_that_shrinks_while_open(void **state)
{
    (void)state;
    size_t size = checked_file();
    const char *path = in_scratch("checked");
    eff_st_reader *reader = NULL;
    char bytes[16];
    assert_int_equal(eff_st_reader_open(&reader, path), EFF_OK);
    assert_int_equal(truncate(path, (off_t)size - 1), 0);
    assert_int_equal(eff_st_reader_read(bytes, reader, eff_st_reader_find(reader, "b")), EFF_E_FORMAT);
    assert_contains(eff_message(), "longer when it was opened");
    assert_int_equal(eff_st_reader_verify(reader), EFF_E_FORMAT);
    eff_st_reader_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_headers),
        cmocka_unit_test(deep_nesting),
        cmocka_unit_test(header_lengths),
        cmocka_unit_test(truncation_anywhere),
        cmocka_unit_test(flipped_bits),
        cmocka_unit_test(a_damaged_checkpoint_is_named),
        cmocka_unit_test(random_damage),
        cmocka_unit_test(what_is_no_file),
        cmocka_unit_test(a_file_that_shrinks_while_open),
    };
    return cmocka_run_group_tests_name("io damage", tests, scratch_setup, scratch_teardown);
}
