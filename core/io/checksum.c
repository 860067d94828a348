/* See checksum.h. The digits are those that xxhsum -H2 prints. */
#include "io/checksum.h"

#include <stdio.h>
#include <xxhash.h>

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
