/* Rows of a scaled input (eff_conv_input) on their way into a kernel. */
#ifndef EFF_KERNELS_SIMD_SCALED_H
#define EFF_KERNELS_SIMD_SCALED_H

#include "kernels/simd/activation.h"

/* `count` pixels from `first` on of `lanes` channels from `at` on; `act`, and where they are whole count and lanes, are
 * constants. gate[p] is the row of pixel p's image. */
VEC_INLINE void scaled_block(float *to, int64_t pitch, const eff_conv_input *in, const float *const *gate, int64_t c,
                             int64_t first, const int64_t count, int64_t at, const int64_t lanes, const eff_activation act)
{
    vec scale = vec_get(in->scale + at, lanes), shift = vec_get(in->shift + at, lanes);
#pragma GCC unroll 4
    for (int64_t p = 0; p < count; p++) {
        vec y = vec_activate(vec_get(in->x + (first + p) * c + at, lanes) * scale + shift, act);
        if (in->gate) y *= vec_get(gate[p] + at, lanes);
        vec_store(to + p * pitch, y);
    }
}

/* Reads channels [channel, channel + channels) of pixels [first, first + count) into to [count][pitch], which has room
 * for whole vectors. What lies beyond the channels there is meaningless. */
VEC_INLINE void scaled_rows_of(float *to, int64_t pitch, const eff_conv_input *in, int64_t c, int64_t image_pixels,
                               int64_t first, int64_t count, int64_t channel, int64_t channels, const eff_activation act)
{
    for (int64_t p = 0; p < count; p += 4) {
        int64_t rows = count - p < 4 ? count - p : 4, i = 0;
        float *row = to + p * pitch;
        const float *gate[4];
        for (int64_t r = 0; in->gate && r < rows; r++) gate[r] = in->gate + (first + p + r) / image_pixels * c;
        for (; rows == 4 && i + VL <= channels; i += VL)
            scaled_block(row + i, pitch, in, gate, c, first + p, 4, channel + i, VL, act);
        for (; i + VL <= channels; i += VL)
            scaled_block(row + i, pitch, in, gate, c, first + p, rows, channel + i, VL, act);
        if (i < channels)
            scaled_block(row + i, pitch, in, gate, c, first + p, rows, channel + i, channels - i, act);
    }
}

static inline void scaled_rows(float *to, int64_t pitch, const eff_conv_input *in, int64_t c, int64_t image_pixels,
                               int64_t first, int64_t count, int64_t channel, int64_t channels)
{
    if (in->act == EFF_ACT_SILU)
        scaled_rows_of(to, pitch, in, c, image_pixels, first, count, channel, channels, EFF_ACT_SILU);
    else if (in->act == EFF_ACT_RELU)
        scaled_rows_of(to, pitch, in, c, image_pixels, first, count, channel, channels, EFF_ACT_RELU);
    else
        scaled_rows_of(to, pitch, in, c, image_pixels, first, count, channel, channels, EFF_ACT_NONE);
}

#endif
