/* Philox 4x32-10 and the distributions drawn from it; see rng.h. */
#include "base/rng.h"

#include <math.h>

static void philox_round(uint32_t c[4], const uint32_t k[2])
{
    uint64_t p0 = (uint64_t)0xD2511F53u * c[0];
    uint64_t p1 = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t next[4] = {(uint32_t)(p1 >> 32) ^ c[1] ^ k[0], (uint32_t)p1,
                        (uint32_t)(p0 >> 32) ^ c[3] ^ k[1], (uint32_t)p0};
    for (int i = 0; i < 4; i++) c[i] = next[i];
}

static void philox_block(eff_rng *rng)
{
    uint32_t k[2] = {rng->key[0], rng->key[1]};
    for (int i = 0; i < 4; i++) rng->block[i] = rng->counter[i];
    for (int round = 0; round < 10; round++) {
        philox_round(rng->block, k);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    rng->counter[0]++; /* a stream holds 2^34 numbers; the other words name it */
    rng->used = 0;
}

void eff_rng_start(eff_rng *rng, uint64_t seed, eff_rng_purpose purpose, uint64_t a, uint64_t b)
{
    rng->key[0] = (uint32_t)seed;
    rng->key[1] = (uint32_t)(seed >> 32) ^ ((uint32_t)purpose * 0x85EBCA6Bu);
    rng->counter[0] = 0;
    rng->counter[1] = (uint32_t)a;
    rng->counter[2] = (uint32_t)b;
    rng->counter[3] = (uint32_t)((a >> 32) & 0xFFFFu) | ((uint32_t)(b >> 32) << 16);
    rng->used = 4;
}

uint32_t eff_rng_u32(eff_rng *rng)
{
    if (rng->used == 4) philox_block(rng);
    return rng->block[rng->used++];
}

uint64_t eff_rng_u64(eff_rng *rng)
{
    uint64_t high = eff_rng_u32(rng);
    return high << 32 | eff_rng_u32(rng);
}

double eff_rng_uniform(eff_rng *rng) { return (double)(eff_rng_u64(rng) >> 11) * 0x1p-53; }

double eff_rng_range(eff_rng *rng, double low, double high) { return low + (high - low) * eff_rng_uniform(rng); }

int64_t eff_rng_below(eff_rng *rng, int64_t n)
{
    uint64_t bound = (uint64_t)n, limit = UINT64_MAX - UINT64_MAX % bound, x;
    do x = eff_rng_u64(rng);
    while (x >= limit);
    return (int64_t)(x % bound);
}

double eff_rng_normal(eff_rng *rng)
{
    double u = 1.0 - eff_rng_uniform(rng), v = eff_rng_uniform(rng); /* Box-Muller; u in (0, 1] */
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v);
}

/* Gamma(shape, 1) by Marsaglia and Tsang (2000). */
static double rng_gamma(eff_rng *rng, double shape)
{
    if (shape < 1.0) {
        double u = 1.0 - eff_rng_uniform(rng);
        return rng_gamma(rng, shape + 1.0) * pow(u, 1.0 / shape);
    }
    double d = shape - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        double x = eff_rng_normal(rng), v = 1.0 + c * x;
        if (v <= 0.0) continue;
        v = v * v * v;
        double u = 1.0 - eff_rng_uniform(rng);
        if (log(u) < 0.5 * x * x + d - d * v + d * log(v)) return d * v;
    }
}

double eff_rng_beta(eff_rng *rng, double a, double b)
{
    double x = rng_gamma(rng, a), y = rng_gamma(rng, b);
    if (x + y > 0.0) return x / (x + y);
    return eff_rng_uniform(rng) < a / (a + b) ? 1.0 : 0.0; /* both underflowed: a, b close to 0 */
}

void eff_rng_permutation(eff_rng *rng, int64_t *order, int64_t n)
{
    for (int64_t i = 0; i < n; i++) order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = eff_rng_below(rng, i + 1), held = order[i];
        order[i] = order[j];
        order[j] = held;
    }
}
