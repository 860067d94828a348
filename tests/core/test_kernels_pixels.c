/* Pixel kernels: every variant gives the reference's bits, at every small width, from rows that end where they end. */
#include "test_kernels_helpers.h"

enum { MOST = 70 };

static uint8_t *random_bytes(size_t n, uint64_t seed)
{
    eff_rng rng;
    eff_rng_start(&rng, seed, EFF_RNG_USER, 0, 0);
    uint8_t *b = malloc(n);
    assert_non_null(b);
    for (size_t i = 0; i < n; i++) b[i] = (uint8_t)eff_rng_below(&rng, 256);
    return b;
}

static const eff_pixel_kernels *reference(void) { return eff_variant_find("pixels.reference")->kernels; }

static void test_normalize(void **state)
{
    const float mean[3] = {128, 100, 0.3f}, inverse[3] = {1.0f / 128, 0.5f, 1.7f};
    (void)state;
    float by_hand[6];
    reference()->normalize_bytes(by_hand, (uint8_t[]){0, 100, 1, 255, 50, 2}, 2, mean, inverse);
    assert_memory_equal(by_hand, ((float[]){-1, 0, 0.7f * 1.7f, 127.0f / 128, -25, 1.7f * 1.7f}), sizeof by_hand);
    int index = 0;
    for (const eff_variant *v; (v = next_variant(&index, EFF_FAMILY_PIXELS, NULL));)
        for (size_t n = 1; n <= MOST; n++) {
            const eff_pixel_kernels *k = v->kernels;
            uint8_t *in = random_bytes(3 * n, n);
            real *got = unset(3 * (int64_t)n), *want = unset(3 * (int64_t)n);
            reference()->normalize_bytes(want, in, n, mean, inverse);
            k->normalize_bytes(got, in, n, mean, inverse);
            assert_memory_equal(got, want, 3 * n * sizeof *got);
            reference()->normalize_floats(want, want, n, mean, inverse);
            k->normalize_floats(got, got, n, mean, inverse);
            assert_memory_equal(got, want, 3 * n * sizeof *got);
            free(in);
            free(got);
            free(want);
        }
}

static void test_cut_to_bytes(void **state)
{
    (void)state;
    const float special[] = {-1, -0.0f, 0.99f, 1, 254.999f, 255, 255.5f, 1e30f, -1e30f, NAN, INFINITY, -INFINITY};
    const uint8_t cut[] = {0, 0, 0, 1, 254, 255, 255, 255, 0, 0, 255, 0};
    enum { SPECIAL = sizeof cut };
    int index = 0;
    for (const eff_variant *v; (v = next_variant(&index, EFF_FAMILY_PIXELS, NULL));)
        for (size_t n = 1; n <= MOST; n++) {
            const eff_pixel_kernels *k = v->kernels;
            real *in = unset((int64_t)n);
            uint8_t *got = malloc(n);
            for (size_t i = 0; i < n; i++) in[i] = special[(i + n) % SPECIAL];
            k->cut_to_bytes(got, in, n);
            for (size_t i = 0; i < n; i++) assert_int_equal(got[i], cut[(i + n) % SPECIAL]);
            free(in);
            free(got);
        }
}

/* Neighbours in a row of `pixels`, from its one end to its other */
static void draw_between(eff_between *to, int width, int pixels, bool mirrored, eff_rng *rng)
{
    for (int i = 0; i < width; i++) {
        int left = width > 1 ? i * (pixels - 1) / (width - 1) : pixels - 1, right = left + 1 < pixels ? left + 1 : left;
        to[mirrored ? width - 1 - i : i] = (eff_between){3 * left, 3 * right, (float)eff_rng_uniform(rng)};
    }
}

