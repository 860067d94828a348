/* What the kernel tests share: arrays of random numbers, and a walk over the variants that this CPU can run. */
#ifndef TEST_KERNELS_HELPERS_H
#define TEST_KERNELS_HELPERS_H

#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/variants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef EFF_REAL_DOUBLE
#define EPSILON 2.220446049250313e-16
#else
#define EPSILON 1.1920929e-07
#endif

enum { MOST_TEST_THREADS = 3 };

/* Exactly n elements (so that a sanitizer sees one too many), all NaN: what a kernel must overwrite */
static inline real *unset(int64_t n)
{
    real *a = malloc((size_t)n * sizeof *a + 1);
    assert_non_null(a);
    for (int64_t i = 0; i < n; i++) a[i] = NAN;
    return a;
}

static inline real *normal(int64_t n, uint64_t seed)
{
    eff_rng rng;
    eff_rng_start(&rng, seed, EFF_RNG_USER, 0, 0);
    real *a = unset(n);
    for (int64_t i = 0; i < n; i++) a[i] = (real)eff_rng_normal(&rng);
    return a;
}

static inline real *magnitudes(const real *a, int64_t n)
{
    real *b = unset(n);
    for (int64_t i = 0; i < n; i++) b[i] = real_abs(a[i]);
    return b;
}

/* |got - want| <= factor * EPSILON * scale, element by element; equal infinities and NaN with NaN pass. */
static inline void assert_close(const real *got, const real *want, const real *scale, double factor, int64_t n,
                                const char *what)
{
    for (int64_t i = 0; i < n; i++) {
        double bound = factor * EPSILON * (scale ? scale[i] : fabs((double)want[i]));
        if (fabs((double)got[i] - want[i]) <= bound || got[i] == want[i] || (isnan(got[i]) && isnan(want[i]))) continue;
        fail_msg("%s [%lld of %lld]: %.9g, expected %.9g within %.3g", what, (long long)i, (long long)n,
                 (double)got[i], (double)want[i], bound);
    }
}

static inline void assert_same_bits(const real *got, const real *want, int64_t n, const char *what)
{
    if (memcmp(got, want, (size_t)n * sizeof *got) != 0) fail_msg("%s: other bits at another thread count", what);
}

/* The next variant of the family after `index` that this CPU can run and that supports the problem, or NULL */
static inline const eff_variant *next_variant(int *index, eff_family family, const void *problem)
{
    while (*index < eff_variant_count()) {
        const eff_variant *v = eff_variant_at((*index)++);
        if (v->family == family && v->isa <= eff_isa_best() && (!v->supports || v->supports(problem))) return v;
    }
    return NULL;
}

#endif
