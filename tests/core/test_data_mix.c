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

/* Below which chi-square over n + 1 classes stays but for one seed of 100,000 (Wilson and Hilferty). */
static double bound(int n) { return n * pow(1 - 2.0 / (9 * n) + 4.2649 * sqrt(2.0 / (9 * n)), 3); }

/* Classes that are expected less than 5 times are taken together. */
static void assert_frequencies(const int *seen, const double *expected, int n)
{
    double chi = 0.0, rare = 0.0;
    int rare_seen = 0, classes = 0;
    for (int i = 0; i < n; i++) {
        if (expected[i] < 5.0) {
            rare += expected[i];
            rare_seen += seen[i];
            continue;
        }
        chi += (seen[i] - expected[i]) * (seen[i] - expected[i]) / expected[i];
        classes++;
    }
    if (rare > 0.0) chi += (rare_seen - rare) * (rare_seen - rare) / rare;
    else assert_int_equal(rare_seen, 0);
    if (chi > bound(classes)) fail_msg("chi-square is %g over %d classes", chi, classes);
}

/* How probable a weight from 0.5 to x is: the integral of Beta(a, a)'s density, folded at one half. */
static double weight_below(double x, double alpha)
{
    enum { STEPS = 20000 };
    double sums[2] = {0.0, 0.0}, ends[2] = {pow(1 - x, alpha), pow(0.5, alpha)}; /* by v = (1 - t)^a, where it is smooth */
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < STEPS; i++)
            sums[k] += pow(1 - pow((i + 0.5) / STEPS * ends[k], 1 / alpha), alpha - 1) * ends[k] / STEPS;
    return 1 - sums[0] / sums[1];
}

static void test_mixup_weights(void **state)
{
    enum { BATCHES = 1500, BINS = 10 };
    const double alphas[] = {0.2, 1.0};
    float images[N * SAMPLE], labels[N * CLASSES];
    (void)state;
    for (int k = 0; k < 2; k++) {
        int seen[BINS] = {0};
        double expected[BINS];
        for (int i = 0; i < BINS; i++)
            expected[i] = BATCHES * (N - 1) *
                          (weight_below(0.5 + (i + 1) * 0.05, alphas[k]) - weight_below(0.5 + i * 0.05, alphas[k]));
        for (int64_t batch = 0; batch < BATCHES; batch++) {
            mix(images, labels, alphas[k], 0.0, batch);
            for (int i = 0; i < N; i++) {
                if (N - 1 - i == i) continue; /* its own partner */
                int bin = (int)((labels[i * CLASSES + i] - 0.5f) * 2 * BINS);
                seen[bin < BINS ? bin : BINS - 1]++;
            }
        }
        assert_frequencies(seen, expected, BINS);
    }
}

/* With Beta(1, 1) the square of the side is uniform, so half of it is h with (2 h + 1) in 16; the centre is any pixel. */
static void test_cutmix_areas(void **state)
{
    enum { BATCHES = 1500, PIXELS = SIDE * SIDE };
    float images[N * SAMPLE], labels[N * CLASSES];
    int seen[PIXELS + 1] = {0};
    double expected[PIXELS + 1] = {0.0};
    (void)state;
    for (int half = 0; half < SIDE / 2; half++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                int height = (y + half < SIDE ? y + half : SIDE) - (y > half ? y - half : 0);
                int width = (x + half < SIDE ? x + half : SIDE) - (x > half ? x - half : 0);
                expected[height * width] += (2 * half + 1) / 16.0 / PIXELS * BATCHES * (N - 1);
            }
    for (int64_t batch = 0; batch < BATCHES; batch++) {
        mix(images, labels, 0.0, 1.0, batch);
        for (int i = 0; i < N; i++)
            if (N - 1 - i != i) seen[lrintf((1.0f - labels[i * CLASSES + i]) * PIXELS)]++;
    }
    assert_frequencies(seen, expected, PIXELS + 1);
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
        cmocka_unit_test_teardown(test_mixup_weights, nothing_is_left),
        cmocka_unit_test_teardown(test_cutmix_areas, nothing_is_left),
        cmocka_unit_test_teardown(test_both, nothing_is_left),
        cmocka_unit_test_teardown(test_off_and_mistakes, nothing_is_left),
        cmocka_unit_test_teardown(test_named_by_seed_epoch_batch, nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
