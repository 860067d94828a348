/* Lists of strings in one block, eight bytes a string beside its text, and sets of them. */
#ifndef EFF_DATA_NAMES_H
#define EFF_DATA_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Starts as {0}. */
typedef struct eff_names {
    char *text;
    size_t size, capacity;
    size_t *start; /* [count] offsets into text */
    int64_t count, room;
} eff_names;

void eff_names_free(eff_names *names);

static inline const char *eff_names_at(const eff_names *names, int64_t i) { return names->text + names->start[i]; }

eff_status eff_names_add(eff_names *names, const char *name); /* a copy */

/* Sorts the names from .. count-1 by their bytes. */
void eff_names_sort(eff_names *names, int64_t from);

/* Place of a name in a sorted list, -1 if it is missing. */
int64_t eff_names_find(const eff_names *names, const char *name);

/* Gives back the memory that was reserved for growing. */
void eff_names_trim(eff_names *names);

/* Names that are each there once, found by hashing; in the order in which they came. Starts as {0}. */
typedef struct eff_name_set {
    eff_names names;
    uint32_t *slots; /* [slot_count], a power of 2: 1 + place of a name, or 0 */
    size_t slot_count;
} eff_name_set;

void eff_name_set_free(eff_name_set *set);

/* Place of a name, which is added when it is new. */
eff_status eff_name_set_place(eff_name_set *set, int64_t *place, const char *name);

/* Place of a name, -1 if it is missing. */
int64_t eff_name_set_find(const eff_name_set *set, const char *name);

#endif
