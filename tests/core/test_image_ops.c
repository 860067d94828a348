/* Every primitive against values computed by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"
#include "image/ops.h"

/* An image of gray pixels. */
static void make_gray(eff_image *image, int height, int width, const uint8_t *levels)
{
    assert_int_equal(eff_image_reserve(image, height, width), EFF_OK);
    for (int i = 0; i < height * width; i++) memset(image->pixels + 3 * i, levels[i], 3);
}

static void assert_gray(const eff_image *image, const uint8_t *levels)
{
    for (int i = 0; i < image->height * image->width; i++)
        for (int c = 0; c < 3; c++)
            if (image->pixels[3 * i + c] != levels[i])
                fail_msg("pixel %d is %d, not %d", i, image->pixels[3 * i + c], levels[i]);
}

static void test_tables(void **state)
{
    eff_lut lut;
    (void)state;
    eff_lut_identity(&lut);
    for (int x = 0; x < 256; x++) assert_int_equal(lut.table[1][x], x);
    eff_lut_invert(&lut);
    for (int x = 0; x < 256; x++) assert_int_equal(lut.table[2][x], 255 - x);
    eff_lut_posterize(&lut, 2);
    assert_int_equal(lut.table[0][0xFF], 0xC0);
    assert_int_equal(lut.table[0][0x7F], 0x40);
    eff_lut_posterize(&lut, 0);
    assert_int_equal(lut.table[0][255], 0);
    eff_lut_posterize(&lut, 8);
    assert_int_equal(lut.table[0][201], 201);
    eff_lut_posterize(&lut, 10);
    assert_int_equal(lut.table[0][201], 201);
    eff_lut_solarize(&lut, 128);
    assert_int_equal(lut.table[0][127], 127);
    assert_int_equal(lut.table[0][128], 127);
    eff_lut_solarize(&lut, 256);
    assert_int_equal(lut.table[0][255], 255);
    eff_lut_solarize(&lut, 0);
    assert_int_equal(lut.table[0][10], 245);
    eff_lut_solarize_add(&lut, 110, 128);
    assert_int_equal(lut.table[0][0], 110);
    assert_int_equal(lut.table[0][127], 237);
    assert_int_equal(lut.table[0][128], 128);
    eff_lut_solarize_add(&lut, 200, 128);
    assert_int_equal(lut.table[0][100], 255);
    eff_lut_solarize_add(&lut, -50, 128);
    assert_int_equal(lut.table[0][20], 0);
}

static void test_histogram_tables(void **state)
{
    eff_image image = {0};
    eff_lut lut;
    (void)state;
    make_gray(&image, 1, 3, (uint8_t[]){50, 100, 150});
    eff_lut_autocontrast(&lut, &image, EFF_RULE_TF); /* (x - 50) * 2.55 */
    eff_image_apply_lut(&image, &lut);
    assert_gray(&image, (uint8_t[]){0, 127, 255});
    make_gray(&image, 1, 2, (uint8_t[]){77, 77});
    eff_lut_autocontrast(&lut, &image, EFF_RULE_PIL);
    eff_lut lut_equal;
    eff_lut_equalize(&lut_equal, &image);
    assert_int_equal(lut.table[0][77], 77);
    assert_int_equal(lut_equal.table[0][77], 77);
    /* 512 pixels: 257 of 10, 253 of 20, 2 of 30. step = (512 - 2) / 255 = 2;
     * level(10) = (0 + 1) / 2 = 0, level(20) = (257 + 1) / 2 = 129, level(30) = (510 + 1) / 2 = 255 */
    uint8_t levels[512];
    for (int i = 0; i < 512; i++) levels[i] = i < 257 ? 10 : i < 510 ? 20 : 30;
    make_gray(&image, 16, 32, levels);
    eff_lut_equalize(&lut, &image);
    assert_int_equal(lut.table[0][10], 0);
    assert_int_equal(lut.table[0][20], 129);
    assert_int_equal(lut.table[0][30], 255);
    eff_image_free(&image);
}

