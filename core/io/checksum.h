/* XXH3-128 of a stream of bytes, as text. It finds accidental damage; it is no protection against forgery. */
#ifndef EFF_IO_CHECKSUM_H
#define EFF_IO_CHECKSUM_H

#include <stddef.h>

#define EFF_CHECKSUM_PREFIX "xxh3-128:"
enum { EFF_CHECKSUM_DIGITS = 32, EFF_CHECKSUM_LENGTH = sizeof EFF_CHECKSUM_PREFIX - 1 + EFF_CHECKSUM_DIGITS };

typedef struct XXH3_state_s eff_checksum;

eff_checksum *eff_checksum_new(void); /* NULL when there is no memory */
void eff_checksum_add(eff_checksum *checksum, const void *data, size_t bytes);
void eff_checksum_text(char text[EFF_CHECKSUM_LENGTH + 1], const eff_checksum *checksum);
void eff_checksum_free(eff_checksum *checksum); /* NULL is allowed */

#endif
