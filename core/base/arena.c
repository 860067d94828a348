/* The arena of large blocks; see arena.h. */
#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EFF_NO_ARENA 1
#else
#define EFF_NO_ARENA 0
#endif

typedef struct gap { /* lies at its own start; gaps are a list in the order of their addresses */
    size_t bytes;
    struct gap *next;
} gap;

static char *start; /* NULL before the first call and where there is no arena */
static gap *gaps;
static size_t touched;

static size_t physical_bytes(void) { return (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE); }

static void open_arena(void)
{
    static bool opened;
    if (opened || EFF_NO_ARENA) return;
    opened = true;
    size_t bytes = physical_bytes();
    void *space = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED) return;
    madvise(space, bytes, MADV_HUGEPAGE);
    start = space;
    gaps = space;
    *gaps = (gap){bytes, NULL};
}

void *eff_arena_alloc(size_t bytes)
{
    open_arena();
    for (gap **link = &gaps; *link; link = &(*link)->next) {
        gap *g = *link;
        if (g->bytes < bytes) continue;
        if (g->bytes > bytes) {
            gap *rest = (gap *)((char *)g + bytes);
            *rest = (gap){g->bytes - bytes, g->next};
            *link = rest;
        } else {
            *link = g->next;
        }
        size_t end = (size_t)((char *)g - start) + bytes;
        if (end > touched) touched = end;
        return g;
    }
    return NULL;
}

static bool adjoin(const gap *a, const gap *b) { return (const char *)a + a->bytes == (const char *)b; }

void eff_arena_free(void *block, size_t bytes)
{
    gap *last = NULL, *next = gaps, *g = block;
    while (next && next < g) {
        last = next;
        next = next->next;
    }
    *g = (gap){bytes, next};
    if (next && adjoin(g, next)) *g = (gap){bytes + next->bytes, next->next};
    if (last && adjoin(last, g))
        *last = (gap){last->bytes + g->bytes, g->next};
    else if (last)
        last->next = g;
    else
        gaps = g;
}

size_t eff_arena_touched(void) { return touched; }

/* The page that holds a gap's head stays. */
void eff_arena_trim(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (gap *g = gaps; g; g = g->next) {
        uintptr_t from = ((uintptr_t)(g + 1) + page - 1) / page * page, end = ((uintptr_t)g + g->bytes) / page * page;
        if (from < end) madvise((void *)from, end - from, MADV_DONTNEED);
        if (!g->next && (char *)g + g->bytes > start + touched) touched = (size_t)((char *)g - start);
    }
}
