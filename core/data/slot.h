/* A place in the loader's ring: memory for one batch, and which of its samples could not be made. */
#ifndef EFF_DATA_SLOT_H
#define EFF_DATA_SLOT_H

#include "data/loader.h"
#include "data/unreadable.h"

typedef struct eff_sample_failure {
    eff_status status; /* EFF_OK: the sample is there */
    char *why;         /* NULL if there was no memory for it */
} eff_sample_failure;

typedef struct eff_slot {
    int64_t batch;   /* the one inside; -1 for none */
    int64_t missing; /* samples that are not finished */
    int64_t size;    /* there is room for so many */
    eff_sample_failure *failures; /* [size] */
    eff_batch view;
} eff_slot;

/* Where a sample lies in its batch: one of the two */
typedef struct eff_sample_place {
    float *floats;
    uint8_t *bytes;
} eff_sample_place;

/* Room for `size` samples, of bytes when they are still to be normalised (else NULL). After a failure eff_slot_free. */
eff_status eff_slot_allocate(eff_slot *s, int64_t size, int height, int width, const eff_normalization *of_bytes);
void eff_slot_free(eff_slot *s);

eff_sample_place eff_slot_place(const eff_slot *s, int64_t sample);

/* Nothing is inside, and nothing failed. */
void eff_slot_clear(eff_slot *s);

/* Closes the gaps of samples that failed and may be passed over; the first failure that may not be is returned. */
eff_status eff_slot_settle(eff_slot *s, eff_unreadable *unreadable);

#endif
