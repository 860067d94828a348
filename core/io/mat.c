/* Reading MATLAB's files of version 5; see mat.h.
 *
 * A file is a header of 128 bytes and elements. An element is a tag (type, bytes) and its data, padded to 8 bytes, or
 * both in 8 bytes; an array is an element of elements; a compressed element holds another one, packed by zlib. */
#include "io/mat.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "io/file.h"

enum { HEADER = 128, TAG = 8, MAX_BYTES = 1 << 26, MAX_DEPTH = 16, MAX_DIMENSIONS = 32, MAX_FIELD_NAME = 64 };

enum { /* types of elements */
    INT8 = 1, UINT8, INT16, UINT16, INT32, UINT32, SINGLE, DOUBLE = 9, INT64 = 12, UINT64, MATRIX, COMPRESSED, UTF8,
    UTF16
};

enum { CLASS_CELL = 1, CLASS_STRUCT = 2, CLASS_CHAR = 4, CLASS_DOUBLE = 6, CLASS_UINT64 = 15, FLAG_COMPLEX = 0x800 };

typedef struct bytes {
    const uint8_t *at;
    size_t left;
} bytes;

typedef struct element {
    uint32_t type;
    bytes data;
} element;

static eff_status damaged(const char *what) { return eff_fail(EFF_E_FORMAT, "damaged MAT-file: %s", what); }

static eff_status no_memory(void) { return eff_fail(EFF_E_MEMORY, "no memory for the arrays of a MAT-file"); }

/* ---- Elements ---- */

static uint64_t number_of(const uint8_t *at, int size) /* little-endian */
{
    uint64_t value = 0;
    for (int i = size; i-- > 0;) value = value << 8 | at[i];
    return value;
}

static void skip(bytes *in, size_t count)
{
    if (count > in->left) count = in->left; /* the padding of the last one may be missing */
    in->at += count;
    in->left -= count;
}

static eff_status take_element(element *out, bytes *in)
{
    if (in->left < TAG) return damaged("it ends inside of an element");
    uint32_t first = (uint32_t)number_of(in->at, 4);
    if (first >> 16) { /* tag and data in 8 bytes */
        *out = (element){first & 0xFFFF, {in->at + 4, first >> 16}};
        if (out->data.left > 4) return damaged("a small element of more than 4 bytes");
        skip(in, TAG);
        return EFF_OK;
    }
    size_t size = (size_t)number_of(in->at + 4, 4);
    *out = (element){first, {in->at + TAG, size}};
    if (size > in->left - TAG) return damaged("it ends inside of an element");
    skip(in, TAG + (first == COMPRESSED ? size : (size + 7) / 8 * 8));
    return EFF_OK;
}

static eff_status take_of_type(element *out, bytes *in, uint32_t type, const char *what)
{
    EFF_TRY(take_element(out, in));
    return out->type == type ? EFF_OK : damaged(what);
}

static int size_of_type(uint32_t type)
{
    static const int sizes[] = {[INT8] = 1, [UINT8] = 1, [INT16] = 2, [UINT16] = 2, [INT32] = 4, [UINT32] = 4,
                                [SINGLE] = 4, [DOUBLE] = 8, [INT64] = 8, [UINT64] = 8};
    return type <= UINT64 ? sizes[type] : 0;
}

static double value_of(const uint8_t *at, uint32_t type)
{
    uint64_t raw = number_of(at, size_of_type(type));
    uint32_t half = (uint32_t)raw;
    float single;
    double value;
    switch (type) {
    case INT8: return (int8_t)raw;
    case INT16: return (int16_t)raw;
    case INT32: return (int32_t)raw;
    case INT64: return (double)(int64_t)raw;
    case SINGLE: memcpy(&single, &half, sizeof single); return (double)single;
    case DOUBLE: memcpy(&value, &raw, sizeof value); return value;
    default: return (double)raw;
    }
}

/* ---- Arrays ---- */

static eff_status read_array(eff_mat_array *out, bytes in, int depth);

