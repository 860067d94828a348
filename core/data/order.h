/* The order in which an epoch shows the pictures of a source; a function of (source, seed, epoch). */
#ifndef EFF_DATA_ORDER_H
#define EFF_DATA_ORDER_H

#include "data/source.h"

typedef enum eff_shuffle {
    EFF_SHUFFLE_NONE,
    EFF_SHUFFLE_ALL,
    EFF_SHUFFLE_SHARDS /* shards in random order, and pictures at random among those of `window` shards */
} eff_shuffle;

typedef struct eff_order {
    eff_shuffle shuffle;
    int window; /* shards, at least 1 */
    uint64_t seed;
} eff_order;

/* EFF_E_ARGUMENT for a source without shards where these are to be shuffled. */
eff_status eff_order_check(const eff_order *order, const eff_source *source);

/* list: [source->count], each picture once. */
eff_status eff_order_fill(int64_t *list, const eff_order *order, const eff_source *source, int64_t epoch);

#endif