static void test_bilinear(void **state)
{
    (void)state;
    eff_between at = {0, 3, 0.25f};
    float by_hand[3];
    reference()->bilinear_row(by_hand, (uint8_t[]){0, 8, 200, 4, 8, 100}, (uint8_t[]){8, 8, 0, 12, 8, 0}, 0.5f, &at, 1, 6);
    assert_memory_equal(by_hand, ((float[]){5, 8, 87.5f}), sizeof by_hand);
    eff_rng rng;
    eff_rng_start(&rng, 1, EFF_RNG_USER, 0, 0);
    int index = 0;
    for (const eff_variant *v; (v = next_variant(&index, EFF_FAMILY_PIXELS, NULL));)
        for (int width = 1; width <= MOST; width++) {
            const eff_pixel_kernels *k = v->kernels;
            int pixels = 1 + (int)eff_rng_below(&rng, MOST);
            size_t row = 3 * (size_t)pixels;
            uint8_t *top = random_bytes(row, (uint64_t)width), *bottom = random_bytes(row, 100 + (uint64_t)width);
            eff_between columns[MOST];
            draw_between(columns, width, pixels, width % 2 == 1, &rng);
            real *got = unset(3 * width), *want = unset(3 * width);
            reference()->bilinear_row(want, top, bottom, 0.3f, columns, width, row);
            k->bilinear_row(got, top, bottom, 0.3f, columns, width, row);
            assert_memory_equal(got, want, 3 * (size_t)width * sizeof *got);
            free(top);
            free(bottom);
            free(got);
            free(want);
        }
}

enum { MOST_TAPS = 9 };

/* Weights that sum to 1, some of them negative, so that sums leave 0 .. 255 at times */
static void draw_weights(int32_t *weight, int count, eff_rng *rng)
{
    const int32_t one = 1 << EFF_TAP_BITS;
    int32_t left = one;
    for (int k = 0; k < MOST_TAPS; k++, weight += EFF_TAP_BLOCK) {
        *weight = k >= count ? 0 : k == count - 1 ? left : (int32_t)(eff_rng_range(rng, -0.3, 0.5) * one);
        left -= *weight;
    }
}

static void test_filters(void **state)
{
    (void)state;
    eff_rng rng;
    eff_rng_start(&rng, 2, EFF_RNG_USER, 0, 0);
    int index = 0;
    for (const eff_variant *v; (v = next_variant(&index, EFF_FAMILY_PIXELS, NULL));)
        for (int width = 1; width <= MOST; width++) {
            const eff_pixel_kernels *k = v->kernels;
            int pixels = MOST_TAPS + (int)eff_rng_below(&rng, MOST);
            size_t row = 3 * (size_t)pixels, n = 3 * (size_t)width;
            int32_t first[MOST], count[MOST], most[MOST], furthest[MOST], weight[(MOST + EFF_TAP_BLOCK) * MOST_TAPS];
            eff_taps taps = {first, count, most, furthest, weight, MOST_TAPS};
            for (int i = 0; i < width; i++) {
                count[i] = 1 + (int)eff_rng_below(&rng, MOST_TAPS);
                first[i] = i % 3 == 0 ? pixels - count[i] : (int)eff_rng_below(&rng, pixels - count[i] + 1);
                draw_weights(eff_taps_of(&taps, i), count[i], &rng);
            }
            eff_taps_close(&taps, width);
            uint8_t *in = random_bytes(row, (uint64_t)width), *got = malloc(n), *want = malloc(n);
            reference()->filter_row(want, in, &taps, width, row);
            k->filter_row(got, in, &taps, width, row);
            assert_memory_equal(got, want, n);
            size_t stride = n + (size_t)width % 5;
            uint8_t *rows = random_bytes(stride * (size_t)(count[0] - 1) + n, 7);
            reference()->filter_column(want, rows, n, stride, weight, count[0]);
            k->filter_column(got, rows, n, stride, weight, count[0]);
            assert_memory_equal(got, want, n);
            free(rows);
            free(in);
            free(got);
            free(want);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalize),
        cmocka_unit_test(test_cut_to_bytes),
        cmocka_unit_test(test_bilinear),
        cmocka_unit_test(test_filters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
