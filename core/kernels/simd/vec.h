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

/* Lane by lane: mask ? a : b, where a mask is the result of a comparison */
VEC_INLINE vec vec_select(veci mask, vec a, vec b) { return (vec)((mask & (veci)a) | (~mask & (veci)b)); }

#endif
