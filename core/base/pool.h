/* 64-byte aligned memory from a cache of freed blocks, with byte accounting.
 *
 * Small blocks are rounded up to 8 size classes a doubling and kept, so a loop that asks for the same sizes again gets
 * the same blocks and the system allocator is left alone; large ones live in an arena (base/arena.h). Thread-safe. EFFV2_POISON=1 fills blocks with NaNs
 * when they are handed out and when they come back.
 */
#ifndef EFF_BASE_POOL_H
#define EFF_BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

typedef struct eff_pool_stats {
    int64_t live_bytes;    /* handed out */
    int64_t cached_bytes;  /* kept for reuse */
    int64_t peak_bytes;    /* largest live_bytes so far */
    int64_t system_allocs; /* calls of the system allocator, and growths of the arena, so far */
} eff_pool_stats;

/* NULL when there is no memory, or bytes is absurd; never NULL for bytes == 0. */
void *eff_pool_alloc(size_t bytes);
void eff_pool_free(void *block); /* NULL is allowed */

/* Returns all cached blocks to the system. Called when the image size changes and when memory runs out. */
void eff_pool_trim(void);

eff_pool_stats eff_pool_get_stats(void);
void eff_pool_reset_peak(void); /* peak_bytes = live_bytes */

#endif
