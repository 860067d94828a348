/* Family "pixels": rows of 8-bit RGB pixels, on one thread; the loader has threads of its own. All variants give the
 * same bits. */
#ifndef EFF_KERNELS_PIXELS_H
#define EFF_KERNELS_PIXELS_H

#include <stddef.h>
#include <stdint.h>

/* Where an output pixel lies between two of a row: the weight of the right one */
typedef struct eff_between {
    int32_t left, right; /* bytes from the row's start */
    float weight;
} eff_between;

enum { EFF_TAP_BITS = 32 - 8 - 2, EFF_TAP_BLOCK = 4 };

/* Where output pixels come from, of a filter with fixed-point weights: output i sums pixels first[i] ..
 * first[i] + count[i] - 1. The outputs are in blocks of EFF_TAP_BLOCK, whose weights are interleaved. */
typedef struct eff_taps {
    int32_t *first, *count;
    int32_t *most, *furthest; /* of each block: its largest count and its largest first */
    int32_t *weight; /* [outputs / EFF_TAP_BLOCK][stride][EFF_TAP_BLOCK], in 1 / 2^EFF_TAP_BITS; 0 beyond the count */
    int stride;
} eff_taps;

static inline int eff_tap_blocks(int outputs) { return (outputs + EFF_TAP_BLOCK - 1) / EFF_TAP_BLOCK; }

/* Sets most and furthest. */
static inline void eff_taps_close(eff_taps *taps, int outputs)
{
    for (int i = 0; i < outputs; i++) {
        int32_t *most = &taps->most[i / EFF_TAP_BLOCK], *furthest = &taps->furthest[i / EFF_TAP_BLOCK];
        if (i % EFF_TAP_BLOCK == 0) *most = *furthest = 0;
        if (taps->count[i] > *most) *most = taps->count[i];
        if (taps->first[i] > *furthest) *furthest = taps->first[i];
    }
}

/* Output i's weight of tap k is at [k * EFF_TAP_BLOCK]. */
static inline int32_t *eff_taps_of(const eff_taps *taps, int i)
{
    return taps->weight + (size_t)(i / EFF_TAP_BLOCK) * taps->stride * EFF_TAP_BLOCK + i % EFF_TAP_BLOCK;
}

typedef struct eff_pixel_kernels {
    /* out [width][3]: bilinear between the rows top and bottom, from each of which `readable` bytes may be read; `down` is
     * the weight of bottom. The columns go from left to right, or from right to left. */
    void (*bilinear_row)(float *out, const uint8_t *top, const uint8_t *bottom, float down, const eff_between *columns,
                         int width, size_t readable);
    /* out [width][3], rounded: each pixel a weighted sum of some of in's, from which `readable` bytes may be read */
    void (*filter_row)(uint8_t *out, const uint8_t *in, const eff_taps *columns, int width, size_t readable);
    /* out [n], rounded: the sum of `count` rows of n bytes that lie `stride` bytes apart, with weights as of eff_taps_of */
    void (*filter_column)(uint8_t *out, const uint8_t *in, size_t n, size_t stride, const int32_t *weight, int count);
    /* out [n] = in, clipped to 0 .. 255, the fraction cut off; NaN is 0 */
    void (*cut_to_bytes)(uint8_t *out, const float *in, size_t n);
    /* out [n][3] = (in - mean) * inverse_std; out may be in */
    void (*normalize_bytes)(float *out, const uint8_t *in, size_t n, const float mean[3], const float inverse_std[3]);
    void (*normalize_floats)(float *out, const float *in, size_t n, const float mean[3], const float inverse_std[3]);
} eff_pixel_kernels;

#endif
