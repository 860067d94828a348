/* Vectors of float for kernels that are written once and compiled once per instruction set.
 *
 * The build passes EFF_ISA_BUILD (the values of eff_isa) and the compiler's flags for that set; everything
 * else follows from the vector's size. Symbols with external linkage are named ISA_NAME(symbol).
 */
#ifndef EFF_KERNELS_SIMD_VEC_H
#define EFF_KERNELS_SIMD_VEC_H

#include <stdint.h>
#include <string.h>

#if EFF_ISA_BUILD == 2
#include <immintrin.h>
#define ISA_NAME(symbol) symbol##_avx512
#define ISA_TEXT "avx512"
#define ISA_ENUM EFF_ISA_AVX512
#define VEC_BYTES 64
#elif EFF_ISA_BUILD == 1
#define ISA_NAME(symbol) symbol##_avx2
#define ISA_TEXT "avx2"
#define ISA_ENUM EFF_ISA_AVX2
#define VEC_BYTES 32
#else
#define ISA_NAME(symbol) symbol##_portable
#define ISA_TEXT "portable"
#define ISA_ENUM EFF_ISA_PORTABLE
#define VEC_BYTES 16
#endif

enum { VL = VEC_BYTES / 4 }; /* floats in a vector */

typedef float vec __attribute__((vector_size(VEC_BYTES)));
typedef int32_t veci __attribute__((vector_size(VEC_BYTES)));
typedef float vec_in_memory __attribute__((vector_size(VEC_BYTES), aligned(4), may_alias));

#define VEC_INLINE static inline __attribute__((always_inline))

VEC_INLINE vec vec_load(const float *p) { return *(const vec_in_memory *)p; }

VEC_INLINE void vec_store(float *p, vec v) { *(vec_in_memory *)p = v; }

VEC_INLINE vec vec_all(float x) { return x - (vec){0}; }

/* The first `count` lanes; the others read as 0 and are not written. */
VEC_INLINE vec vec_load_some(const float *p, int64_t count)
{
#if EFF_ISA_BUILD == 2
    return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
#else
    vec v = {0};
    for (int64_t i = 0; i < count; i++) v[i] = p[i];
    return v;
#endif
}

VEC_INLINE void vec_store_some(float *p, vec v, int64_t count)
{
#if EFF_ISA_BUILD == 2
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), v);
#else
    for (int64_t i = 0; i < count; i++) p[i] = v[i];
#endif
}

/* A whole vector, or the first lanes of one, by a `lanes` that is a constant where it is VL */
VEC_INLINE vec vec_get(const float *p, const int64_t lanes) { return lanes == VL ? vec_load(p) : vec_load_some(p, lanes); }

VEC_INLINE void vec_put(float *p, vec v, const int64_t lanes)
{
    if (lanes == VL)
        vec_store(p, v);
    else
        vec_store_some(p, v, lanes);
}

/* Lane by lane: mask ? a : b, where a mask is the result of a comparison */
VEC_INLINE vec vec_select(veci mask, vec a, vec b) { return (vec)((mask & (veci)a) | (~mask & (veci)b)); }

/* Lane by lane: x < bound ? a : b, false for NaN; the mask never becomes a vector */
VEC_INLINE vec vec_if_less(vec x, vec bound, vec a, vec b)
{
#if EFF_ISA_BUILD == 2
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, bound, _CMP_LT_OQ), b, a);
#else
    return vec_select(x < bound, a, b);
#endif
}

/* Low and high halves of a and b, interleaved: a0 b0 a1 b1 ... */
#if VEC_BYTES == 64
#define VEC_ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define VEC_ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif VEC_BYTES == 32
#define VEC_ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define VEC_ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define VEC_ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define VEC_ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#endif

/* Transposes VL x VL: interleaving row i with row i + VL/2, log2(VL) times over, sends element (i, j) to (j, i). */
VEC_INLINE void vec_transpose(vec rows[VL])
{
#pragma GCC unroll 4
    for (int round = 1; round < VL; round *= 2) {
        vec old[VL];
#pragma GCC unroll 16
        for (int i = 0; i < VL; i++) old[i] = rows[i];
#pragma GCC unroll 8
        for (int i = 0; i < VL / 2; i++) {
            rows[2 * i] = VEC_ZIP_LOW(old[i], old[i + VL / 2]);
            rows[2 * i + 1] = VEC_ZIP_HIGH(old[i], old[i + VL / 2]);
        }
    }
}

#endif
