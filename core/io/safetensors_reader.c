/* Reading safetensors files; see safetensors.h. */
#define _GNU_SOURCE
#include "io/safetensors.h"

#include "base/pool.h"
#include "io/checksum.h"
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define METADATA_KEY "__metadata__"
enum { PREFIX_BYTES = 8, VERIFY_BYTES = 1 << 20, CONVERT_ELEMENTS = 4096 };

struct eff_st_reader {
    int fd;
    char *path;
    int64_t file_bytes, data_start;
    json_t *header;   /* owns all names and metadata texts */
    json_t *metadata; /* borrowed from header; NULL if there is none */
    int64_t count;
    eff_st_entry *entries; /* by place in the file */
    const eff_st_entry **by_name;
};

/* ---- bytes ---- */

static eff_status read_at(void *out, const eff_st_reader *reader, int64_t offset, int64_t bytes)
{
    char *next = out;
    while (bytes > 0) {
        ssize_t got = pread(reader->fd, next, bytes < INT_MAX ? (size_t)bytes : INT_MAX, offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return eff_fail_errno(reader->path, "read", errno);
        if (got == 0)
            return eff_fail(EFF_E_FORMAT, "%s: the file ends at byte %lld, it was longer when it was opened",
                            reader->path, (long long)offset);
        next += got;
        offset += got;
        bytes -= got;
    }
    return EFF_OK;
}

static eff_status open_file(eff_st_reader *reader)
{
    struct stat info;
    reader->fd = open(reader->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to wait for the writer of a pipe */
    if (reader->fd < 0 || fstat(reader->fd, &info) != 0) return eff_fail_errno(reader->path, "read", errno);
    if (!S_ISREG(info.st_mode))
        return eff_fail(EFF_E_IO, "%s: cannot read: this is a %s, a safetensors file is needed", reader->path,
                        S_ISDIR(info.st_mode) ? "folder" : "device or pipe");
    reader->file_bytes = info.st_size;
    return EFF_OK;
}

/* ---- the header ---- */

static eff_status read_header_length(uint64_t *length, const eff_st_reader *reader)
{
    unsigned char prefix[PREFIX_BYTES];
    if (reader->file_bytes < PREFIX_BYTES)
        return eff_fail(EFF_E_FORMAT,
                        "%s: no safetensors file: it holds %lld bytes, its header's length alone takes %d",
                        reader->path, (long long)reader->file_bytes, PREFIX_BYTES);
    EFF_TRY(read_at(prefix, reader, 0, PREFIX_BYTES));
    *length = 0;
    for (int i = 0; i < PREFIX_BYTES; i++) *length |= (uint64_t)prefix[i] << 8 * i;
    if (*length > EFF_ST_MAX_HEADER)
        return eff_fail(EFF_E_FORMAT,
                        "%s: no safetensors file: its header would be %llu bytes long, at most %d are allowed",
                        reader->path, (unsigned long long)*length, EFF_ST_MAX_HEADER);
    if (*length > (uint64_t)(reader->file_bytes - PREFIX_BYTES))
        return eff_fail(EFF_E_FORMAT,
                        "%s: the file ends within its header: %llu bytes announced, %lld there (truncated file?)",
                        reader->path, (unsigned long long)*length, (long long)reader->file_bytes - PREFIX_BYTES);
    return EFF_OK;
}

/* The header's text, in memory from the pool. */
static eff_status read_header_text(char **text, uint64_t *length, const eff_st_reader *reader)
{
    EFF_TRY(read_header_length(length, reader));
    char *buffer = eff_pool_alloc(*length);
    if (!buffer)
        return eff_fail(EFF_E_MEMORY, "%s: no memory for a header of %llu bytes", reader->path,
                        (unsigned long long)*length);
    eff_status status = read_at(buffer, reader, PREFIX_BYTES, (int64_t)*length);
    if (status != EFF_OK) {
        eff_pool_free(buffer);
        return status;
    }
    *text = buffer;
    return EFF_OK;
}

static eff_status parse_header(eff_st_reader *reader)
{
    char *text;
    uint64_t length;
    json_error_t error;
    EFF_TRY(read_header_text(&text, &length, reader));
    eff_status status = EFF_OK;
    if (length == 0 || text[0] != '{')
        status = eff_fail(EFF_E_FORMAT, "%s: no safetensors file: its header does not start with '{'", reader->path);
    else if ((reader->header = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error)) == NULL)
        status = eff_fail(json_error_code(&error) == json_error_out_of_memory ? EFF_E_MEMORY : EFF_E_FORMAT,
                          "%s: the header is not valid JSON: %s (byte %d of the header)", reader->path, error.text,
                          error.position);
    eff_pool_free(text);
    reader->data_start = PREFIX_BYTES + (int64_t)length;
    return status;
}

static eff_status check_metadata(eff_st_reader *reader)
{
    reader->metadata = json_object_get(reader->header, METADATA_KEY);
    if (!reader->metadata) return EFF_OK;
    if (!json_is_object(reader->metadata))
        return eff_fail(EFF_E_FORMAT, "%s: %s in the header must be an object of strings", reader->path, METADATA_KEY);
    const char *key;
    json_t *value;
    json_object_foreach(reader->metadata, key, value)
    {
        if (!json_is_string(value))
            return eff_fail(EFF_E_FORMAT, "%s: the metadata \"%.200s\" must be a string", reader->path, key);
    }
    return EFF_OK;
}

/* ---- one entry; error texts here are completed with the file's and the tensor's name by the caller ---- */

static eff_status parse_dtype(eff_st_entry *entry, const json_t *value)
{
    if (!json_is_string(value)) return eff_fail(EFF_E_FORMAT, "\"dtype\" must be a string such as \"F32\"");
    for (int i = 0; i < EFF_ST_DTYPES; i++) {
        if (strcmp(eff_st_dtype_name(i), json_string_value(value)) != 0) continue;
        entry->dtype = i;
        return EFF_OK;
    }
    return eff_fail(EFF_E_FORMAT, "unknown dtype \"%.40s\"", json_string_value(value));
}

static eff_status parse_shape(eff_st_entry *entry, const json_t *value)
{
    if (!json_is_array(value)) return eff_fail(EFF_E_FORMAT, "\"shape\" must be a list of integers");
    size_t ndim = json_array_size(value);
    if (ndim > EFF_ST_MAX_NDIM)
        return eff_fail(EFF_E_FORMAT, "the shape has %zu dimensions, at most %d are supported", ndim, EFF_ST_MAX_NDIM);
    entry->ndim = (int)ndim;
    entry->count = 1;
    for (int i = 0; i < entry->ndim; i++) {
        const json_t *dimension = json_array_get(value, (size_t)i);
        if (!json_is_integer(dimension)) return eff_fail(EFF_E_FORMAT, "\"shape\" must be a list of integers");
        entry->shape[i] = json_integer_value(dimension);
    }
    if (eff_st_bytes(&entry->bytes, entry->dtype, entry->ndim, entry->shape) != EFF_OK) return EFF_E_FORMAT;
    for (int i = 0; i < entry->ndim; i++) entry->count *= entry->shape[i];
    return EFF_OK;
}

static eff_status parse_offsets(eff_st_entry *entry, const json_t *value, const eff_st_reader *reader)
{
    const json_t *first = json_array_get(value, 0), *second = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !json_is_integer(first) || !json_is_integer(second))
        return eff_fail(EFF_E_FORMAT, "\"data_offsets\" must be a list of two integers");
    int64_t begin = json_integer_value(first), end = json_integer_value(second);
    int64_t available = reader->file_bytes - reader->data_start;
    if (begin < 0 || begin > end)
        return eff_fail(EFF_E_FORMAT, "the offsets %lld and %lld are no range of bytes", (long long)begin,
                        (long long)end);
    if (end > available)
        return eff_fail(EFF_E_FORMAT,
                        "its bytes end at %lld, but the file holds only %lld bytes of data (truncated file?)",
                        (long long)end, (long long)available);
    if (end - begin != entry->bytes)
        return eff_fail(EFF_E_FORMAT, "the offsets span %lld bytes, its dtype and shape need %lld",
                        (long long)(end - begin), (long long)entry->bytes);
    entry->offset = reader->data_start + begin;
    return EFF_OK;
}

