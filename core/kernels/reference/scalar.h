/* The scalar functions behind the reference kernels, right at infinities and NaN too. */
#ifndef EFF_KERNELS_REFERENCE_SCALAR_H
#define EFF_KERNELS_REFERENCE_SCALAR_H

#include "kernels/kernels.h"

/* Products such as x * (1 - sigmoid(x)) tend to 0 where x is infinite; beyond this bound they are 0 already. */
#define EFF_SATURATED ((real)1e4)

/* The comparisons let NaN through. */
static inline real scalar_clamp(real x)
{
    return x > EFF_SATURATED ? EFF_SATURATED : x < -EFF_SATURATED ? -EFF_SATURATED : x;
}

static inline real scalar_sigmoid(real x)
{
    real e = real_exp(-real_abs(x));
    return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

static inline real scalar_silu(real x) { return x < -EFF_SATURATED ? 0 : x * scalar_sigmoid(x); }

static inline real scalar_silu_slope(real x)
{
    return scalar_sigmoid(x) * (1 + scalar_clamp(x) * scalar_sigmoid(-x));
}

static inline real scalar_relu(real x) { return x < 0 ? 0 : x; }

static inline real scalar_relu_slope(real x) { return x <= 0 ? 0 : 1; }

static inline real scalar_activation(eff_activation act, real x)
{
    return act == EFF_ACT_SILU ? scalar_silu(x) : act == EFF_ACT_RELU ? scalar_relu(x) : x;
}

static inline real scalar_activation_slope(eff_activation act, real x)
{
    return act == EFF_ACT_SILU ? scalar_silu_slope(x) : act == EFF_ACT_RELU ? scalar_relu_slope(x) : 1;
}

#endif