/* Numbers may be stored in a type that is smaller than their class. */
static eff_status read_numbers(eff_mat_array *out, bytes in)
{
    element e;
    EFF_TRY(take_element(&e, &in));
    int size = size_of_type(e.type);
    if (size == 0) return damaged("numbers of no numeric type");
    if (e.data.left % (size_t)size || (uint64_t)out->count != e.data.left / (size_t)size)
        return damaged("not as many numbers as the dimensions say");
    out->numbers = malloc(((size_t)out->count + 1) * sizeof *out->numbers);
    if (!out->numbers) return no_memory();
    for (int64_t i = 0; i < out->count; i++) out->numbers[i] = value_of(e.data.at + i * size, e.type);
    return EFF_OK;
}

/* Appends a character below 2^16 as UTF-8. */
static char *put_character(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
        return out;
    }
    if (c < 0x800) {
        *out++ = (char)(0xC0 | c >> 6);
    } else {
        *out++ = (char)(0xE0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
    }
    *out++ = (char)(0x80 | (c & 0x3F));
    return out;
}

static eff_status read_text(eff_mat_array *out, bytes in, bool one_row)
{
    element e;
    EFF_TRY(take_element(&e, &in));
    size_t size = e.type == UINT16 || e.type == UTF16 ? 2 : e.type == INT8 || e.type == UINT8 || e.type == UTF8 ? 1 : 0;
    if (size == 0) return damaged("a text of an unknown type");
    size_t count = e.data.left / size;
    if (e.data.left % size || (e.type == UTF8 ? count < (uint64_t)out->count : count != (uint64_t)out->count))
        return damaged("not as many characters as the dimensions say");
    if (!one_row) return damaged("a text of several rows");
    char *end = out->text = malloc(3 * count + 1);
    if (!end) return no_memory();
    for (size_t i = 0; i < count; i++) {
        uint32_t c = (uint32_t)number_of(e.data.at + i * size, (int)size);
        if (c == 0 || (c >= 0xD800 && c < 0xE000)) return damaged("a text with an impossible character");
        if (e.type == UTF8) *end++ = (char)c;
        else end = put_character(end, c);
    }
    *end = '\0';
    return EFF_OK;
}

/* `count` arrays, one after the other. */
static eff_status read_items(eff_mat_array *out, bytes in, uint64_t count, int depth)
{
    if (count > in.left / TAG) return damaged("it ends inside of an array of arrays");
    out->items = calloc((size_t)count + 1, sizeof *out->items);
    if (!out->items) return no_memory();
    for (uint64_t i = 0; i < count; i++) {
        element e;
        EFF_TRY(take_of_type(&e, &in, MATRIX, "something in a cell or field that is no array"));
        EFF_TRY(read_array(&out->items[i], e.data, depth + 1));
    }
    return EFF_OK;
}

static eff_status read_field_names(eff_mat_array *out, bytes *in)
{
    element e;
    EFF_TRY(take_of_type(&e, in, INT32, "a structure without the length of its field names"));
    size_t length = e.data.left == 4 ? (size_t)number_of(e.data.at, 4) : 0;
    if (length < 1 || length > MAX_FIELD_NAME) return damaged("field names of an impossible length");
    EFF_TRY(take_of_type(&e, in, INT8, "a structure without field names"));
    if (e.data.left % length) return damaged("field names that end too early");
    size_t count = e.data.left / length;
    out->fields = calloc(count + 1, sizeof *out->fields);
    if (!out->fields) return no_memory();
    for (size_t i = 0; i < count; i++) {
        out->fields[i] = strndup((const char *)e.data.at + i * length, length);
        if (!out->fields[i]) return no_memory();
        out->field_count = (int)i + 1;
    }
    return EFF_OK;
}

static eff_status read_structures(eff_mat_array *out, bytes in, int depth)
{
    EFF_TRY(read_field_names(out, &in));
    if (out->field_count && out->count > MAX_BYTES / out->field_count)
        return damaged("more structures than it has bytes");
    return read_items(out, in, (uint64_t)out->count * (uint64_t)out->field_count, depth);
}

