/* Tensors: views, broadcasting, conversion, printing; and the pool and random streams below them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/pool.h"
#include "base/rng.h"
#include "tensor/tensor.h"

static eff_tensor *counting(int ndim, const int64_t *shape)
{
    eff_tensor *t = NULL;
    assert_int_equal(eff_tensor_new(&t, EFF_REAL, ndim, shape), EFF_OK);
    for (int64_t i = 0; i < eff_tensor_numel(t); i++) eff_tensor_reals(t)[i] = (real)i;
    return t;
}

static void views_share_storage(void **state)
{
    (void)state;
    eff_tensor *t = counting(3, (int64_t[]){2, 3, 4}), *p = NULL, *s = NULL;
    assert_int_equal(eff_tensor_permute(&p, t, (int[]){2, 0, 1}), EFF_OK);
    assert_int_equal(p->shape[0], 4);
    assert_true(eff_tensor_get(p, (int64_t[]){3, 1, 2}) == 23);
    assert_false(eff_tensor_is_dense(p));
    assert_int_equal(eff_tensor_slice(&s, t, 1, 0, 3, 2), EFF_OK);
    assert_int_equal(s->shape[1], 2);
    eff_tensor_set(s, (int64_t[]){1, 1, 0}, -5);
    assert_true(eff_tensor_get(t, (int64_t[]){1, 2, 0}) == -5);
    eff_tensor_release(t);
    assert_true(eff_tensor_get(s, (int64_t[]){1, 1, 0}) == -5);
    eff_tensor_release(p);
    eff_tensor_release(s);
}

static void reshape_infers_and_refuses(void **state)
{
    (void)state;
    eff_tensor *t = counting(2, (int64_t[]){4, 6}), *r = NULL, *p = NULL;
    assert_int_equal(eff_tensor_reshape(&r, t, 2, (int64_t[]){-1, 8}), EFF_OK);
    assert_int_equal(r->shape[0], 3);
    eff_tensor_release(r);
    assert_int_equal(eff_tensor_reshape(&r, t, 2, (int64_t[]){5, 5}), EFF_E_SHAPE);
    assert_null(r);
    assert_non_null(strstr(eff_message(), "4x6"));
    assert_int_equal(eff_tensor_permute(&p, t, (int[]){1, 0}), EFF_OK);
    assert_int_equal(eff_tensor_reshape(&r, p, 1, (int64_t[]){24}), EFF_OK);
    assert_true(eff_tensor_get(r, (int64_t[]){1}) == 6);
    eff_tensor_release(t);
    eff_tensor_release(p);
    eff_tensor_release(r);
}

static void bad_shapes_are_refused(void **state)
{
    (void)state;
    eff_tensor *t = NULL;
    assert_int_equal(eff_tensor_new(&t, EFF_F32, 1, (int64_t[]){-1}), EFF_E_SHAPE);
    assert_int_equal(eff_tensor_new(&t, EFF_F32, 3, (int64_t[]){INT64_MAX, 2, 2}), EFF_E_SHAPE);
    assert_int_equal(eff_tensor_new(&t, EFF_F32, 7, (int64_t[]){1, 1, 1, 1, 1, 1, 1}), EFF_E_SHAPE);
    assert_null(t);
}

static void empty_and_scalar_tensors_work(void **state)
{
    (void)state;
    eff_tensor *empty = NULL, *copy = NULL, *scalar = NULL;
    char text[128];
    assert_int_equal(eff_tensor_new(&empty, EFF_F32, 2, (int64_t[]){0, 3}), EFF_OK);
    assert_int_equal(eff_tensor_like(&copy, empty), EFF_OK);
    assert_int_equal(eff_tensor_copy(copy, empty), EFF_OK);
    eff_tensor_fill(empty, 1);
    eff_tensor_format(empty, text, sizeof text);
    assert_non_null(strstr(text, "0x3"));
    assert_int_equal(eff_tensor_new(&scalar, EFF_F32, 0, NULL), EFF_OK);
    eff_tensor_fill(scalar, 2.5);
    assert_true(eff_tensor_get(scalar, NULL) == 2.5);
    eff_tensor_release(empty);
    eff_tensor_release(copy);
    eff_tensor_release(scalar);
}

static void conversion_truncates_and_clamps(void **state)
{
    (void)state;
    eff_tensor *from = NULL, *to = NULL;
    static const double values[5] = {-1.9, 300.7, 2.9, 0.0 / 0.0, 1e30};
    static const double bytes[5] = {0, 255, 2, 0, 255}, ints[5] = {-1, 300, 2, 0, INT32_MAX};
    assert_int_equal(eff_tensor_new(&from, EFF_F64, 1, (int64_t[]){5}), EFF_OK);
    memcpy(eff_tensor_data(from), values, sizeof values);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(eff_tensor_new(&to, round ? EFF_I32 : EFF_U8, 1, (int64_t[]){5}), EFF_OK);
        assert_int_equal(eff_tensor_copy(to, from), EFF_OK);
        for (int64_t i = 0; i < 5; i++) assert_true(eff_tensor_get(to, &i) == (round ? ints[i] : bytes[i]));
        eff_tensor_release(to);
    }
    eff_tensor_release(from);
}

static void printing_is_like_numpy(void **state)
{
    (void)state;
    eff_tensor *t = counting(2, (int64_t[]){2, 3}), *large = counting(2, (int64_t[]){200, 300});
    char text[1024];
    assert_true(eff_tensor_format(t, text, sizeof text) < sizeof text);
    assert_string_equal(text, "[[0.0000 1.0000 2.0000]\n [3.0000 4.0000 5.0000]]\n[float32 2x3, 24 B]");
    assert_true(eff_tensor_format(large, text, sizeof text) < sizeof text);
    assert_non_null(strstr(text, "..."));
    assert_true(eff_tensor_format(large, text, 10) > 10);
    eff_tensor_release(t);
    eff_tensor_release(large);
}

static void the_pool_reuses_blocks_and_counts(void **state)
{
    (void)state;
    eff_pool_trim();
    eff_pool_stats before = eff_pool_get_stats();
    void *a = eff_pool_alloc(1000);
    assert_true(((uintptr_t)a & 63) == 0);
    eff_pool_free(a);
    void *b = eff_pool_alloc(990);
    assert_ptr_equal(a, b);
    assert_int_equal(eff_pool_get_stats().system_allocs, before.system_allocs + 1);
    eff_pool_free(b);
    assert_int_equal(eff_pool_get_stats().live_bytes, before.live_bytes);
    eff_pool_trim();
    assert_int_equal(eff_pool_get_stats().cached_bytes, 0);
    assert_null(eff_pool_alloc((size_t)1 << 60));
    for (size_t bytes = 0; bytes < 100000; bytes = bytes * 9 / 8 + 1) { /* no class is too small */
        char *block = eff_pool_alloc(bytes);
        memset(block, 1, bytes);
        eff_pool_free(block);
    }
}

