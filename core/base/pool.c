/* The size-class pool; see pool.h. */
#include "base/pool.h"

#include "base/arena.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, CLASSES = 8 * 48, MIN_BLOCK = 128, IN_ARENA = -1, LEAST_IN_ARENA = 1 << 18 };

typedef struct header { /* lies in the ALIGNMENT bytes before a block */
    struct header *next;
    size_t bytes; /* of the block, without this header */
    int size_class; /* or IN_ARENA */
} header;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static header *cached[CLASSES];
static eff_pool_stats stats; /* cached_bytes without the arena's */
static int64_t live_in_arena;
static int poison = -1; /* unknown until the first allocation */

/* The smallest class whose blocks hold `bytes`: 8 steps a doubling from MIN_BLOCK; -1 if too large. */
static int size_class_of(size_t bytes, size_t *block_bytes)
{
    if (bytes < MIN_BLOCK) bytes = MIN_BLOCK;
    if (bytes > (size_t)1 << 46) return -1;
    int top = 63 - __builtin_clzll(bytes - 1);       /* 2^top < bytes <= 2^(top+1) */
    size_t base = (size_t)1 << top, step = base / 8; /* bytes >= 128, so step >= 8 */
    size_t k = (bytes - base + step - 1) / step;     /* 1 .. 8 */
    *block_bytes = (base + k * step + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return (top - 6) * 8 + (int)k - 1;
}

static void fill_poison(void *block, size_t bytes)
{
    if (poison > 0) memset(block, 0xFF, bytes); /* all ones: NaN as float and double, -1 as integer */
}

static void trim_locked(void)
{
    eff_arena_trim();
    for (int i = 0; i < CLASSES; i++) {
        while (cached[i]) {
            header *h = cached[i];
            cached[i] = h->next;
            stats.cached_bytes -= (int64_t)h->bytes;
            free(h);
        }
    }
}

static header *new_block(size_t bytes)
{
    stats.system_allocs++;
    header *h = aligned_alloc(ALIGNMENT, bytes + ALIGNMENT);
    if (!h) {
        trim_locked();
        h = aligned_alloc(ALIGNMENT, bytes + ALIGNMENT);
    }
    return h;
}

static header *take_from_arena(size_t bytes)
{
    size_t block_bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, before = eff_arena_touched();
    header *h = eff_arena_alloc(block_bytes + ALIGNMENT);
    if (!h) return NULL;
    stats.system_allocs += eff_arena_touched() > before;
    live_in_arena += (int64_t)(block_bytes + ALIGNMENT);
    *h = (header){.bytes = block_bytes, .size_class = IN_ARENA};
    return h;
}

static header *take_from_classes(int size_class, size_t block_bytes)
{
    header *h = cached[size_class];
    if (h) {
        cached[size_class] = h->next;
        stats.cached_bytes -= (int64_t)h->bytes;
    } else {
        h = new_block(block_bytes);
    }
    if (h) *h = (header){.bytes = block_bytes, .size_class = size_class};
    return h;
}

void *eff_pool_alloc(size_t bytes)
{
    size_t block_bytes = 0;
    int size_class = size_class_of(bytes, &block_bytes);
    if (size_class < 0) return NULL;
    pthread_mutex_lock(&lock);
    if (poison < 0) {
        const char *value = getenv("EFFV2_POISON");
        poison = value && *value && strcmp(value, "0") != 0;
    }
    header *h = bytes >= LEAST_IN_ARENA ? take_from_arena(bytes) : NULL;
    if (!h) h = take_from_classes(size_class, block_bytes);
    if (h) {
        stats.live_bytes += (int64_t)h->bytes;
        if (stats.live_bytes > stats.peak_bytes) stats.peak_bytes = stats.live_bytes;
    }
    pthread_mutex_unlock(&lock);
    if (!h) return NULL;
    void *block = (char *)h + ALIGNMENT;
    fill_poison(block, h->bytes);
    return block;
}

void eff_pool_free(void *block)
{
    if (!block) return;
    header *h = (header *)((char *)block - ALIGNMENT);
    fill_poison(block, h->bytes);
    pthread_mutex_lock(&lock);
    stats.live_bytes -= (int64_t)h->bytes;
    if (h->size_class == IN_ARENA) {
        live_in_arena -= (int64_t)(h->bytes + ALIGNMENT);
        eff_arena_free(h, h->bytes + ALIGNMENT);
    } else {
        h->next = cached[h->size_class];
        cached[h->size_class] = h;
        stats.cached_bytes += (int64_t)h->bytes;
    }
    pthread_mutex_unlock(&lock);
}

void eff_pool_trim(void)
{
    pthread_mutex_lock(&lock);
    trim_locked();
    pthread_mutex_unlock(&lock);
}

eff_pool_stats eff_pool_get_stats(void)
{
    pthread_mutex_lock(&lock);
    eff_pool_stats copy = stats;
    copy.cached_bytes += (int64_t)eff_arena_touched() - live_in_arena;
    pthread_mutex_unlock(&lock);
    return copy;
}

void eff_pool_reset_peak(void)
{
    pthread_mutex_lock(&lock);
    stats.peak_bytes = stats.live_bytes;
    pthread_mutex_unlock(&lock);
}
