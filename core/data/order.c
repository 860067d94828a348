/* See order.h. */
#include "data/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

eff_status eff_order_check(const eff_order *o, const eff_source *source)
{
    if (o->shuffle != EFF_SHUFFLE_SHARDS) return EFF_OK;
    if (source->shards < 1)
        return eff_fail(EFF_E_ARGUMENT,
                        "loader: shuffle = \"shards\" is for shards; the source is of kind \"%s\" (shuffle = "
                        "true mixes all of it)",
                        source->kind);
    if (o->window < 1) return eff_fail(EFF_E_ARGUMENT, "loader: a shard_window of %d; at least 1 is needed", o->window);
    return EFF_OK;
}

static void shuffle(int64_t *list, int64_t n, eff_rng *rng)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t k = eff_rng_below(rng, i + 1), kept = list[i];
        list[i] = list[k];
        list[k] = kept;
    }
}

/* turn[s]: when shard s has its turn. end[t]: where the t-th begins in the list, and when that is full, where it ends.
 */
static void sort_by_turn(int64_t *list, const int64_t *turn, int64_t *end, const eff_source *source)
{
    memset(end, 0, (size_t)(source->shards + 1) * sizeof *end);
    for (int64_t i = 0; i < source->count; i++) end[turn[source->ops->shard(source, i)] + 1]++;
    for (int t = 1; t <= source->shards; t++) end[t] += end[t - 1];
    for (int64_t i = 0; i < source->count; i++) list[end[turn[source->ops->shard(source, i)]]++] = i;
}

static eff_status fill_by_shards(int64_t *list, const eff_order *o, const eff_source *source, eff_rng *rng)
{
    int64_t shards = source->shards;
    int64_t *turn = malloc((size_t)shards * sizeof *turn), *end = malloc((size_t)(shards + 1) * sizeof *end);
    bool enough = turn && end;
    if (enough) {
        eff_rng_permutation(rng, turn, shards);
        sort_by_turn(list, turn, end, source);
        for (int64_t t = 0, first = 0; t < shards; t += o->window) {
            int64_t last = t + o->window < shards ? t + o->window : shards;
            shuffle(list + first, end[last - 1] - first, rng);
            first = end[last - 1];
        }
    }
    free(turn);
    free(end);
    return enough ? EFF_OK : eff_fail(EFF_E_MEMORY, "no memory for the order of %lld shards", (long long)shards);
}

eff_status eff_order_fill(int64_t *list, const eff_order *o, const eff_source *source, int64_t epoch)
{
    eff_rng rng;
    eff_rng_start(&rng, o->seed, EFF_RNG_ORDER, (uint64_t)epoch, 0);
    switch (o->shuffle) {
    case EFF_SHUFFLE_SHARDS: return fill_by_shards(list, o, source, &rng);
    case EFF_SHUFFLE_ALL: eff_rng_permutation(&rng, list, source->count); break;
    case EFF_SHUFFLE_NONE:
        for (int64_t i = 0; i < source->count; i++) list[i] = i;
        break;
    }
    return EFF_OK;
}
