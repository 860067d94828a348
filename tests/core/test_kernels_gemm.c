/* Matrix products: every variant against the reference, for every combination of transposes, with the same bits at
 * any thread count. */
#include "test_kernels_helpers.h"

static void run_variant(real *c, const eff_variant *v, const real *a, const real *b, const eff_gemm_shape *s)
{
    const eff_gemm_kernels *k = v->kernels;
    size_t bytes = k->scratch(s);
    void *scratch = aligned_alloc(64, (bytes + 63) / 64 * 64);
    memset(scratch, 0xff, bytes);
    k->run(c, a, b, s, scratch);
    free(scratch);
}

static void check_shape(const eff_gemm_shape *s)
{
    int64_t count = s->m * s->n;
    real *a = normal(s->m * s->k, 1), *b = normal(s->k * s->n, 2), *start = normal(count, 3);
    real *size_a = magnitudes(a, s->m * s->k), *size_b = magnitudes(b, s->k * s->n), *scale = magnitudes(start, count);
    real *want = unset(count), *got = unset(count), *first = unset(count);
    int index = 0;
    const eff_variant *reference = next_variant(&index, EFF_FAMILY_GEMM, s);
    memcpy(want, start, (size_t)count * sizeof *want);
    run_variant(want, reference, a, b, s);
    run_variant(scale, reference, size_a, size_b, s);
    for (const eff_variant *v; (v = next_variant(&index, EFF_FAMILY_GEMM, s));) {
        char what[128];
        snprintf(what, sizeof what, "%s m%d n%d k%d %s%s%s", v->name, (int)s->m, (int)s->n, (int)s->k,
                 s->transpose_a ? "ta " : "", s->transpose_b ? "tb " : "", s->accumulate ? "accumulate" : "");
        for (int threads = 1; threads <= MOST_TEST_THREADS; threads++) {
            eff_set_threads(threads);
            real *c = threads == 1 ? first : got;
            if (s->accumulate) memcpy(c, start, (size_t)count * sizeof *c);
            run_variant(c, v, a, b, s);
            if (threads > 1) assert_same_bits(got, first, count, what);
        }
        assert_close(first, want, scale, 1 + sqrt((double)s->k) / 2, count, what);
    }
    real *all[] = {a, b, start, size_a, size_b, scale, want, got, first};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void check(int64_t m, int64_t n, int64_t k)
{
    for (int flags = 0; flags < 8; flags++) {
        eff_gemm_shape s = {.m = m, .n = n, .k = k, .transpose_a = flags & 1, .transpose_b = flags & 2,
                            .accumulate = flags & 4};
        check_shape(&s);
    }
}

static void small_and_ragged(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 3, 7, 17, 33};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++)
            for (int l = 0; l < COUNT; l++) check(sizes[i], sizes[j], sizes[l]);
}

static void large_enough_to_be_cut(void **state)
{
    (void)state;
    check(700, 50, 40);   /* rows */
    check(16, 1000, 320); /* columns */
    check(24, 96, 5000);  /* k */
    check(300, 130, 1100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_and_ragged),
        cmocka_unit_test(large_enough_to_be_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
