/* Dividing a source by a stable hash of its pictures' names; see source.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "data/source.h"

enum { MAX_KEY = 4096 };

static uint64_t *hash_keys(const eff_source *source, uint64_t seed)
{
    uint64_t *hashes = malloc((size_t)source->count * sizeof *hashes);
    for (int64_t i = 0; hashes && i < source->count; i++) {
        char key[MAX_KEY];
        eff_source_key(source, i, key, sizeof key);
        hashes[i] = XXH3_64bits_withSeed(key, strlen(key), seed);
    }
    return hashes;
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The hash below which pictures are held out, and in *ties how many of exactly that hash. */
static eff_status count_limit(uint64_t *limit, int64_t *ties, const uint64_t *hashes, int64_t n, int64_t count)
{
    uint64_t *sorted = malloc((size_t)n * sizeof *sorted);
    if (!sorted) return eff_fail(EFF_E_MEMORY, "no memory to divide %lld pictures", (long long)n);
    memcpy(sorted, hashes, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, compare_hashes);
    *limit = sorted[count - 1];
    for (*ties = 0; *ties < count && sorted[count - 1 - *ties] == *limit;) ++*ties;
    free(sorted);
    return EFF_OK;
}

static eff_status divide(eff_source **rest, eff_source **held, eff_source *base, const uint64_t *hashes, uint64_t limit,
                         int64_t ties)
{
    int64_t n = base->count, count[2] = {0, 0};
    int64_t *indices[2] = {malloc((size_t)n * sizeof **indices), malloc((size_t)n * sizeof **indices)};
    eff_status status = EFF_OK;
    if (!indices[0] || !indices[1]) status = eff_fail(EFF_E_MEMORY, "no memory to divide %lld pictures", (long long)n);
    for (int64_t i = 0; status == EFF_OK && i < n; i++) {
        bool out = hashes[i] < limit || (hashes[i] == limit && ties-- > 0);
        indices[out][count[out]++] = i;
    }
    if (status == EFF_OK && (count[0] == 0 || count[1] == 0))
        status = eff_fail(EFF_E_ARGUMENT, "of %lld pictures %lld would be held out and %lld left; both need some "
                          "(another count or share, or more pictures)", (long long)n, (long long)count[1], (long long)count[0]);
    if (status == EFF_OK) status = eff_source_open_subset(rest, base, indices[0], count[0]);
    if (status == EFF_OK) status = eff_source_open_subset(held, base, indices[1], count[1]);
    if (status == EFF_OK && base->notice && !((*rest)->notice = strdup(base->notice)))
        status = eff_fail(EFF_E_MEMORY, "no memory for a notice");
    free(indices[0]);
    free(indices[1]);
    return status;
}

eff_status eff_source_hold_out(eff_source **rest, eff_source **held, eff_source *base, int64_t count, double share,
                               uint64_t seed)
{
    *rest = *held = NULL;
    if (count < 0 || count >= base->count)
        return eff_fail(EFF_E_ARGUMENT, "%lld pictures to hold out; the source has %lld, some must be left",
                        (long long)count, (long long)base->count);
    if (count == 0 && !(share > 0.0 && share < 1.0))
        return eff_fail(EFF_E_ARGUMENT, "a share of %g to hold out; it must lie between 0 and 1", share);
    uint64_t *hashes = hash_keys(base, seed), limit = count ? 0 : (uint64_t)ldexp(share, 64);
    int64_t ties = 0;
    if (!hashes) return eff_fail(EFF_E_MEMORY, "no memory to divide %lld pictures", (long long)base->count);
    eff_status status = count ? count_limit(&limit, &ties, hashes, base->count, count) : EFF_OK;
    if (status == EFF_OK) status = divide(rest, held, base, hashes, limit, ties);
    free(hashes);
    if (status == EFF_OK) return EFF_OK;
    eff_source_release(*rest);
    eff_source_release(*held);
    *rest = *held = NULL;
    return status;
}
