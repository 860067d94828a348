/* The loops that peak.c times: registers alone, memory alone. */
#include "kernels/peak.h"
#include "kernels/simd/vec.h"

enum { CHAINS = 12 }; /* independent sums: two a cycle, each four or five cycles long, and registers enough everywhere */

/* Constants that the compiler cannot see; the sums settle near 1. */
static volatile float factor = 0.5f, term = 0.5f;

static float multiply_add(int64_t rounds)
{
    vec a = vec_all(factor), b = vec_all(term), sum[CHAINS];
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++) sum[i] = vec_all((float)i);
    for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) sum[i] = sum[i] * a + b;
    }
    vec all = {0};
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++) all += sum[i];
    return all[0];
}

static float read(const float *a, int64_t n)
{
    vec sum[4] = {{0}};
    for (int64_t i = 0; i + 4 * VL <= n; i += 4 * VL)
        for (int j = 0; j < 4; j++) sum[j] += vec_load(a + i + j * VL);
    vec all = sum[0] + sum[1] + sum[2] + sum[3];
    return all[0];
}

static void copy(float *b, const float *a, int64_t n)
{
    for (int64_t i = 0; i + VL <= n; i += VL) vec_store(b + i, vec_load(a + i));
}

const eff_peak_kernels ISA_NAME(eff_peak) = {2.0 * CHAINS * VL, multiply_add, read, copy};