static eff_status parse_entry(eff_st_entry *entry, const char *name, const json_t *value, const eff_st_reader *reader)
{
    if (!json_is_object(value)) return eff_fail(EFF_E_FORMAT, "its description must be an object");
    entry->name = name;
    EFF_TRY(parse_dtype(entry, json_object_get(value, "dtype")));
    EFF_TRY(parse_shape(entry, json_object_get(value, "shape")));
    return parse_offsets(entry, json_object_get(value, "data_offsets"), reader);
}

/* ---- all entries ---- */

static eff_status parse_entries(eff_st_reader *reader)
{
    size_t count = json_object_size(reader->header) - (reader->metadata ? 1 : 0);
    reader->entries = calloc(count + 1, sizeof *reader->entries);
    reader->by_name = calloc(count + 1, sizeof *reader->by_name);
    if (!reader->entries || !reader->by_name)
        return eff_fail(EFF_E_MEMORY, "%s: no memory for %zu entries", reader->path, count);
    const char *name;
    json_t *value;
    json_object_foreach(reader->header, name, value)
    {
        if (value == reader->metadata) continue;
        eff_status status = parse_entry(&reader->entries[reader->count++], name, value, reader);
        if (status != EFF_OK) return eff_fail_at(status, "%s: tensor \"%.200s\"", reader->path, name);
    }
    return EFF_OK;
}

