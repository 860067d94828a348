/* Lists and sets of strings; see names.h. */
#define _GNU_SOURCE /* qsort_r */
#include "data/names.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { FIRST_SLOTS = 64 };

static eff_status no_memory(void) { return eff_fail(EFF_E_MEMORY, "no memory for a list of names"); }

/* ---- Lists ---- */

void eff_names_free(eff_names *n)
{
    free(n->text);
    free(n->start);
    *n = (eff_names){0};
}

eff_status eff_names_add(eff_names *n, const char *name)
{
    size_t length = strlen(name) + 1;
    if (n->size + length > n->capacity) {
        size_t capacity = 2 * (n->size + length);
        char *text = realloc(n->text, capacity);
        if (!text) return no_memory();
        n->text = text;
        n->capacity = capacity;
    }
    if (n->count == n->room) {
        int64_t room = n->room ? 2 * n->room : 64;
        size_t *start = realloc(n->start, (size_t)room * sizeof *start);
        if (!start) return no_memory();
        n->start = start;
        n->room = room;
    }
    memcpy(n->text + n->size, name, length);
    n->start[n->count++] = n->size;
    n->size += length;
    return EFF_OK;
}

static int compare_names(const void *a, const void *b, void *text)
{
    return strcmp((char *)text + *(const size_t *)a, (char *)text + *(const size_t *)b);
}

void eff_names_sort(eff_names *n, int64_t from)
{
    if (n->count - from > 1)
        qsort_r(n->start + from, (size_t)(n->count - from), sizeof *n->start, compare_names, n->text);
}

int64_t eff_names_find(const eff_names *n, const char *name)
{
    int64_t low = 0, high = n->count - 1;
    while (low <= high) {
        int64_t middle = (low + high) / 2;
        int order = strcmp(name, eff_names_at(n, middle));
        if (order == 0) return middle;
        if (order < 0) high = middle - 1;
        else low = middle + 1;
    }
    return -1;
}

void eff_names_trim(eff_names *n)
{
    if (n->count == 0) return;
    char *text = realloc(n->text, n->size);
    size_t *start = realloc(n->start, (size_t)n->count * sizeof *start);
    if (text) {
        n->text = text;
        n->capacity = n->size;
    }
    if (start) {
        n->start = start;
        n->room = n->count;
    }
}

/* ---- Sets ---- */

void eff_name_set_free(eff_name_set *set)
{
    eff_names_free(&set->names);
    free(set->slots);
    *set = (eff_name_set){0};
}

/* The slot of a name, or the free one where it belongs. */
static size_t slot_of(const eff_name_set *set, const char *name)
{
    size_t slot = XXH3_64bits(name, strlen(name)) & (set->slot_count - 1);
    while (set->slots[slot] && strcmp(eff_names_at(&set->names, (int64_t)set->slots[slot] - 1), name) != 0)
        slot = (slot + 1) & (set->slot_count - 1);
    return slot;
}

/* Twice as many slots, so that at most half are in use. */
static eff_status grow(eff_name_set *set)
{
    size_t count = set->slot_count ? 2 * set->slot_count : FIRST_SLOTS;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (!slots) return no_memory();
    free(set->slots);
    set->slots = slots;
    set->slot_count = count;
    for (int64_t i = 0; i < set->names.count; i++) slots[slot_of(set, eff_names_at(&set->names, i))] = (uint32_t)i + 1;
    return EFF_OK;
}

eff_status eff_name_set_place(eff_name_set *set, int64_t *place, const char *name)
{
    if (2 * (size_t)(set->names.count + 1) > set->slot_count) EFF_TRY(grow(set));
    size_t slot = slot_of(set, name);
    if (!set->slots[slot]) {
        if (set->names.count >= UINT32_MAX - 1) return eff_fail(EFF_E_MEMORY, "more than 2^32 names");
        EFF_TRY(eff_names_add(&set->names, name));
        set->slots[slot] = (uint32_t)set->names.count;
    }
    *place = (int64_t)set->slots[slot] - 1;
    return EFF_OK;
}

int64_t eff_name_set_find(const eff_name_set *set, const char *name)
{
    return set->slot_count ? (int64_t)set->slots[slot_of(set, name)] - 1 : -1;
}
