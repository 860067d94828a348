/* Elementary functions on vectors of float, within 3 units in the last place (gelu 4), right at infinities, NaN and
 * subnormals. The polynomials are Chebyshev fits of the functions named beside them.
 */
#ifndef EFF_KERNELS_SIMD_MATH_H
#define EFF_KERNELS_SIMD_MATH_H

#include "kernels/simd/vec.h"

#include <math.h>

/* NaN comes out where it went in: the instructions give their second operand then. */
VEC_INLINE vec vec_at_least(vec x, float low)
{
#if EFF_ISA_BUILD == 2
    return _mm512_max_ps(vec_all(low), x);
#else
    return vec_if_less(x, vec_all(low), vec_all(low), x);
#endif
}

VEC_INLINE vec vec_at_most(vec x, float high)
{
#if EFF_ISA_BUILD == 2
    return _mm512_min_ps(vec_all(high), x);
#else
    return vec_if_less(vec_all(high), x, vec_all(high), x);
#endif
}

VEC_INLINE vec vec_abs(vec x) { return (vec)((veci)x & 0x7fffffff); }

VEC_INLINE vec vec_with_sign(vec magnitude, vec sign)
{
    return (vec)((veci)magnitude | ((veci)sign & (int32_t)0x80000000));
}

/* y * 2^n for whole n, where y is about 1: subnormal results and the last power before infinity come out */
VEC_INLINE vec vec_scale_by_power(vec y, vec n)
{
#if EFF_ISA_BUILD == 2
    return _mm512_scalef_ps(y, n);
#else
    const float shift = 12582912.0f;
    veci whole = (veci)(n + shift) - (veci)vec_all(shift), half = whole >> 1;
    return y * (vec)((half + 127) << 23) * (vec)((whole - half + 127) << 23);
#endif
}

/* The n of x = n log(2) + r that leaves the smallest r */
VEC_INLINE vec vec_whole_powers(vec x)
{
    const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number in the low bits */
    return (x * 1.442695041f + shift) - shift;
}

VEC_INLINE vec vec_remainder(vec x, vec n) { return (x - n * 0.693359375f) + n * 2.12194440e-4f; }

/* exp(r) 2^n for |r| < 0.35 */
VEC_INLINE vec vec_exp_scaled(vec r, vec n)
{
    /* (exp(r) - 1 - r) / r^2 */
    vec p = r * 0.0001989198131f + 0.001393454193f;
    p = p * r + 0.008333310024f;
    p = p * r + 0.04166645681f;
    p = p * r + 0.1666666668f;
    p = p * r + 0.5000000014f;
    vec y = (p * r + 1.0f) * r + 1.0f;
    return vec_scale_by_power(y, n);
}

#define VEC_EXP_LEAST -110.0f /* its exponential is 0 already */

/* exp(x) for x in [VEC_EXP_LEAST, 100] */
VEC_INLINE vec vec_exp_between(vec x)
{
    vec n = vec_whole_powers(x);
    return vec_exp_scaled(vec_remainder(x, n), n);
}

VEC_INLINE vec vec_exp(vec x) { return vec_exp_between(vec_at_most(vec_at_least(x, VEC_EXP_LEAST), 100.0f)); }

/* exp(x + tail) for x <= 0 and a tail that is small beside it */
VEC_INLINE vec vec_exp_parts(vec x, vec tail)
{
    x = vec_at_least(x, VEC_EXP_LEAST);
    vec n = vec_whole_powers(x);
    return vec_exp_scaled(vec_remainder(x, n) + tail, n);
}

/* -|x|, but no less than VEC_EXP_LEAST */
VEC_INLINE vec vec_minus_abs(vec x) { return vec_at_least((vec)((veci)x | (int32_t)0x80000000), VEC_EXP_LEAST); }

VEC_INLINE vec vec_exp_minus_abs(vec x) { return vec_exp_between(vec_minus_abs(x)); }

VEC_INLINE vec vec_sigmoid(vec x)
{
    vec e = vec_exp_minus_abs(x);
    return vec_if_less(x, (vec){0}, e, vec_all(1)) / (1.0f + e);
}

/* Beyond this bound e^-|x| is 0 and products with it must be, even where x is infinite. */
#define VEC_SATURATED 1e4f

VEC_INLINE vec vec_silu(vec x)
{
    vec minus = vec_minus_abs(x), e = vec_exp_between(minus);
    return vec_if_less(x, (vec){0}, minus * e, x) / (1.0f + e);
}

