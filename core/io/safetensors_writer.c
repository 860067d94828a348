/* Writing safetensors files; see safetensors.h. */
#include "io/safetensors.h"

#include "io/checksum.h"
#include "io/file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define METADATA_KEY "__metadata__"
enum { PREFIX_BYTES = 8, DATA_ALIGNMENT = 64 };

typedef struct item {
    const char *name; /* a key of `names` */
    eff_st_dtype dtype;
    int ndim;
    int64_t shape[EFF_ST_MAX_NDIM];
    int64_t bytes;
    const void *data;
} item;

struct eff_st_writer {
    json_t *names;    /* object with each tensor's name as a key: owns them and finds duplicates */
    json_t *metadata; /* object: string to string */
    item *items;
    size_t count, room;
};

eff_status eff_st_writer_new(eff_st_writer **writer)
{
    eff_st_writer *w = calloc(1, sizeof *w);
    if (w) w->names = json_object();
    if (w) w->metadata = json_object();
    if (!w || !w->names || !w->metadata) {
        eff_st_writer_free(w);
        return eff_fail(EFF_E_MEMORY, "no memory to write a safetensors file");
    }
    *writer = w;
    return EFF_OK;
}

void eff_st_writer_free(eff_st_writer *writer)
{
    if (!writer) return;
    json_decref(writer->names);
    json_decref(writer->metadata);
    free(writer->items);
    free(writer);
}

/* Keeps a copy of the name; NULL if it is not UTF-8 or there is no memory. */
static const char *keep_name(eff_st_writer *writer, const char *name)
{
    if (json_object_set_new(writer->names, name, json_null()) != 0) return NULL;
    return json_object_iter_key(json_object_iter_at(writer->names, name));
}

static eff_status grow(eff_st_writer *writer)
{
    if (writer->count < writer->room) return EFF_OK;
    size_t room = writer->room ? 2 * writer->room : 64;
    item *larger = realloc(writer->items, room * sizeof *larger);
    if (!larger) return eff_fail(EFF_E_MEMORY, "no memory for %zu tensors of a safetensors file", room);
    writer->items = larger;
    writer->room = room;
    return EFF_OK;
}

eff_status eff_st_writer_add(eff_st_writer *writer, const char *name, eff_st_dtype dtype, int ndim,
                             const int64_t *shape, const void *data)
{
    if (!eff_st_dtype_writable(dtype))
        return eff_fail(EFF_E_TYPE, "tensor \"%.200s\": dtype %s cannot be written (F32, F64, I32, I64, U8 can)", name,
                        eff_st_dtype_name(dtype));
    if (strcmp(name, METADATA_KEY) == 0)
        return eff_fail(EFF_E_ARGUMENT, "a tensor cannot be named \"%s\": the format keeps this name", METADATA_KEY);
    if (json_object_get(writer->names, name))
        return eff_fail(EFF_E_ARGUMENT, "two tensors are named \"%.200s\": give each a name of its own", name);
    item new_item = {.dtype = dtype, .ndim = ndim, .data = data};
    eff_status status = eff_st_bytes(&new_item.bytes, dtype, ndim, shape);
    if (status != EFF_OK) return eff_fail_at(status, "tensor \"%.200s\"", name);
    EFF_TRY(grow(writer));
    new_item.name = keep_name(writer, name);
    if (!new_item.name)
        return eff_fail(EFF_E_ARGUMENT, "the tensor name \"%.200s\" is not valid UTF-8", name);
    for (int i = 0; i < ndim; i++) new_item.shape[i] = shape[i];
    writer->items[writer->count++] = new_item;
    return EFF_OK;
}

eff_status eff_st_writer_metadata(eff_st_writer *writer, const char *key, const char *value)
{
    if (strcmp(key, EFF_ST_CHECKSUM_KEY) == 0) return EFF_OK;
    if (json_object_set_new(writer->metadata, key, json_string(value)) != 0)
        return eff_fail(EFF_E_ARGUMENT, "the metadata \"%.200s\" is not valid UTF-8", key);
    return EFF_OK;
}

/* ---- the header ---- */

