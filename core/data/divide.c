/* The division of a source into "train" and "val"; see source.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "data/source.h"

/* Pictures of a class that are held out: at least one and not all, where there are two. */
static int64_t held_out_of(int64_t n, double ratio)
{
    int64_t held_out = (int64_t)llround((double)n * ratio);
    if (ratio > 0.0 && held_out == 0 && n >= 2) held_out = 1;
    if (held_out == n && n >= 2 && ratio < 1.0) held_out = n - 1;
    return held_out;
}

/* Marks the held out ones of n pictures of a class. */
static void hold_out(bool *held, const int64_t *pictures, int64_t *order, int64_t n, int label, double ratio,
                     uint64_t seed)
{
    eff_rng rng;
    eff_rng_start(&rng, seed, EFF_RNG_SPLIT, (uint64_t)label, 0);
    eff_rng_permutation(&rng, order, n);
    for (int64_t i = 0; i < held_out_of(n, ratio); i++) held[pictures[order[i]]] = true;
}

/* The pictures' numbers by class: those of class c are by_class[start[c]] .. by_class[start[c+1]-1]. */
static void sort_by_class(int64_t *by_class, int64_t *start, const eff_source *source)
{
    memset(start, 0, ((size_t)source->classes + 2) * sizeof *start);
    for (int64_t i = 0; i < source->count; i++) start[eff_source_label(source, i) + 2]++;
    for (int c = 2; c <= source->classes + 1; c++) start[c] += start[c - 1];
    for (int64_t i = 0; i < source->count; i++) by_class[start[eff_source_label(source, i) + 1]++] = i;
}

static eff_status take_part(eff_source **out, eff_source *base, bool val, const bool *held, int64_t *kept)
{
    int64_t n = 0;
    for (int64_t i = 0; i < base->count; i++)
        if (held[i] == val) kept[n++] = i;
    if (n == 0)
        return eff_fail(EFF_E_FORMAT,
                        "no pictures are left for \"%s\": at least two of a class are needed, and a part between "
                        "0 and 1",
                        val ? "val" : "train");
    EFF_TRY(eff_source_open_subset(out, base, kept, n));
    (*out)->kind = base->kind;
    return base->notice ? eff_source_add_notice(*out, "%s", base->notice) : EFF_OK;
}

eff_status eff_source_divide(eff_source **out, eff_source *base, const char *split, double val_ratio, uint64_t seed)
{
    if (!(val_ratio >= 0.0 && val_ratio <= 1.0))
        return eff_fail(EFF_E_ARGUMENT, "the validation part is %g; it must lie in 0 to 1", val_ratio);
    size_t n = (size_t)base->count;
    bool *held = calloc(n, sizeof *held);
    int64_t *by_class = malloc(n * sizeof *by_class), *order = malloc(n * sizeof *order);
    int64_t *start = malloc(((size_t)base->classes + 2) * sizeof *start);
    eff_status status = EFF_E_MEMORY;
    if (held && by_class && order && start) {
        sort_by_class(by_class, start, base);
        for (int c = 0; c < base->classes; c++)
            hold_out(held, by_class + start[c], order, start[c + 1] - start[c], c, val_ratio, seed);
        status = take_part(out, base, strcmp(split, "train") != 0, held, by_class);
    } else {
        eff_fail(EFF_E_MEMORY, "no memory to divide %lld pictures", (long long)base->count);
    }
    free(held);
    free(by_class);
    free(order);
    free(start);
    return status;
}