/* The number of elements; *one_row when all but one dimension are 1, or none is left. */
static eff_status read_dimensions(int64_t *count, bool *one_row, bytes *in)
{
    element e;
    EFF_TRY(take_of_type(&e, in, INT32, "an array without dimensions"));
    size_t n = e.data.left / 4;
    if (n < 2 || n > MAX_DIMENSIONS || e.data.left % 4) return damaged("an impossible number of dimensions");
    *count = 1;
    for (size_t i = 0; i < n; i++) {
        int64_t side = (int32_t)number_of(e.data.at + 4 * i, 4);
        if (side < 0 || (side > 0 && *count > MAX_BYTES / side)) return damaged("dimensions beyond its size");
        *count *= side;
    }
    *one_row = *count == 0 || number_of(e.data.at, 4) == 1;
    return EFF_OK;
}

static eff_status read_array(eff_mat_array *out, bytes in, int depth)
{
    element e;
    bool one_row = true;
    out->kind = EFF_MAT_NUMBERS;
    if (in.left == 0) return EFF_OK; /* [], which has no more than its tag */
    if (depth > MAX_DEPTH) return damaged("arrays nested too deeply");
    EFF_TRY(take_of_type(&e, &in, UINT32, "an array without flags"));
    if (e.data.left != 8) return damaged("flags of a wrong size");
    uint32_t flags = (uint32_t)number_of(e.data.at, 4), class = flags & 0xFF;
    out->kind = class == CLASS_CELL                                                               ? EFF_MAT_CELL
                : class == CLASS_STRUCT                                                           ? EFF_MAT_STRUCT
                : class == CLASS_CHAR                                                             ? EFF_MAT_TEXT
                : class >= CLASS_DOUBLE && class <= CLASS_UINT64 && !(flags & FLAG_COMPLEX) ? EFF_MAT_NUMBERS
                                                                                                  : EFF_MAT_OTHER;
    if (out->kind == EFF_MAT_OTHER) return EFF_OK;
    EFF_TRY(read_dimensions(&out->count, &one_row, &in));
    EFF_TRY(take_of_type(&e, &in, INT8, "an array without a name"));
    out->name = strndup((const char *)e.data.at, e.data.left);
    if (!out->name) return no_memory();
    switch (out->kind) {
    case EFF_MAT_CELL: return read_items(out, in, (uint64_t)out->count, depth);
    case EFF_MAT_STRUCT: return read_structures(out, in, depth);
    case EFF_MAT_TEXT: return read_text(out, in, one_row);
    default: return read_numbers(out, in);
    }
}

static void free_array(eff_mat_array *a)
{
    int64_t items = !a->items ? 0 : a->kind == EFF_MAT_STRUCT ? a->count * a->field_count : a->count;
    for (int64_t i = 0; i < items; i++) free_array(&a->items[i]);
    for (int i = 0; i < a->field_count; i++) free(a->fields[i]);
    free(a->fields);
    free(a->items);
    free(a->numbers);
    free(a->text);
    free(a->name);
}

/* ---- Files ---- */

/* Unpacks a compressed element into *out (released with free()), of at most *budget bytes, which become fewer. */
static eff_status unpack(uint8_t **out, size_t *size, bytes in, size_t *budget)
{
    z_stream stream = {.next_in = (Bytef *)in.at, .avail_in = (uInt)in.left};
    size_t room = 0;
    int result = inflateInit(&stream);
    *out = NULL;
    while (result == Z_OK) {
        room = room ? 2 * room : 4 * in.left + 64;
        uint8_t *larger = room <= 2 * (size_t)MAX_BYTES ? realloc(*out, room) : NULL;
        if (!larger) break;
        *out = larger;
        stream.next_out = larger + stream.total_out;
        stream.avail_out = (uInt)(room - stream.total_out);
        result = inflate(&stream, Z_NO_FLUSH);
    }
    *size = stream.total_out;
    inflateEnd(&stream);
    if (result == Z_STREAM_END && *size <= *budget) {
        *budget -= *size;
        return EFF_OK;
    }
    free(*out);
    *out = NULL;
    if (result == Z_STREAM_END || result == Z_OK)
        return eff_fail(EFF_E_FORMAT, "a MAT-file of more than %d bytes when unpacked", MAX_BYTES);
    return result == Z_MEM_ERROR ? no_memory() : damaged("a compressed array cannot be unpacked");
}