static int compare_places(const void *left, const void *right)
{
    const eff_st_entry *a = left, *b = right;
    if (a->offset != b->offset) return a->offset < b->offset ? -1 : 1;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp((*(const eff_st_entry *const *)left)->name, (*(const eff_st_entry *const *)right)->name);
}

static void sort_entries(eff_st_reader *reader)
{
    qsort(reader->entries, (size_t)reader->count, sizeof *reader->entries, compare_places);
    for (int64_t i = 0; i < reader->count; i++) reader->by_name[i] = &reader->entries[i];
    qsort(reader->by_name, (size_t)reader->count, sizeof *reader->by_name, compare_names);
}

/* Each byte of the data belongs to exactly one tensor. */
static eff_status check_coverage(const eff_st_reader *reader)
{
    int64_t end = reader->data_start;
    for (int64_t i = 0; i < reader->count; i++) {
        const eff_st_entry *entry = &reader->entries[i];
        if (entry->offset > end)
            return eff_fail(EFF_E_FORMAT, "%s: %lld bytes of data before tensor \"%.200s\" belong to no tensor",
                            reader->path, (long long)(entry->offset - end), entry->name);
        if (entry->offset < end)
            return eff_fail(EFF_E_FORMAT, "%s: the bytes of the tensors \"%.200s\" and \"%.200s\" overlap",
                            reader->path, reader->entries[i - 1].name, entry->name);
        end = entry->offset + entry->bytes;
    }
    if (end != reader->file_bytes)
        return eff_fail(EFF_E_FORMAT, "%s: %lld bytes at the end of the file belong to no tensor", reader->path,
                        (long long)(reader->file_bytes - end));
    return EFF_OK;
}

static eff_status load_header(eff_st_reader *reader)
{
    EFF_TRY(open_file(reader));
    EFF_TRY(parse_header(reader));
    EFF_TRY(check_metadata(reader));
    EFF_TRY(parse_entries(reader));
    sort_entries(reader);
    return check_coverage(reader);
}

eff_status eff_st_reader_open(eff_st_reader **reader, const char *path)
{
    eff_st_reader *r = calloc(1, sizeof *r);
    if (!r) return eff_fail(EFF_E_MEMORY, "%s: no memory", path);
    r->fd = -1;
    r->path = strdup(path);
    eff_status status = r->path ? load_header(r) : eff_fail(EFF_E_MEMORY, "%s: no memory", path);
    if (status != EFF_OK) {
        eff_st_reader_close(r);
        return status;
    }
    *reader = r;
    return EFF_OK;
}

void eff_st_reader_close(eff_st_reader *reader)
{
    if (!reader) return;
    if (reader->fd >= 0) close(reader->fd);
    json_decref(reader->header);
    free(reader->entries);
    free(reader->by_name);
    free(reader->path);
    free(reader);
}

/* ---- looking things up ---- */

int64_t eff_st_reader_count(const eff_st_reader *reader) { return reader->count; }

const eff_st_entry *eff_st_reader_entry(const eff_st_reader *reader, int64_t i) { return &reader->entries[i]; }

const eff_st_entry *eff_st_reader_find(const eff_st_reader *reader, const char *name)
{
    const eff_st_entry wanted = {.name = name}, *key = &wanted;
    const eff_st_entry **found =
        bsearch(&key, reader->by_name, (size_t)reader->count, sizeof *reader->by_name, compare_names);
    return found ? *found : NULL;
}

const char *eff_st_reader_metadata(const eff_st_reader *reader, const char *key)
{
    return json_string_value(json_object_get(reader->metadata, key));
}

int64_t eff_st_reader_metadata_count(const eff_st_reader *reader)
{
    return (int64_t)json_object_size(reader->metadata);
}

void eff_st_reader_metadata_pair(const char **key, const char **value, const eff_st_reader *reader, int64_t i)
{
    void *at = json_object_iter(reader->metadata);
    while (i-- > 0) at = json_object_iter_next(reader->metadata, at);
    *key = json_object_iter_key(at);
    *value = json_string_value(json_object_iter_value(at));
}

/* ---- reading tensors ---- */

static eff_status check_readable(const eff_st_reader *reader, const eff_st_entry *entry)
{
    if (eff_st_dtype_readable(entry->dtype)) return EFF_OK;
    return eff_fail(EFF_E_TYPE,
                    "%s: tensor \"%.200s\" has dtype %s, which effv2 does not support "
                    "(it reads F32, F64, F16, BF16, I32, I64, U8)",
                    reader->path, entry->name, eff_st_dtype_name(entry->dtype));
}