VEC_INLINE vec vec_silu_slope(vec x)
{
    vec e = vec_exp_minus_abs(x), d = 1.0f / (1.0f + e), ed = e * d;
    vec bounded = vec_at_most(vec_at_least(x, -VEC_SATURATED), VEC_SATURATED);
    return vec_if_less(x, (vec){0}, ed, d) * (1.0f + bounded * vec_if_less(x, (vec){0}, d, ed));
}

VEC_INLINE vec vec_relu(vec x) { return vec_if_less(x, (vec){0}, (vec){0}, x); }

VEC_INLINE vec vec_tanh(vec x)
{
    vec a = vec_abs(x), z = a * a;
    /* (tanh(a) / a - 1) / a^2 for a < 0.625 */
    vec p = z * 0.002292744816f - 0.008343945516f;
    p = p * z + 0.02176891865f;
    p = p * z - 0.05395925958f;
    p = p * z + 0.1333330356f;
    p = p * z - 0.3333333317f;
    vec large = 1.0f - 2.0f / (vec_exp(2.0f * a) + 1.0f);
    return vec_with_sign(vec_select(a < 0.625f, p * z * a + a, large), x);
}

/* Phi(x), and *density = phi(x), of the normal distribution; |x| <= VEC_SATURATED */
VEC_INLINE vec vec_normal_cdf(vec x, vec *density)
{
    vec a = vec_abs(x), high = (vec)((veci)a & (int32_t)0xfffff000);
    vec e = vec_exp_parts(high * high * -0.5f, (a - high) * (a + high) * -0.5f);
    *density = e * 0.3989422804f;
    /* exp(t^2) erfc(t) / q for a >= 1, with t = a / sqrt(2) and q = 1 / (1 + 0.4 t) */
    vec q = 1.0f / (1.0f + 0.28284271247f * a);
    vec p = q * 0.06449130557f - 0.2371928211f;
    p = p * q + 0.2557875528f;
    p = p * q - 0.0808817543f;
    p = p * q + 0.18007626f;
    p = p * q + 0.15658446f;
    p = p * q + 0.2100157331f;
    p = p * q + 0.2254569203f;
    p = p * q + 0.2256845351f;
    vec tail = 0.5f * q * p * e;
    /* (Phi(x) - 1/2) / x for a < 1 */
    vec z = x * x;
    vec c = z * 5.34982497e-7f - 9.26805555e-6f;
    c = c * z + 0.0001153141808f;
    c = c * z - 0.001187285644f;
    c = c * z + 0.009973549816f;
    c = c * z - 0.06649037961f;
    c = c * z + 0.3989422804f;
    return vec_select(a < 1.0f, c * x + 0.5f, vec_select(x < 0.0f, tail, 1.0f - tail));
}

VEC_INLINE vec vec_gelu(vec x)
{
    vec density, bounded = vec_at_least(x, -VEC_SATURATED);
    return bounded * vec_normal_cdf(vec_at_most(bounded, VEC_SATURATED), &density);
}

VEC_INLINE vec vec_gelu_slope(vec x)
{
    vec density, bounded = vec_at_most(vec_at_least(x, -VEC_SATURATED), VEC_SATURATED);
    vec cdf = vec_normal_cdf(bounded, &density);
    return cdf + bounded * density;
}

VEC_INLINE vec vec_log(vec x)
{
    veci tiny = x < 1.17549435e-38f;
    vec scaled = vec_select(tiny, x * 8388608.0f, x);
    veci bits = (veci)scaled, exponent = ((bits >> 23) & 255) - 126 - (tiny & 23);
    vec m = (vec)((bits & 0x007fffff) | 0x3f000000);
    veci low = m < 0.70710678f;
    vec f = vec_select(low, m + m, m) - 1.0f, e = __builtin_convertvector(exponent + low, vec);
    /* (log(1 + f) - f + f^2 / 2) / f^3 for sqrt(1/2) <= 1 + f < sqrt(2) */
    vec p = f * -0.06201500119f + 0.1053086474f;
    p = p * f - 0.1064619164f;
    p = p * f + 0.1103778336f;
    p = p * f - 0.1245074332f;
    p = p * f + 0.1428652455f;
    p = p * f - 0.1666800152f;
    p = p * f + 0.2000001004f;
    p = p * f - 0.2499999028f;
    p = p * f + 0.3333333328f;
    vec y = p * f * f * f - e * 2.12194440e-4f - 0.5f * f * f;
    y = (f + y) + e * 0.693359375f;
    y = vec_select(x == INFINITY, x, y);
    y = vec_select(x == 0.0f, vec_all(-INFINITY), y);
    return vec_select(x >= 0.0f, y, vec_all(NAN));
}

#endif
