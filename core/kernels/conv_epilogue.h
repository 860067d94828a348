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

#endif