eff_status eff_st_reader_read(void *out, const eff_st_reader *reader, const eff_st_entry *entry)
{
    EFF_TRY(check_readable(reader, entry));
    return read_at(out, reader, entry->offset, entry->bytes);
}

static void convert_chunk(float *out, const void *raw, eff_st_dtype dtype, int64_t n)
{
    if (dtype == EFF_ST_F16) eff_f32_from_f16(out, raw, n);
    else if (dtype == EFF_ST_BF16) eff_f32_from_bf16(out, raw, n);
    else
        for (int64_t i = 0; i < n; i++) out[i] = (float)((const double *)raw)[i];
}

eff_status eff_st_reader_read_f32(float *out, const eff_st_reader *reader, const eff_st_entry *entry)
{
    EFF_TRY(check_readable(reader, entry));
    if (entry->dtype == EFF_ST_F32) return read_at(out, reader, entry->offset, entry->bytes);
    if (entry->dtype != EFF_ST_F16 && entry->dtype != EFF_ST_BF16 && entry->dtype != EFF_ST_F64)
        return eff_fail(EFF_E_TYPE, "%s: tensor \"%.200s\" holds integers (%s), floating-point numbers are needed",
                        reader->path, entry->name, eff_st_dtype_name(entry->dtype));
    double raw[CONVERT_ELEMENTS];
    int64_t item = entry->count ? entry->bytes / entry->count : 0;
    for (int64_t i = 0; i < entry->count; i += CONVERT_ELEMENTS) {
        int64_t n = entry->count - i < CONVERT_ELEMENTS ? entry->count - i : CONVERT_ELEMENTS;
        EFF_TRY(read_at(raw, reader, entry->offset + i * item, n * item));
        convert_chunk(out + i, raw, entry->dtype, n);
    }
    return EFF_OK;
}

/* ---- the checksum ---- */

/* Sets the digits of the checksum in the header's text to zeros, as they were when it was computed. */
static bool clear_digits(char *header, uint64_t length)
{
    static const char lead[] = "\"" EFF_ST_CHECKSUM_KEY "\":\"" EFF_CHECKSUM_PREFIX;
    char *found = memmem(header, length, lead, sizeof lead - 1);
    if (!found) return false;
    char *digits = found + sizeof lead - 1;
    if ((uint64_t)(digits - header) + EFF_CHECKSUM_DIGITS > length) return false;
    memset(digits, '0', EFF_CHECKSUM_DIGITS);
    return true;
}

static eff_status add_header(eff_checksum *checksum, const eff_st_reader *reader)
{
    char *text;
    uint64_t length;
    EFF_TRY(read_header_text(&text, &length, reader));
    eff_status status = EFF_OK;
    if (!clear_digits(text, length))
        status = eff_fail(EFF_E_FORMAT, "%s: its checksum cannot be used: another program rewrote the header",
                          reader->path);
    uint64_t prefix = length; /* little-endian, like every machine this runs on */
    eff_checksum_add(checksum, &prefix, sizeof prefix);
    eff_checksum_add(checksum, text, length);
    eff_pool_free(text);
    return status;
}

static eff_status add_data(eff_checksum *checksum, const eff_st_reader *reader)
{
    char *buffer = eff_pool_alloc(VERIFY_BYTES);
    if (!buffer) return eff_fail(EFF_E_MEMORY, "%s: no memory to verify its checksum", reader->path);
    eff_status status = EFF_OK;
    for (int64_t at = reader->data_start; status == EFF_OK && at < reader->file_bytes; at += VERIFY_BYTES) {
        int64_t bytes = reader->file_bytes - at < VERIFY_BYTES ? reader->file_bytes - at : VERIFY_BYTES;
        status = read_at(buffer, reader, at, bytes);
        if (status == EFF_OK) eff_checksum_add(checksum, buffer, (size_t)bytes);
    }
    eff_pool_free(buffer);
    return status;
}

eff_status eff_st_reader_verify(const eff_st_reader *reader)
{
    const char *stored = eff_st_reader_metadata(reader, EFF_ST_CHECKSUM_KEY);
    if (!stored) return EFF_OK;
    eff_checksum *checksum = eff_checksum_new();
    if (!checksum) return eff_fail(EFF_E_MEMORY, "%s: no memory to verify its checksum", reader->path);
    eff_status status = add_header(checksum, reader);
    if (status == EFF_OK) status = add_data(checksum, reader);
    char computed[EFF_CHECKSUM_LENGTH + 1];
    eff_checksum_text(computed, checksum);
    eff_checksum_free(checksum);
    if (status == EFF_OK && strcmp(stored, computed) != 0)
        status = eff_fail(EFF_E_FORMAT,
                          "%s: the file is damaged or was edited: its checksum differs; take another copy or checkpoint (stored %.60s, computed %s)",
                          reader->path, stored, computed);
    return status;
}
