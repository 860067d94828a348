/* Mixing the pictures and labels of a batch: Mixup and CutMix by the official rule. */
#ifndef EFF_DATA_MIX_H
#define EFF_DATA_MIX_H

#include <stdint.h>

#include "base/status.h"

typedef struct eff_mix {
    double mixup_alpha, cutmix_alpha; /* of the Beta distribution; 0 switches it off */
    uint64_t seed;
    int64_t epoch, batch; /* name the random stream; ranks pass different batches */
} eff_mix;

/* images: [count][height][width][3], labels: [count][classes], both changed in place.
 *
 * The partner of example i is example count-1-i. Mixup: weight = Beta(a, a) or 1 minus it, whichever is larger, for
 * each example. CutMix: a box around a random pixel with sides sqrt(1 - Beta(a, a)) of the picture, clipped, comes
 * from the partner; labels are mixed by its true area. With both, the first half of the batch gets Mixup and the rest
 * CutMix, with partners inside the half. */
eff_status eff_mix_batch(float *images, float *labels, int64_t count, int height, int width, int64_t classes,
                         const eff_mix *mix);

#endif
