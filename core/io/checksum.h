/* Checksums of streams of bytes, as text: XXH3-128, which finds accidental damage but is no protection against forgery,
 * and SHA-256, for files that others check too (sha256sum -c). */
#ifndef EFF_IO_CHECKSUM_H
#define EFF_IO_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <sha2.h>

#include "base/status.h"

#define EFF_CHECKSUM_PREFIX "xxh3-128:"
enum { EFF_CHECKSUM_DIGITS = 32, EFF_CHECKSUM_LENGTH = sizeof EFF_CHECKSUM_PREFIX - 1 + EFF_CHECKSUM_DIGITS };

typedef struct XXH3_state_s eff_checksum;

eff_checksum *eff_checksum_new(void); /* NULL when there is no memory */
void eff_checksum_add(eff_checksum *checksum, const void *data, size_t bytes);
void eff_checksum_text(char text[EFF_CHECKSUM_LENGTH + 1], const eff_checksum *checksum);
void eff_checksum_free(eff_checksum *checksum); /* NULL is allowed */

enum { EFF_SHA256_DIGITS = 64 };

typedef struct eff_sha256 {
    SHA2_CTX context;
} eff_sha256;

void eff_sha256_start(eff_sha256 *sum);
void eff_sha256_add(eff_sha256 *sum, const void *data, size_t bytes);
void eff_sha256_text(char text[EFF_SHA256_DIGITS + 1], eff_sha256 *sum); /* ends it */

/* Of a whole file, as sha256sum prints it. */
eff_status eff_sha256_file(char text[EFF_SHA256_DIGITS + 1], const char *path);

#endif
