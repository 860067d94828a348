/* The unreadable pictures that a loader met, each once, and whether they may be passed over. */
#ifndef EFF_DATA_UNREADABLE_H
#define EFF_DATA_UNREADABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef struct eff_unreadable_picture {
    int64_t index;
    char *why; /* with the name; NULL if there was no memory for it */
} eff_unreadable_picture;

typedef struct eff_unreadable {
    bool skip;     /* they may be passed over, */
    int64_t limit; /* so many of them */
    eff_unreadable_picture *list;
    int64_t count;
} eff_unreadable;

/* Handles the failure of one picture, EFF_OK when it is passed over. Takes over `why`. */
eff_status eff_unreadable_note(eff_unreadable *u, eff_status failure, int64_t index, char *why);

/* Why the last one could not be read. */
const char *eff_unreadable_last(const eff_unreadable *u);

void eff_unreadable_free(eff_unreadable *u);

#endif
