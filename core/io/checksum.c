/* See checksum.h. The digits are those that xxhsum -H2 and sha256sum print. */
#include "io/checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <xxhash.h>

#include "io/file.h"

enum { READ_BYTES = 1 << 16 };

eff_checksum *eff_checksum_new(void)
{
    XXH3_state_t *state = XXH3_createState();
    if (state) XXH3_128bits_reset(state);
    return state;
}

void eff_checksum_add(eff_checksum *checksum, const void *data, size_t bytes)
{
    if (bytes > 0) XXH3_128bits_update(checksum, data, bytes);
}

void eff_checksum_text(char text[EFF_CHECKSUM_LENGTH + 1], const eff_checksum *checksum)
{
    XXH128_hash_t hash = XXH3_128bits_digest(checksum);
    snprintf(text, EFF_CHECKSUM_LENGTH + 1, EFF_CHECKSUM_PREFIX "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

void eff_checksum_free(eff_checksum *checksum) { XXH3_freeState(checksum); }

void eff_sha256_start(eff_sha256 *sum) { SHA256Init(&sum->context); }

void eff_sha256_add(eff_sha256 *sum, const void *data, size_t bytes) { SHA256Update(&sum->context, data, bytes); }

void eff_sha256_text(char text[EFF_SHA256_DIGITS + 1], eff_sha256 *sum) { SHA256End(&sum->context, text); }

eff_status eff_sha256_file(char text[EFF_SHA256_DIGITS + 1], const char *path)
{
    uint8_t bytes[READ_BYTES];
    eff_sha256 sum;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return eff_fail_errno(path, "read", errno);
    eff_sha256_start(&sum);
    ssize_t n;
    while ((n = read(fd, bytes, sizeof bytes)) != 0) {
        if (n > 0) eff_sha256_add(&sum, bytes, (size_t)n);
        else if (errno != EINTR) break;
    }
    int error = errno;
    close(fd);
    if (n < 0) return eff_fail_errno(path, "read", error);
    eff_sha256_text(text, &sum);
    return EFF_OK;
}
