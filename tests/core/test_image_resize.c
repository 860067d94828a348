/* Resizing against hand-computed values and Pillow's, and the rules that choose a part. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"
#include "image/resize.h"

static eff_box all_of(const eff_image *image) { return eff_box_of(eff_image_whole(image)); }

static void make_image(eff_image *image, int height, int width)
{
    assert_int_equal(eff_image_reserve(image, height, width), EFF_OK);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                image->pixels[(y * width + x) * 3 + c] = (uint8_t)(x * 37 + y * 59 + c * 83);
}

static void assert_floats(const float *got, const float *want, int n)
{
    for (int i = 0; i < n; i++)
        if (!(fabsf(got[i] - want[i]) <= 1e-4f)) fail_msg("value %d is %g, not %g", i, (double)got[i], (double)want[i]);
}

/* Two pixels 0 and 100 to four: centres at -0.25, 0.25, 0.75, 1.25 of the source. */
static void test_tf_bilinear(void **state)
{
    eff_image image = {0};
    eff_resizer resizer = {0};
    float out[48];
    (void)state;
    assert_int_equal(eff_image_reserve(&image, 1, 2), EFF_OK);
    memcpy(image.pixels, (uint8_t[]){0, 10, 20, 100, 50, 20}, 6);
    assert_int_equal(eff_resize_float(out, 1, 4, &image, all_of(&image), EFF_FILTER_TF_BILINEAR, false, &resizer),
                     EFF_OK);
    assert_floats(out, (float[]){0, 10, 20, 25, 20, 20, 75, 40, 20, 100, 50, 20}, 12);
    /* four to two, without antialiasing: the mean of the middle pairs alone */
    assert_int_equal(eff_image_reserve(&image, 4, 1), EFF_OK);
    memcpy(image.pixels, (uint8_t[]){0, 0, 0, 10, 20, 30, 50, 60, 70, 200, 200, 200}, 12);
    assert_int_equal(eff_resize_float(out, 2, 1, &image, all_of(&image), EFF_FILTER_TF_BILINEAR, false, &resizer),
                     EFF_OK);
    assert_floats(out, (float[]){5, 10, 15, 125, 130, 135}, 6);
    /* the same size changes nothing; a part does not see its surroundings */
    make_image(&image, 4, 5);
    assert_int_equal(eff_resize_float(out, 2, 2, &image, (eff_box){1, 2, 2, 2}, EFF_FILTER_TF_BILINEAR, false, &resizer),
                     EFF_OK);
    for (int i = 0; i < 12; i++)
        assert_float_equal(out[i], image.pixels[((1 + i / 6) * 5 + 2 + i % 6 / 3) * 3 + i % 3], 0.0f);
    eff_image_free(&image);
    eff_resizer_free(&resizer);
}

/* Corner-aligned: output i at i * 2/4 of the source; at 0.5 the weights of a = -0.75 are -3/32, 19/32, 19/32, -3/32. */
static void test_tf_bicubic(void **state)
{
    eff_image image = {0};
    eff_resizer resizer = {0};
    float out[12];
    (void)state;
    assert_int_equal(eff_image_reserve(&image, 1, 2), EFF_OK);
    memcpy(image.pixels, (uint8_t[]){0, 0, 64, 64, 32, 64}, 6);
    assert_int_equal(eff_resize_float(out, 1, 4, &image, all_of(&image), EFF_FILTER_TF_BICUBIC, false, &resizer),
                     EFF_OK);
    /* taps of output 1: pixels 0 0 1 1, of output 3: 0 1 1 1 */
    assert_floats(out, (float[]){0, 0, 64, 32, 16, 64, 64, 32, 64, 70, 35, 64}, 12);
    eff_image_free(&image);
    eff_resizer_free(&resizer);
}

static void check_pillow(int height, int width, eff_filter filter, const uint8_t *want, int n)
{
    eff_image image = {0}, out = {0};
    eff_resizer resizer = {0};
    make_image(&image, 5, 7);
    assert_int_equal(eff_resize_bytes(&out, height, width, &image, all_of(&image), filter, false, &resizer), EFF_OK);
    assert_memory_equal(out.pixels, want, (size_t)n);
    eff_image_free(&image);
    eff_image_free(&out);
    eff_resizer_free(&resizer);
}

