/* The activations that norms and convolutions fuse, on vectors; `act` is a constant at every use. */
#ifndef EFF_KERNELS_SIMD_ACTIVATION_H
#define EFF_KERNELS_SIMD_ACTIVATION_H

#include "kernels/kernels.h"
#include "kernels/simd/math.h"

VEC_INLINE vec vec_activate(vec z, const eff_activation act)
{
    return act == EFF_ACT_SILU ? vec_silu(z) : act == EFF_ACT_RELU ? vec_relu(z) : z;
}

/* dy * act'(z) */
VEC_INLINE vec vec_through_slope(vec dy, vec z, const eff_activation act)
{
    return act == EFF_ACT_SILU   ? dy * vec_silu_slope(z)
           : act == EFF_ACT_RELU ? vec_select(z <= 0.0f, (vec){0}, dy)
                                 : dy;
}

#endif
