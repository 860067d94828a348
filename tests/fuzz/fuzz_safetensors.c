/* libFuzzer harness of the safetensors reader: any bytes may be refused, none may do harm. Not part of the default
 * build; with clang-14:
 *
 *   clang-14 -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -Icore tests/fuzz/fuzz_safetensors.c \
 *       core/io/safetensors_*.c core/io/checksum.c core/io/file.c core/io/atomic_file.c core/base/status.c \
 *       core/base/pool.c -ljansson -lxxhash -lpthread -o fuzz_safetensors
 *   mkdir -p corpus && ./fuzz_safetensors -max_len=4096 -max_total_time=60 corpus
 *
 * A few small valid files in `corpus` make it look deeper.
 */
#define _GNU_SOURCE
#include "io/safetensors.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_everything(const eff_st_reader *reader)
{
    for (int64_t i = 0; i < eff_st_reader_count(reader); i++) {
        const eff_st_entry *entry = eff_st_reader_entry(reader, i);
        if (eff_st_reader_find(reader, entry->name) != entry) abort();
        /* blocks of exactly the promised size, so that the address sanitizer sees a byte too many */
        void *raw = malloc((size_t)entry->bytes);
        float *values = malloc((size_t)entry->count * sizeof *values);
        if (raw && eff_st_reader_read(raw, reader, entry) != EFF_OK && eff_st_dtype_readable(entry->dtype)) abort();
        if (values) eff_st_reader_read_f32(values, reader, entry);
        free(raw);
        free(values);
    }
    for (int64_t i = 0; i < eff_st_reader_metadata_count(reader); i++) {
        const char *key, *value;
        eff_st_reader_metadata_pair(&key, &value, reader, i);
        if (eff_st_reader_metadata(reader, key) != value) abort();
    }
    eff_st_reader_verify(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    eff_st_reader *reader = NULL;
    if (fd >= 0 && write(fd, data, size) == (ssize_t)size && eff_st_reader_open(&reader, path) == EFF_OK)
        read_everything(reader);
    eff_st_reader_close(reader);
    close(fd);
    return 0;
}