static void test_pillow(void **state)
{
    (void)state;
    check_pillow(3, 4, EFF_FILTER_PIL_BILINEAR,
                 (uint8_t[]){44,  127, 158, 102, 185, 117, 170, 145, 80,  171, 62,  138, 137, 156, 77,  179, 107, 105,
                             104, 106, 162, 92,  148, 177, 160, 57,  140, 111, 115, 157, 100, 183, 98,  158, 164, 73},
                 36);
    check_pillow(3, 4, EFF_FILTER_PIL_BICUBIC,
                 (uint8_t[]){36,  127, 164, 100, 197, 111, 179, 149, 71,  173, 49,  146, 140, 164, 67,  193, 103, 100,
                             102, 96,  173, 82,  155, 181, 167, 49,  142, 105, 111, 164, 91,  191, 95,  163, 167, 67},
                 36);
    check_pillow(8, 9, EFF_FILTER_PIL_BILINEAR,
                 (uint8_t[]){0,  83,  166, 25,  108, 191, 53, 136, 219, 82,  165, 191, 111, 194, 21,  140, 223, 50,
                             169, 109, 79,  197, 24,  107, 222, 49,  132, 26,  109, 192, 51,  134, 142, 79,  162, 133},
                 36);
    check_pillow(8, 9, EFF_FILTER_PIL_BICUBIC,
                 (uint8_t[]){0,  77,  159, 18,  101, 196, 49, 132, 249, 78,  160, 215, 107, 190, 17,  136, 252, 40,
                             164, 111, 75,  202, 2,   106, 239, 47,  130, 20,  101, 203, 42,  124, 144, 73,  162, 139},
                 36);
}

/* Each output pixel is the mean of the pixels that it covers; enlarged, pixels repeat. Pillow's: golden_augment_spec.lua. */
static void test_area(void **state)
{
    eff_image image = {0}, out = {0};
    eff_resizer resizer = {0};
    (void)state;
    assert_int_equal(eff_image_reserve(&image, 2, 2), EFF_OK);
    memcpy(image.pixels, (uint8_t[]){0, 10, 20, 4, 20, 20, 8, 30, 20, 13, 40, 255}, 12);
    assert_int_equal(eff_resize_bytes(&out, 1, 1, &image, all_of(&image), EFF_FILTER_AREA, false, &resizer), EFF_OK);
    assert_memory_equal(out.pixels, ((uint8_t[]){7, 25, 79}), 3); /* of rows first: (2 + 11) / 2, 25, (20 + 138) / 2 */
    assert_int_equal(eff_resize_bytes(&out, 4, 4, &image, all_of(&image), EFF_FILTER_AREA, false, &resizer), EFF_OK);
    for (int i = 0; i < 16; i++)
        assert_memory_equal(out.pixels + 3 * i, image.pixels + 3 * (i / 8 * 2 + i % 4 / 2), 3);
    eff_image_free(&image);
    eff_image_free(&out);
    eff_resizer_free(&resizer);
}

static void test_mistakes(void **state)
{
    eff_image image = {0}, out = {0};
    eff_resizer resizer = {0};
    eff_filter filter;
    float floats[3];
    (void)state;
    make_image(&image, 4, 4);
    assert_int_equal(eff_resize_bytes(&out, 0, 4, &image, all_of(&image), EFF_FILTER_PIL_BILINEAR, false, &resizer),
                     EFF_E_ARGUMENT);
    assert_int_equal(eff_resize_bytes(&out, 1, 1, &image, (eff_box){2, 0, 3, 1}, EFF_FILTER_PIL_BILINEAR, false, &resizer),
                     EFF_E_ARGUMENT);
    assert_int_equal(eff_resize_bytes(&out, 1, 1, &image, all_of(&image), EFF_FILTER_TF_BILINEAR, false, &resizer),
                     EFF_E_ARGUMENT);
    assert_int_equal(eff_resize_float(floats, 1, 1, &image, all_of(&image), EFF_FILTER_PIL_BICUBIC, false, &resizer),
                     EFF_E_ARGUMENT);
    assert_int_equal(eff_filter_find(&filter, "lanczos"), EFF_E_ARGUMENT);
    assert_int_equal(eff_filter_find(&filter, "area"), EFF_OK);
    assert_int_equal(filter, EFF_FILTER_AREA);
    assert_int_equal(eff_filter_find(&filter, "pil_bicubic"), EFF_OK);
    assert_int_equal(filter, EFF_FILTER_PIL_BICUBIC);
    eff_image_free(&image);
    eff_image_free(&out);
    eff_resizer_free(&resizer);
}

static void assert_rect(eff_rect r, int y, int x, int height, int width)
{
    assert_int_equal(r.y, y);
    assert_int_equal(r.x, x);
    assert_int_equal(r.height, height);
    assert_int_equal(r.width, width);
}