static void random_streams_match_the_published_values(void **state)
{
    (void)state;
    /* Philox 4x32-10, counter 0, key 0: the known-answer test of Random123 */
    static const uint32_t expected[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    eff_rng rng = {.used = 4};
    for (int i = 0; i < 4; i++) assert_int_equal(eff_rng_u32(&rng), expected[i]);
}

static void random_streams_are_apart(void **state)
{
    (void)state;
    eff_rng a, b;
    uint64_t first[8];
    for (int i = 0; i < 8; i++) {
        eff_rng_start(&a, i == 1 ? 2 : 1, i == 2 ? EFF_RNG_MIX : EFF_RNG_AUGMENT, i == 3 ? 9 : i == 4 ? (uint64_t)1 << 40 : 3,
                      i == 5 ? 9 : i == 6 ? (uint64_t)1 << 40 : 4);
        first[i] = eff_rng_u64(&a);
        for (int j = 1; j < i; j++) assert_true(i == 7 || first[i] != first[j]);
    }
    assert_true(first[0] == first[7]);
    eff_rng_start(&a, 5, EFF_RNG_ORDER, 0, 0);
    eff_rng_start(&b, 5, EFF_RNG_ORDER, 0, 0);
    int64_t order[100], seen[100] = {0};
    eff_rng_permutation(&a, order, 100);
    for (int i = 0; i < 100; i++) seen[order[i]]++;
    for (int i = 0; i < 100; i++) assert_int_equal(seen[i], 1);
}

static void distributions_have_their_moments(void **state)
{
    (void)state;
    enum { N = 40000 };
    eff_rng rng;
    double sum = 0, squares = 0, beta = 0;
    eff_rng_start(&rng, 1, EFF_RNG_USER, 0, 0);
    for (int i = 0; i < N; i++) {
        double x = eff_rng_normal(&rng), v = eff_rng_beta(&rng, 0.2, 0.2);
        sum += x;
        squares += x * x;
        assert_true(v >= 0 && v <= 1);
        beta += v;
    }
    assert_true(fabs(sum / N) < 0.02);
    assert_true(fabs(squares / N - 1) < 0.03);
    assert_true(fabs(beta / N - 0.5) < 0.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_share_storage), cmocka_unit_test(reshape_infers_and_refuses),
        cmocka_unit_test(bad_shapes_are_refused), cmocka_unit_test(empty_and_scalar_tensors_work),
        cmocka_unit_test(conversion_truncates_and_clamps), cmocka_unit_test(printing_is_like_numpy),
        cmocka_unit_test(the_pool_reuses_blocks_and_counts), cmocka_unit_test(random_streams_match_the_published_values),
        cmocka_unit_test(random_streams_are_apart), cmocka_unit_test(distributions_have_their_moments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