static void test_color(void **state)
{
    eff_image image = {0};
    (void)state;
    const uint8_t pixel[3] = {200, 100, 0};
    /* TF: (200 * .2989 + 100 * .587) / 255 * 255.5 = 118.71 -> 118; Pillow: 118.5 -> 118 or 119 by its integers */
    assert_int_equal(eff_luminance(pixel, EFF_RULE_TF), 118);
    assert_int_equal(eff_luminance(pixel, EFF_RULE_PIL), (200 * 19595 + 100 * 38470 + 0x8000) >> 16);
    assert_int_equal(eff_image_reserve(&image, 1, 1), EFF_OK);
    memcpy(image.pixels, pixel, 3);
    eff_image_color(&image, 0.5, EFF_RULE_TF);
    assert_memory_equal(image.pixels, ((uint8_t[]){159, 109, 59}), 3);
    memcpy(image.pixels, pixel, 3);
    eff_image_color(&image, 1.0, EFF_RULE_TF);
    assert_memory_equal(image.pixels, pixel, 3);
    memcpy(image.pixels, pixel, 3);
    eff_image_color(&image, 2.0, EFF_RULE_TF); /* 282, 82, -118 */
    assert_memory_equal(image.pixels, ((uint8_t[]){255, 82, 0}), 3);
    eff_image_free(&image);
}

static void test_contrast_and_brightness(void **state)
{
    eff_image image = {0};
    uint8_t levels[1024];
    (void)state;
    make_gray(&image, 1, 2, (uint8_t[]){100, 201});
    assert_int_equal(eff_contrast_gray(&image, EFF_RULE_PIL), 151); /* 150.5 rounded up */
    assert_int_equal(eff_contrast_gray(&image, EFF_RULE_TF), 0);    /* 2 pixels / 256 */
    eff_image_contrast(&image, 0.5, EFF_RULE_PIL);
    assert_gray(&image, (uint8_t[]){125, 176});
    memset(levels, 60, sizeof levels);
    make_gray(&image, 32, 32, levels);
    assert_int_equal(eff_contrast_gray(&image, EFF_RULE_TF), 4);
    eff_image_contrast(&image, 0.5, EFF_RULE_TF);
    assert_int_equal(image.pixels[0], 32);
    make_gray(&image, 1, 3, (uint8_t[]){0, 101, 200});
    eff_image_brightness(&image, 0.5);
    assert_gray(&image, (uint8_t[]){0, 50, 100});
    eff_image_brightness(&image, 2.8);
    assert_gray(&image, (uint8_t[]){0, 140, 255});
    eff_image_brightness(&image, 0.0);
    assert_gray(&image, (uint8_t[]){0, 0, 0});
    assert_int_equal(eff_image_reserve(&image, 300, 300), EFF_OK);
    assert_int_equal(eff_contrast_gray(&image, EFF_RULE_TF), 255);
    eff_image_free(&image);
}

static void test_sharpness(void **state)
{
    eff_image image = {0}, scratch = {0};
    (void)state;
    /* centre: (8 * 10 + 5 * 100) / 13 = 44.6: 44 cut off, 45 rounded */
    const uint8_t spot[9] = {10, 10, 10, 10, 100, 10, 10, 10, 10};
    make_gray(&image, 3, 3, spot);
    assert_int_equal(eff_image_sharpness(&image, 0.0, EFF_RULE_TF, &scratch), EFF_OK);
    assert_gray(&image, (uint8_t[]){10, 10, 10, 10, 44, 10, 10, 10, 10});
    make_gray(&image, 3, 3, spot);
    assert_int_equal(eff_image_sharpness(&image, 0.0, EFF_RULE_PIL, &scratch), EFF_OK);
    assert_gray(&image, (uint8_t[]){10, 10, 10, 10, 45, 10, 10, 10, 10});
    make_gray(&image, 3, 3, spot);
    assert_int_equal(eff_image_sharpness(&image, 1.5, EFF_RULE_TF, &scratch), EFF_OK); /* 44 + 1.5 * 56 */
    assert_gray(&image, (uint8_t[]){10, 10, 10, 10, 128, 10, 10, 10, 10});
    make_gray(&image, 1, 2, (uint8_t[]){3, 9}); /* nothing but border */
    assert_int_equal(eff_image_sharpness(&image, 0.1, EFF_RULE_TF, &scratch), EFF_OK);
    assert_gray(&image, (uint8_t[]){3, 9});
    eff_image_free(&image);
    eff_image_free(&scratch);
}

