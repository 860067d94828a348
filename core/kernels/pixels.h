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
 * first[i] + count[i] - 1. The weights of EFF_TAP_BLOCK outputs are interleaved. */
typedef struct eff_taps {
    int32_t *first, *count;
    int32_t *weight; /* [outputs / EFF_TAP_BLOCK][stride][EFF_TAP_BLOCK], in 1 / 2^EFF_TAP_BITS; 0 beyond the count */
    int stride;
} eff_taps;

/* Output i's weight of tap k is at [k * EFF_TAP_BLOCK]. */
static inline int32_t *eff_taps_of(const eff_taps *taps, int i)
{
    return taps->weight + (size_t)(i / EFF_TAP_BLOCK) * taps->stride * EFF_TAP_BLOCK + i % EFF_TAP_BLOCK;
}

typedef struct eff_pixel_kernels {
    /* out [width][3]: bilinear between the rows top and bottom of row_bytes bytes; `down` is the weight of bottom. The
     * columns go from left to right, or from right to left. */
    void (*bilinear_row)(float *out, const uint8_t *top, const uint8_t *bottom, float down, const eff_between *columns,
                         int width, size_t row_bytes);
    /* out [width][3], rounded: each pixel a weighted sum of some of in's, which has row_bytes bytes */
    void (*filter_row)(uint8_t *out, const uint8_t *in, const eff_taps *columns, int width, size_t row_bytes);
    /* out [n], rounded: the sum of `count` rows of n bytes that lie `stride` bytes apart, with weights as of eff_taps_of */
    void (*filter_column)(uint8_t *out, const uint8_t *in, size_t n, size_t stride, const int32_t *weight, int count);
    /* out [n] = in, clipped to 0 .. 255, the fraction cut off; NaN is 0 */
    void (*cut_to_bytes)(uint8_t *out, const float *in, size_t n);
    /* out [n][3] = (in - mean) * inverse_std; out may be in */
    void (*normalize_bytes)(float *out, const uint8_t *in, size_t n, const float mean[3], const float inverse_std[3]);
    void (*normalize_floats)(float *out, const float *in, size_t n, const float mean[3], const float inverse_std[3]);
} eff_pixel_kernels;

#endif
