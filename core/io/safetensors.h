/* Reading and writing of safetensors files (https://github.com/huggingface/safetensors): weights and whole
 * training states, without any code in them.
 *
 * A file is 8 bytes N (little-endian), N bytes of JSON that name each tensor's dtype, shape and place, and the
 * tensors' bytes, row-major and little-endian. Opening checks all of the header against the file's size, so
 * that nothing in it can make a later read go astray; only then is memory reserved.
 */
#ifndef EFF_IO_SAFETENSORS_H
#define EFF_IO_SAFETENSORS_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { EFF_ST_MAX_NDIM = 8, EFF_ST_MAX_HEADER = 100000000 };

/* The metadata key of the checksum: XXH3-128 of the whole file, with the digits of the checksum read as zeros. */
#define EFF_ST_CHECKSUM_KEY "effv2.checksum"

/* In the order of the reference implementation, which sorts tensors by it when it writes. */
typedef enum eff_st_dtype {
    EFF_ST_BOOL,
    EFF_ST_F4,
    EFF_ST_F6_E2M3,
    EFF_ST_F6_E3M2,
    EFF_ST_U8,
    EFF_ST_I8,
    EFF_ST_F8_E5M2,
    EFF_ST_F8_E4M3,
    EFF_ST_F8_E8M0,
    EFF_ST_F8_E4M3FNUZ,
    EFF_ST_F8_E5M2FNUZ,
    EFF_ST_I16,
    EFF_ST_U16,
    EFF_ST_F16,
    EFF_ST_BF16,
    EFF_ST_I32,
    EFF_ST_U32,
    EFF_ST_F32,
    EFF_ST_C64,
    EFF_ST_F64,
    EFF_ST_I64,
    EFF_ST_U64,
    EFF_ST_DTYPES
} eff_st_dtype;

const char *eff_st_dtype_name(eff_st_dtype dtype); /* "F32", ... */
bool eff_st_dtype_readable(eff_st_dtype dtype);    /* F32, F64, I32, I64, U8, F16, BF16 */
bool eff_st_dtype_writable(eff_st_dtype dtype);    /* F32, F64, I32, I64, U8 */

/* Bytes of a tensor; EFF_E_SHAPE for negative or too many dimensions, and when the size does not fit or is not a
 * whole number of bytes (4- and 6-bit types). */
eff_status eff_st_bytes(int64_t *bytes, eff_st_dtype dtype, int ndim, const int64_t *shape);

/* ---- reading ---- */

typedef struct eff_st_entry {
    const char *name;
    eff_st_dtype dtype;
    int ndim;
    int64_t shape[EFF_ST_MAX_NDIM];
    int64_t count;  /* elements */
    int64_t offset; /* of the first byte, from the start of the file */
    int64_t bytes;
} eff_st_entry;

typedef struct eff_st_reader eff_st_reader;

eff_status eff_st_reader_open(eff_st_reader **reader, const char *path);
void eff_st_reader_close(eff_st_reader *reader); /* NULL is allowed */

/* Entries stand in the order of their bytes in the file and live as long as the reader. */
int64_t eff_st_reader_count(const eff_st_reader *reader);
const eff_st_entry *eff_st_reader_entry(const eff_st_reader *reader, int64_t i); /* 0 <= i < count */
const eff_st_entry *eff_st_reader_find(const eff_st_reader *reader, const char *name); /* NULL if there is none */

/* Metadata: a lookup (NULL if there is none), and the pairs in the file's order. */
const char *eff_st_reader_metadata(const eff_st_reader *reader, const char *key);
int64_t eff_st_reader_metadata_count(const eff_st_reader *reader);
void eff_st_reader_metadata_pair(const char **key, const char **value, const eff_st_reader *reader, int64_t i);

/* Reads the entry's bytes as they are; `out` holds entry->bytes. Safe to call from several threads. */
eff_status eff_st_reader_read(void *out, const eff_st_reader *reader, const eff_st_entry *entry);

/* Reads F32, F64, F16 or BF16 as float; `out` holds entry->count. */
eff_status eff_st_reader_read_f32(float *out, const eff_st_reader *reader, const eff_st_entry *entry);

/* Compares the file with its checksum: EFF_E_FORMAT if they differ. A file without one passes. */
eff_status eff_st_reader_verify(const eff_st_reader *reader);

/* Bit patterns of IEEE half and of bfloat16 to float; exact, including subnormals, infinities and NaNs. */
void eff_f32_from_f16(float *out, const uint16_t *in, int64_t n);
void eff_f32_from_bf16(float *out, const uint16_t *in, int64_t n);

/* ---- writing ----
 *
 * Tensors are written by descending alignment and then by name, as the reference implementation does, and
 * metadata by key, so that the same content is the same file byte for byte. The tensors' bytes start at a
 * multiple of 64. Nothing is copied: the data must live until the file is written. */

typedef struct eff_st_writer eff_st_writer;

eff_status eff_st_writer_new(eff_st_writer **writer);
void eff_st_writer_free(eff_st_writer *writer); /* NULL is allowed */

eff_status eff_st_writer_add(eff_st_writer *writer, const char *name, eff_st_dtype dtype, int ndim,
                             const int64_t *shape, const void *data);

/* A key given again takes the new value. EFF_ST_CHECKSUM_KEY is passed over, so that the metadata of a file that
 * was read can be handed on. */
eff_status eff_st_writer_metadata(eff_st_writer *writer, const char *key, const char *value);

/* Replaces `path` whole or not at all. With `checksum` the tensors are read twice. Can be called again. */
eff_status eff_st_writer_write(eff_st_writer *writer, const char *path, bool checksum);

#endif
