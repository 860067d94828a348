/* Mixup, CutMix and one-hot labels. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/parallel.h"
#include "base/pool.h"
#include "data/mix.h"

enum { N = 7, SIDE = 8, SAMPLE = SIDE * SIDE * 3, CLASSES = N };

/* Example i is filled with the value i and has class i. */
static void make_batch(float *images, float *labels)
{
    for (int i = 0; i < N * SAMPLE; i++) images[i] = (float)(i / SAMPLE);
    for (int i = 0; i < N * CLASSES; i++) labels[i] = (float)(i % CLASSES == i / CLASSES);
}

static void mix(float *images, float *labels, double mixup, double cutmix, int64_t batch)
{
    eff_mix settings = {mixup, cutmix, 1, 2, batch};
    make_batch(images, labels);
    assert_int_equal(eff_mix_batch(images, labels, N, SIDE, SIDE, CLASSES, &settings), EFF_OK);
}

/* Example i took the part 1 - label[i] from example `partner`, in pixels on average as in labels. */
static void assert_shares(const float *images, const float *labels, int i, int partner)
{
    const float *label = labels + i * CLASSES;
    double sum = 0.0, mean = 0.0;
    for (int c = 0; c < CLASSES; c++) sum += label[c];
    for (int k = 0; k < SAMPLE; k++) mean += images[i * SAMPLE + k] / SAMPLE;
    assert_true(fabs(sum - 1.0) < 1e-6);
    if (partner != i) assert_true(fabs(label[i] + label[partner] - 1.0) < 1e-6);
    assert_true(fabs(mean - (label[i] * i + (1.0 - label[i]) * partner)) < 1e-5);
}

static void test_mixup(void **state)
{
    float images[N * SAMPLE], labels[N * CLASSES], own[N];
    int differing = 0;
    (void)state;
    for (int64_t batch = 0; batch < 50; batch++) {
        mix(images, labels, 0.5, 0.0, batch);
        for (int i = 0; i < N; i++) {
            own[i] = labels[i * CLASSES + i];
            assert_true(own[i] >= 0.5f && own[i] <= 1.0f); /* the larger weight is the example's own */
            assert_shares(images, labels, i, N - 1 - i);
            for (int k = 1; k < SAMPLE; k++) assert_float_equal(images[i * SAMPLE + k], images[i * SAMPLE], 0.0f);
            differing += own[i] != own[0];
        }
    }
    assert_true(differing > 250); /* a weight for each example, not for the batch */
}

static void test_cutmix(void **state)
{
    float images[N * SAMPLE], labels[N * CLASSES];
    double taken = 0.0;
    (void)state;
    for (int64_t batch = 0; batch < 200; batch++) {
        mix(images, labels, 0.0, 1.0, batch);
        for (int i = 0; i < N; i++) {
            int partner = N - 1 - i, top = SIDE, left = SIDE, bottom = -1, right = -1, count = 0;
            assert_shares(images, labels, i, partner);
            if (partner == i) continue;
            for (int y = 0; y < SIDE; y++)
                for (int x = 0; x < SIDE; x++) {
                    float value = images[i * SAMPLE + (y * SIDE + x) * 3];
                    assert_true(value == (float)i || value == (float)partner);
                    if (value != (float)partner) continue;
                    count++;
                    if (y < top) top = y;
                    if (x < left) left = x;
                    if (y > bottom) bottom = y;
                    if (x > right) right = x;
                }
            if (count > 0) assert_int_equal(count, (bottom - top + 1) * (right - left + 1)); /* a full box */
            taken += count;
        }
    }
    taken /= 200.0 * (N - 1) * SIDE * SIDE;
    /* Beta(1, 1): half the area is asked for; clipping at the border and even sides leave less */
    assert_true(taken > 0.2 && taken < 0.35);
}

/* Both: 3 examples of 7 are mixed among themselves, the other 4 are cut among themselves. */
static void test_both(void **state)
{
    float images[N * SAMPLE], labels[N * CLASSES];
    (void)state;
    for (int64_t batch = 0; batch < 30; batch++) {
        mix(images, labels, 0.2, 0.2, batch);
        for (int i = 0; i < N; i++) assert_shares(images, labels, i, i < 3 ? 2 - i : 9 - i);
        assert_float_equal(images[1 * SAMPLE], 1.0f, 0.0f); /* its own partner */
    }
}

static void test_off_and_mistakes(void **state)
{
    float images[N * SAMPLE], labels[N * CLASSES], before[N * SAMPLE];
    eff_mix settings = {-0.1, 0.0, 1, 2, 3};
    (void)state;
    make_batch(before, labels);
    mix(images, labels, 0.0, 0.0, 0);
    assert_memory_equal(images, before, sizeof images);
    assert_int_equal(eff_mix_batch(images, labels, N, SIDE, SIDE, CLASSES, &settings), EFF_E_ARGUMENT);
}

static void test_named_by_seed_epoch_batch(void **state)
{
    float a[N * SAMPLE], b[N * SAMPLE], labels[N * CLASSES];
    (void)state;
    mix(a, labels, 0.3, 0.0, 4);
    int threads = eff_threads();
    eff_set_threads(1);
    mix(b, labels, 0.3, 0.0, 4);
    eff_set_threads(threads);
    assert_memory_equal(a, b, sizeof a);
    mix(b, labels, 0.3, 0.0, 5);
    assert_memory_not_equal(a, b, sizeof a);
}

static int nothing_is_left(void **state)
{
    (void)state;
    return eff_pool_get_stats().live_bytes == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_mixup, nothing_is_left),
        cmocka_unit_test_teardown(test_cutmix, nothing_is_left),
        cmocka_unit_test_teardown(test_both, nothing_is_left),
        cmocka_unit_test_teardown(test_off_and_mistakes, nothing_is_left),
        cmocka_unit_test_teardown(test_named_by_seed_epoch_batch, nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