static int compare_items(const void *left, const void *right)
{
    const item *a = left, *b = right;
    if (a->dtype != b->dtype) return a->dtype > b->dtype ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int compare_keys(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* A copy of the metadata with sorted keys, and the checksum (all zeros for now) if it is wanted. */
static json_t *sorted_metadata(const eff_st_writer *writer, const char *checksum)
{
    json_t *all = json_copy(writer->metadata), *sorted = json_object();
    if (checksum) json_object_set_new(all, EFF_ST_CHECKSUM_KEY, json_string(checksum));
    size_t count = json_object_size(all), n = 0;
    const char **keys = malloc((count + 1) * sizeof *keys);
    if (keys) {
        for (void *at = json_object_iter(all); at; at = json_object_iter_next(all, at))
            keys[n++] = json_object_iter_key(at);
        qsort(keys, n, sizeof *keys, compare_keys);
        for (size_t i = 0; i < n; i++) json_object_set(sorted, keys[i], json_object_get(all, keys[i]));
    }
    bool complete = json_object_size(sorted) == json_object_size(writer->metadata) + (checksum ? 1 : 0);
    free(keys);
    json_decref(all);
    if (complete) return sorted;
    json_decref(sorted);
    return NULL;
}

/* NULL when there is no memory. */
static json_t *describe(const item *it, int64_t offset)
{
    json_t *shape = json_array();
    for (int i = 0; i < it->ndim; i++) json_array_append_new(shape, json_integer(it->shape[i]));
    if (json_array_size(shape) != (size_t)it->ndim) {
        json_decref(shape);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", eff_st_dtype_name(it->dtype), "shape", shape, "data_offsets",
                     (json_int_t)offset, (json_int_t)(offset + it->bytes));
}

/* The header as an object in the order of the file; NULL when there is no memory. */
static json_t *build_header(int64_t *data_bytes, const eff_st_writer *writer, const char *checksum)
{
    json_t *header = json_object(), *metadata = sorted_metadata(writer, checksum);
    bool complete = header && metadata;
    if (complete && json_object_size(metadata) > 0) complete = json_object_set(header, METADATA_KEY, metadata) == 0;
    json_decref(metadata);
    int64_t offset = 0;
    for (size_t i = 0; complete && i < writer->count; i++) {
        complete = json_object_set_new(header, writer->items[i].name, describe(&writer->items[i], offset)) == 0;
        offset += writer->items[i].bytes;
    }
    *data_bytes = offset;
    if (complete) return header;
    json_decref(header);
    return NULL;
}

/* A file up to its data: the header's length and its text, padded with spaces; released with free(). */
typedef struct lead {
    char *bytes;
    size_t size;
    int64_t data_bytes;
} lead;

static eff_status build_lead(lead *out, const eff_st_writer *writer, const char *checksum)
{
    json_t *header = build_header(&out->data_bytes, writer, checksum);
    size_t length = header ? json_dumpb(header, NULL, 0, JSON_COMPACT) : 0;
    out->size = (PREFIX_BYTES + length + DATA_ALIGNMENT - 1) / DATA_ALIGNMENT * DATA_ALIGNMENT;
    out->bytes = length ? malloc(out->size) : NULL;
    if (!out->bytes) {
        json_decref(header);
        return eff_fail(EFF_E_MEMORY, "no memory for the header of a safetensors file");
    }
    memset(out->bytes, ' ', out->size);
    json_dumpb(header, out->bytes + PREFIX_BYTES, length, JSON_COMPACT);
    json_decref(header);
    uint64_t padded = out->size - PREFIX_BYTES; /* little-endian, like every machine this runs on */
    memcpy(out->bytes, &padded, PREFIX_BYTES);
    if (padded <= EFF_ST_MAX_HEADER) return EFF_OK;
    free(out->bytes);
    return eff_fail(EFF_E_ARGUMENT, "a safetensors header of %llu bytes is too long: at most %d are allowed",
                    (unsigned long long)padded, EFF_ST_MAX_HEADER);
}

/* ---- the file ---- */

/* The checksum of the file as it is with zeros for digits. */
static eff_status compute_checksum(char text[EFF_CHECKSUM_LENGTH + 1], const eff_st_writer *writer)
{
    char zeros[EFF_CHECKSUM_LENGTH + 1] = EFF_CHECKSUM_PREFIX;
    memset(zeros + strlen(zeros), '0', EFF_CHECKSUM_DIGITS);
    lead start;
    EFF_TRY(build_lead(&start, writer, zeros));
    eff_checksum *checksum = eff_checksum_new();
    if (checksum) {
        eff_checksum_add(checksum, start.bytes, start.size);
        for (size_t i = 0; i < writer->count; i++)
            eff_checksum_add(checksum, writer->items[i].data, (size_t)writer->items[i].bytes);
        eff_checksum_text(text, checksum);
    }
    free(start.bytes);
    eff_checksum_free(checksum);
    return checksum ? EFF_OK : eff_fail(EFF_E_MEMORY, "no memory for the checksum of a safetensors file");
}

static eff_status write_content(eff_atomic_file *file, const eff_st_writer *writer, const lead *start)
{
    EFF_TRY(eff_atomic_file_write(file, start->bytes, start->size));
    for (size_t i = 0; i < writer->count; i++)
        EFF_TRY(eff_atomic_file_write(file, writer->items[i].data, (size_t)writer->items[i].bytes));
    return EFF_OK;
}

static eff_status write_file(const eff_st_writer *writer, const char *path, const lead *start)
{
    eff_atomic_file *file = NULL;
    EFF_TRY(eff_atomic_file_begin(&file, path, (int64_t)start->size + start->data_bytes));
    eff_status status = write_content(file, writer, start);
    if (status == EFF_OK) return eff_atomic_file_commit(file);
    eff_atomic_file_abort(file);
    return status;
}

eff_status eff_st_writer_write(eff_st_writer *writer, const char *path, bool checksum)
{
    if (writer->count > 1) qsort(writer->items, writer->count, sizeof *writer->items, compare_items);
    char text[EFF_CHECKSUM_LENGTH + 1];
    if (checksum) EFF_TRY(compute_checksum(text, writer));
    lead start;
    EFF_TRY(build_lead(&start, writer, checksum ? text : NULL));
    eff_status status = write_file(writer, path, &start);
    free(start.bytes);
    return status;
}