static const eff_warp official = {EFF_RULE_TF, EFF_WARP_NEAREST, {128, 128, 128}};

static void warp_as(const eff_warp *how, const double m[6], int height, int width, const uint8_t *levels,
                    const uint8_t *want)
{
    eff_image image = {0}, out = {0};
    make_gray(&image, height, width, levels);
    assert_int_equal(eff_image_affine(&out, &image, m, how), EFF_OK);
    assert_gray(&out, want);
    eff_image_free(&image);
    eff_image_free(&out);
}

static void warp(const double m[6], int height, int width, const uint8_t *levels, const uint8_t *want)
{
    warp_as(&official, m, height, width, levels, want);
}

static void test_geometry(void **state)
{
    const uint8_t nine[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    double m[6];
    (void)state;
    eff_matrix_rotate(m, 3, 3, 90.0, EFF_RULE_TF); /* counter-clockwise: the right column becomes the top row */
    warp(m, 3, 3, nine, (uint8_t[]){3, 6, 9, 2, 5, 8, 1, 4, 7});
    eff_matrix_rotate(m, 3, 3, 0.0, EFF_RULE_TF);
    warp(m, 3, 3, nine, nine);
    eff_matrix_rotate(m, 3, 3, 45.0, EFF_RULE_TF); /* the border moves on by one */
    warp(m, 3, 3, nine, (uint8_t[]){2, 3, 6, 1, 5, 9, 4, 7, 8});
    eff_matrix_shear_x(m, 1.0); /* row y takes from x + y */
    warp(m, 3, 3, nine, (uint8_t[]){1, 2, 3, 5, 6, 128, 9, 128, 128});
    eff_matrix_shear_y(m, -1.0); /* column x takes from y - x */
    warp(m, 3, 3, nine, (uint8_t[]){1, 128, 128, 4, 2, 128, 7, 5, 3});
    eff_matrix_translate(m, 1.0, 0.0);
    warp(m, 3, 3, nine, (uint8_t[]){128, 1, 2, 128, 4, 5, 128, 7, 8});
    eff_matrix_translate(m, 0.0, -2.0);
    warp(m, 3, 3, nine, (uint8_t[]){7, 8, 9, 128, 128, 128, 128, 128, 128});
    /* halves round away from zero: -0.5 lies outside, 0.5 is pixel 1, 2.5 lies outside */
    eff_matrix_translate(m, 0.5, 0.0);
    warp(m, 1, 3, (uint8_t[]){1, 2, 3}, (uint8_t[]){128, 2, 3});
    eff_matrix_translate(m, -0.5, 0.0);
    warp(m, 1, 3, (uint8_t[]){1, 2, 3}, (uint8_t[]){2, 3, 128});
}

/* All photographs and magnitudes: tests/lua/golden_augment_spec.lua. */
static void test_warp_filters(void **state)
{
    const uint8_t row[4] = {10, 20, 40, 80}, nine[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    const eff_warp nearest = {EFF_RULE_PIL, EFF_WARP_NEAREST, {128, 128, 128}};
    const eff_warp bilinear = {EFF_RULE_PIL, EFF_WARP_BILINEAR, {128, 128, 128}};
    const eff_warp bicubic = {EFF_RULE_PIL, EFF_WARP_BICUBIC, {128, 128, 128}};
    const eff_warp impossible = {EFF_RULE_TF, EFF_WARP_BICUBIC, {128, 128, 128}};
    eff_image image = {0}, out = {0};
    double m[6];
    (void)state;
    eff_matrix_translate(m, -0.5, 0.0); /* centres at 1, 2, 3 and 4, which is outside */
    warp_as(&nearest, m, 1, 4, row, (uint8_t[]){20, 40, 80, 128});
    warp_as(&bilinear, m, 1, 4, row, (uint8_t[]){15, 30, 60, 128});
    /* at one half the weights are -1/8, 5/8, 5/8, -1/8: 12.5, 26.25, 62.5, the fraction cut off */
    warp_as(&bicubic, m, 1, 4, row, (uint8_t[]){12, 26, 62, 128});
    eff_matrix_translate(m, 0.25, 0.0); /* 0.25 is inside, its left neighbour the border pixel again */
    warp_as(&bilinear, m, 1, 4, row, (uint8_t[]){10, 17, 35, 70});
    eff_matrix_shear_x(m, 1.0); /* row y takes from x + y + 1/2, of the centres x + 1/2 */
    warp_as(&nearest, m, 3, 3, nine, (uint8_t[]){2, 3, 128, 6, 128, 128, 128, 128, 128});
    eff_matrix_rotate(m, 3, 3, 90.0, EFF_RULE_PIL);
    warp_as(&nearest, m, 3, 3, nine, (uint8_t[]){3, 6, 9, 2, 5, 8, 1, 4, 7});
    warp_as(&bilinear, m, 3, 3, nine, (uint8_t[]){3, 6, 9, 2, 5, 8, 1, 4, 7});
    eff_matrix_rotate(m, 3, 3, -360.0, EFF_RULE_PIL);
    warp_as(&bicubic, m, 3, 3, nine, nine);
    eff_matrix_translate(m, 1e300, -1e300);
    warp_as(&nearest, m, 1, 4, row, (uint8_t[]){128, 128, 128, 128});
    warp_as(&bicubic, m, 1, 4, row, (uint8_t[]){128, 128, 128, 128});
    make_gray(&image, 1, 4, row);
    assert_int_equal(eff_image_affine(&out, &image, m, &impossible), EFF_E_ARGUMENT);
    eff_image_free(&image);
}

static void test_flip_and_fill(void **state)
{
    eff_image image = {0};
    (void)state;
    make_gray(&image, 2, 3, (uint8_t[]){1, 2, 3, 4, 5, 6});
    image.pixels[0] = 99; /* the channels keep their order */
    eff_image_flip(&image);
    assert_memory_equal(image.pixels + 6, ((uint8_t[]){99, 1, 1}), 3);
    eff_image_flip(&image);
    image.pixels[0] = 1;
    eff_image_fill(&image, eff_rect_square(0, 2, 1), (uint8_t[]){7, 7, 7}); /* rows -1..0, columns 1..2 */
    assert_gray(&image, (uint8_t[]){1, 7, 7, 4, 5, 6});
    eff_image_fill(&image, eff_rect_square(1, 1, 0), (uint8_t[]){8, 8, 8});
    assert_gray(&image, (uint8_t[]){1, 7, 7, 4, 5, 6});
    eff_image_fill(&image, (eff_rect){-5, -5, 3, 3}, (uint8_t[]){8, 8, 8});
    assert_gray(&image, (uint8_t[]){1, 7, 7, 4, 5, 6});
    eff_image_fill(&image, eff_rect_square(1, 1, 100), (uint8_t[]){9, 9, 9});
    assert_gray(&image, (uint8_t[]){9, 9, 9, 9, 9, 9});
    eff_image_free(&image);
}

static void test_from_floats(void **state)
{
    (void)state;
    eff_image image = {0};
    const float mean[3] = {128, 100, 0}, std[3] = {128, 2, 0.5f}, samples[6] = {-1.5f, 0, 2, 0.5f, NAN, 1e9f};
    assert_int_equal(eff_image_from_floats(&image, samples, 1, 2, mean, std), EFF_OK);
    assert_memory_equal(image.pixels, ((uint8_t[]){0, 100, 1, 192, 0, 255}), 6);
    eff_image_free(&image);
}

static int nothing_is_left(void **state)
{
    (void)state;
    return eff_pool_get_stats().live_bytes == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test_teardown(test_histogram_tables, nothing_is_left),
        cmocka_unit_test_teardown(test_color, nothing_is_left),
        cmocka_unit_test_teardown(test_contrast_and_brightness, nothing_is_left),
        cmocka_unit_test_teardown(test_sharpness, nothing_is_left),
        cmocka_unit_test_teardown(test_geometry, nothing_is_left),
        cmocka_unit_test_teardown(test_warp_filters, nothing_is_left),
        cmocka_unit_test_teardown(test_flip_and_fill, nothing_is_left),
        cmocka_unit_test_teardown(test_from_floats, nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
