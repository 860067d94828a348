/* What becomes of a convolution's sums once they are complete, while they still lie in the nearest cache. */
#ifndef EFF_KERNELS_CONV_EPILOGUE_H
#define EFF_KERNELS_CONV_EPILOGUE_H

#include "kernels/simd/activation.h"

VEC_INLINE vec finished(vec y, vec add, const eff_activation act, bool add_last)
{
    return add_last ? vec_activate(y, act) + add : vec_activate(y + add, act);
}

VEC_INLINE void finish_with(float *y, const float *add, int64_t count, const eff_activation act, bool add_last)
{
    int64_t i = 0;
    for (; i + VL <= count; i += VL)
        vec_store(y + i, finished(vec_load(y + i), add ? vec_load(add + i) : (vec){0}, act, add_last));
    if (i == count) return;
    vec rest = add ? vec_load_some(add + i, count - i) : (vec){0};
    vec_store_some(y + i, finished(vec_load_some(y + i, count - i), rest, act, add_last), count - i);
}

/* Whether sums with their bias are not yet the output */
static inline bool has_epilogue(const eff_conv_output *to) { return to->act != EFF_ACT_NONE || to->add; }

/* The epilogue of y[0 .. count), which lies in to->y and holds sums with their bias */
static inline void finish(const eff_conv_output *to, float *y, int64_t count)
{
    const float *add = to->add ? to->add + (y - to->y) : NULL;
    switch (to->act) {
    case EFF_ACT_SILU: finish_with(y, add, count, EFF_ACT_SILU, to->add_last); break;
    case EFF_ACT_RELU: finish_with(y, add, count, EFF_ACT_RELU, to->add_last); break;
    default: finish_with(y, add, count, EFF_ACT_NONE, to->add_last); break;
    }
}

VEC_INLINE void finish_tile_with(const eff_conv_output *to, float *const *out, const vec *sums, int64_t pixels,
                                 int64_t columns, int vectors, const eff_activation act)
{
    for (int64_t m = 0; m < pixels; m++)
        for (int64_t v = 0; v < vectors; v++) {
            float *y = out[m] + v * VL;
            const float *add = to->add + (y - to->y);
            int64_t lanes = columns - v * VL;
            bool whole = lanes >= VL;
            vec rest = !to->add ? (vec){0} : whole ? vec_load(add) : vec_load_some(add, lanes);
            vec z = finished(sums[m * vectors + v], rest, act, to->add_last);
            if (whole)
                vec_store(y, z);
            else
                vec_store_some(y, z, lanes);
        }
}

/* Writes a tile of sums [pixels][vectors], with their bias, to `columns` channels from out[0 .. pixels) on. */
static inline void finish_tile(const eff_conv_output *to, float *const *out, const vec *sums, int64_t pixels,
                               int64_t columns, int vectors)
{
    switch (to->act) {
    case EFF_ACT_SILU: finish_tile_with(to, out, sums, pixels, columns, vectors, EFF_ACT_SILU); break;
    case EFF_ACT_RELU: finish_tile_with(to, out, sums, pixels, columns, vectors, EFF_ACT_RELU); break;
    default: finish_tile_with(to, out, sums, pixels, columns, vectors, EFF_ACT_NONE); break;
    }
}

#endif
