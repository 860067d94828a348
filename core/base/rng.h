/* Counter-based random numbers (Philox 4x32-10, Salmon et al. 2011).
 *
 * A stream is named by what it is for: (seed, purpose, a, b), e.g. (seed, EFF_RNG_AUGMENT, epoch, sample).
 * Nothing depends on how many numbers another stream drew, on threads, or on what ran before.
 */
#ifndef EFF_BASE_RNG_H
#define EFF_BASE_RNG_H

#include <stdint.h>

typedef enum eff_rng_purpose {
    EFF_RNG_INIT = 1, /* parameter initialisation */
    EFF_RNG_USER,     /* effv2.randn and friends */
    EFF_RNG_ORDER,    /* order of the samples of an epoch */
    EFF_RNG_AUGMENT,  /* augmentation of one sample */
    EFF_RNG_MIX,      /* Mixup and CutMix of one batch */
    EFF_RNG_DROPOUT,  /* dropout and drop-path masks */
    EFF_RNG_SYNTHETIC, /* the built-in data set */
    EFF_RNG_SCHEDULE, /* random image sizes */
    EFF_RNG_SPLIT,    /* train/val split by ratio */
    EFF_RNG_SEARCH    /* one parameter of one trial of a study */
} eff_rng_purpose;

typedef struct eff_rng {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    int used; /* numbers of `block` already handed out */
} eff_rng;

/* Starts the stream (seed, purpose, a, b) at its beginning. a and b use their low 48 bits. */
void eff_rng_start(eff_rng *rng, uint64_t seed, eff_rng_purpose purpose, uint64_t a, uint64_t b);

uint32_t eff_rng_u32(eff_rng *rng);
uint64_t eff_rng_u64(eff_rng *rng);
double eff_rng_uniform(eff_rng *rng);                            /* [0, 1), 53 bits */
double eff_rng_range(eff_rng *rng, double low, double high);     /* [low, high) */
int64_t eff_rng_below(eff_rng *rng, int64_t n);                  /* 0 .. n-1, unbiased; n >= 1 */
double eff_rng_normal(eff_rng *rng);                             /* mean 0, variance 1 */
double eff_rng_beta(eff_rng *rng, double a, double b);           /* Beta(a, b); a, b > 0 */

/* Fills order[0..n-1] with a permutation of 0..n-1 (Fisher-Yates). */
void eff_rng_permutation(eff_rng *rng, int64_t *order, int64_t n);

#endif