static eff_status add_variable(eff_mat *mat, bytes in)
{
    eff_mat_array *longer = realloc(mat->variables, ((size_t)mat->count + 1) * sizeof *longer);
    if (!longer) return no_memory();
    mat->variables = longer;
    longer[mat->count] = (eff_mat_array){0};
    return read_array(&longer[mat->count++], in, 0);
}

static eff_status read_variable(eff_mat *mat, const element *e, size_t *budget)
{
    if (e->type == MATRIX) return add_variable(mat, e->data);
    if (e->type != COMPRESSED) return damaged("something beside the arrays");
    uint8_t *unpacked;
    bytes in;
    element inner;
    EFF_TRY(unpack(&unpacked, &in.left, e->data, budget));
    in.at = unpacked;
    eff_status status = take_of_type(&inner, &in, MATRIX, "a compressed element that is no array");
    if (status == EFF_OK) status = add_variable(mat, inner.data);
    free(unpacked);
    return status;
}

static eff_status check_header(bytes *in)
{
    const uint8_t *end = in->at + HEADER - 4;
    if (in->left < HEADER) return eff_fail(EFF_E_FORMAT, "no MAT-file (it has %zu bytes, a header has 128)", in->left);
    if (memcmp(end + 2, "MI", 2) == 0) return eff_fail(EFF_E_FORMAT, "a big-endian MAT-file, which is not read");
    if (memcmp(end + 2, "IM", 2) != 0) return eff_fail(EFF_E_FORMAT, "no MAT-file of version 5");
    if (end[1] != 1)
        return eff_fail(EFF_E_FORMAT, "a MAT-file of version %d.%d; only version 5 is read (save it with -v7)", end[1],
                        end[0]);
    skip(in, HEADER);
    return EFF_OK;
}

static eff_status read_all(eff_mat *mat, bytes in)
{
    size_t budget = MAX_BYTES;
    EFF_TRY(check_header(&in));
    while (in.left > 0) {
        element e;
        EFF_TRY(take_element(&e, &in));
        EFF_TRY(read_variable(mat, &e, &budget));
    }
    return EFF_OK;
}

eff_status eff_mat_read(eff_mat *mat, const char *path)
{
    char *data;
    size_t size;
    *mat = (eff_mat){0};
    EFF_TRY(eff_file_read(&data, &size, path, MAX_BYTES));
    eff_status status = read_all(mat, (bytes){(const uint8_t *)data, size});
    free(data);
    if (status == EFF_OK) return EFF_OK;
    eff_mat_free(mat);
    return eff_fail_at(status, "%s", path);
}

void eff_mat_free(eff_mat *mat)
{
    for (int i = 0; i < mat->count; i++) free_array(&mat->variables[i]);
    free(mat->variables);
    *mat = (eff_mat){0};
}

const eff_mat_array *eff_mat_variable(const eff_mat *mat, const char *name)
{
    for (int i = 0; i < mat->count; i++)
        if (mat->variables[i].name && strcmp(mat->variables[i].name, name) == 0) return &mat->variables[i];
    return NULL;
}

const eff_mat_array *eff_mat_field(const eff_mat_array *array, int64_t index, const char *field)
{
    for (int i = 0; array->kind == EFF_MAT_STRUCT && i < array->field_count; i++)
        if (strcmp(array->fields[i], field) == 0) return &array->items[index * array->field_count + i];
    return NULL;
}