static void test_fixed_crops(void **state)
{
    int height, width;
    (void)state;
    /* 224/256 = 0.875 of the shorter side: 0.875 * 375 = 328.125 */
    assert_rect(eff_crop_rule32(375, 500, 224, false), 23, 86, 328, 328);
    assert_rect(eff_crop_rule32(375, 500, 224, true), 24, 86, 328, 328); /* (47 + 1) / 2, (172 + 1) / 2 */
    assert_rect(eff_crop_fraction(100, 50, 0.875), 6, 3, 88, 44);
    assert_rect(eff_crop_center(256, 341, 224, 224), 16, 58, 224, 224); /* round half to even: 58.5 is 58 */
    assert_rect(eff_crop_center(10, 400, 224, 224), 0, 88, 10, 224);
    eff_size_shorter(&height, &width, 375, 500, 256);
    assert_int_equal(height, 256);
    assert_int_equal(width, 341);
    eff_size_shorter(&height, &width, 500, 375, 256);
    assert_int_equal(height, 341);
    assert_int_equal(width, 256);
}

static void test_random_crop_ranges(void **state)
{
    eff_random_crop crop = {EFF_CROP_TF, EFF_FALLBACK_WHOLE, 0.05, 1.0, 0.75, 1.33, 0.0, 100, 0};
    (void)state;
    assert_int_equal(eff_random_crop_check(&crop), EFF_OK);
    for (int rule = 0; rule < 2; rule++) {
        crop.rule = rule ? EFF_CROP_PIL : EFF_CROP_TF;
        double sum_area = 0.0;
        enum { N = 20000 };
        eff_rng rng;
        eff_rng_start(&rng, 3, EFF_RNG_AUGMENT, 0, 0);
        for (int i = 0; i < N; i++) {
            eff_rect r = eff_random_crop_draw(&crop, 300, 400, &rng);
            assert_in_range(r.y, 0, 300 - r.height);
            assert_in_range(r.x, 0, 400 - r.width);
            double area = (double)r.height * r.width / (300.0 * 400.0), aspect = (double)r.width / r.height;
            assert_true(area > 0.049 && area <= 1.0);
            assert_true(aspect > 0.74 && aspect < 1.35);
            sum_area += area;
        }
        /* TF draws the height uniformly, torchvision the area; both lose what does not fit. The means of the two
         * distributions, without rounding, are 0.3429 and 0.4159. */
        double mean = rule == 0 ? 0.3429 : 0.4159;
        assert_true(fabs(sum_area / N - mean) < 0.007);
    }
}

static void test_random_crop_exact(void **state)
{
    eff_random_crop crop = {EFF_CROP_TF, EFF_FALLBACK_WHOLE, 1.0, 1.0, 1.0, 1.0, 0.0, 10, 0};
    eff_rng rng;
    (void)state;
    eff_rng_start(&rng, 0, EFF_RNG_AUGMENT, 0, 0);
    assert_rect(eff_random_crop_draw(&crop, 64, 64, &rng), 0, 0, 64, 64);
    assert_rect(eff_random_crop_draw(&crop, 64, 100, &rng), 0, 0, 64, 100); /* no such square: the whole */
    crop.fallback = EFF_FALLBACK_RULE32;
    crop.target = 224;
    assert_rect(eff_random_crop_draw(&crop, 64, 100, &rng), 4, 22, 56, 56);
    crop.fallback = EFF_FALLBACK_CENTER;
    assert_rect(eff_random_crop_draw(&crop, 64, 100, &rng), 0, 18, 64, 64);
    crop.rule = EFF_CROP_PIL;
    assert_rect(eff_random_crop_draw(&crop, 100, 64, &rng), 18, 0, 64, 64);
    /* official V1: a crop below the covered part is tried again */
    crop = (eff_random_crop){EFF_CROP_TF, EFF_FALLBACK_WHOLE, 0.01, 1.0, 1.0, 1.0, 0.5, 100, 0};
    for (int i = 0; i < 200; i++) {
        eff_rect r = eff_random_crop_draw(&crop, 100, 100, &rng);
        assert_true(r.height * r.width >= 5000);
    }
    crop.area_min = 0.0;
    assert_int_equal(eff_random_crop_check(&crop), EFF_E_ARGUMENT);
}

static int nothing_is_left(void **state)
{
    (void)state;
    return eff_pool_get_stats().live_bytes == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_tf_bilinear, nothing_is_left),
        cmocka_unit_test_teardown(test_tf_bicubic, nothing_is_left),
        cmocka_unit_test_teardown(test_pillow, nothing_is_left),
        cmocka_unit_test_teardown(test_area, nothing_is_left),
        cmocka_unit_test_teardown(test_mistakes, nothing_is_left),
        cmocka_unit_test(test_fixed_crops),
        cmocka_unit_test(test_random_crop_ranges),
        cmocka_unit_test(test_random_crop_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
