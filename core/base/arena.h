/* One stretch of address space for large blocks, cut and joined again as they come and go.
 *
 * Blocks lie where the first gap takes them, and neighbouring gaps are one gap, so that a step that frees what it
 * allocated in reverse order needs hardly more than its peak. Memory is the system's until it is first touched, in pages
 * of 2 MB where the system has them. Not thread-safe: the pool calls it under its lock.
 */
#ifndef EFF_BASE_ARENA_H
#define EFF_BASE_ARENA_H

#include <stddef.h>

/* `bytes` is a multiple of 64, and so is the address. NULL when no gap is large enough, or there is no arena: the
 * system refused the address space, or a sanitizer wants to see each block by itself. */
void *eff_arena_alloc(size_t bytes);
void eff_arena_free(void *block, size_t bytes);

size_t eff_arena_touched(void); /* bytes up to the highest end of a block so far */

/* Returns the pages of all gaps to the system. */
void eff_arena_trim(void);

#endif
