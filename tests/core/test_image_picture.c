/* Parts of pictures: they have the pixels of the whole, or, at a fraction of the size, nearly its averages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "image/picture.h"
#include "image/resize.h"
#include "test_jpeg_helpers.h"

static const jpeg_kind kinds[] = {
    {97, 131, 3, 2, 2, JPEG_BASELINE, 90},    {97, 131, 3, 2, 1, JPEG_BASELINE, 90},
    {97, 131, 3, 1, 2, JPEG_BASELINE, 90},    {96, 128, 3, 1, 1, JPEG_BASELINE, 90},
    {100, 70, 3, 4, 1, JPEG_BASELINE, 90},    {61, 200, 1, 0, 0, JPEG_BASELINE, 90},
    {97, 131, 3, 2, 2, JPEG_PROGRESSIVE, 90}, {50, 60, 4, 0, 0, JPEG_BASELINE, 90},
    {1, 1, 3, 2, 2, JPEG_BASELINE, 90},       {7, 3, 3, 2, 2, JPEG_BASELINE, 90},
    {300, 17, 3, 2, 2, JPEG_BASELINE, 90},    {16, 16, 3, 2, 2, JPEG_BASELINE, 90},
    {97, 131, 3, 2, 2, JPEG_ARITHMETIC, 90},  {50, 60, 4, 2, 2, JPEG_YCCK, 90},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

typedef struct waves {
    const jpeg_kind *kind;
    eff_rng rng;
} waves;

/* A wavy picture with noise: something at every frequency. */
static void fill_waves(uint8_t *row, int y, void *context)
{
    waves *w = context;
    int components = w->kind->components;
    for (int x = 0; x < w->kind->width; x++)
        for (int c = 0; c < components; c++)
            *row++ = (uint8_t)((y * (3 + c) + x * (2 * c + 1)) % 200 + (int)eff_rng_below(&w->rng, 56));
}

static void make_jpeg(eff_buffer *out, const jpeg_kind *kind)
{
    waves w = {.kind = kind};
    eff_rng_start(&w.rng, 3, EFF_RNG_USER, 0, 0);
    encode_jpeg(out, kind, fill_waves, &w);
}

static eff_rect random_part(int height, int width, eff_rng *rng)
{
    int h = 1 + (int)eff_rng_below(rng, height), w = 1 + (int)eff_rng_below(rng, width);
    return (eff_rect){(int)eff_rng_below(rng, height - h + 1), (int)eff_rng_below(rng, width - w + 1), h, w};
}

static void assert_part(const eff_picture *picture, const eff_image *whole, eff_rect part, eff_image *space)
{
    const eff_image *image;
    const eff_wanted wanted = {part, part.height, part.width};
    eff_box box;
    assert_int_equal(eff_picture_part(&image, &box, picture, &wanted, space), EFF_OK);
    assert_true(box.height == part.height && box.width == part.width);
    for (int y = 0; y < part.height; y++) {
        const uint8_t *got = image->pixels + ((size_t)(box.y + y) * image->width + (size_t)box.x) * 3;
        const uint8_t *want = whole->pixels + ((size_t)(part.y + y) * whole->width + part.x) * 3;
        assert_memory_equal(got, want, (size_t)part.width * 3);
    }
}

static void test_parts_have_the_pixels_of_the_whole(void **state)
{
    (void)state;
    eff_rng rng;
    eff_rng_start(&rng, 1, EFF_RNG_USER, 0, 0);
    for (int k = 0; k < KINDS; k++) {
        eff_buffer file = {0};
        eff_image whole = {0}, space = {0};
        eff_picture picture;
        make_jpeg(&file, &kinds[k]);
        assert_int_equal(eff_image_decode(&whole, file.data, file.size), EFF_OK);
        assert_int_equal(eff_picture_open(&picture, &file), EFF_OK);
        assert_int_equal(picture.height, kinds[k].height);
        assert_int_equal(picture.width, kinds[k].width);
        assert_part(&picture, &whole, eff_image_whole(&whole), &space);
        for (int i = 0; i < 60; i++)
            assert_part(&picture, &whole, random_part(picture.height, picture.width, &rng), &space);
        eff_picture decoded = eff_picture_of(&whole);
        assert_part(&decoded, &whole, random_part(picture.height, picture.width, &rng), &space);
        eff_buffer_free(&file);
        eff_image_free(&whole);
        eff_image_free(&space);
    }
}

static double mean_difference(const eff_image *a, const eff_image *b)
{
    double sum = 0;
    for (size_t i = 0; i < eff_image_bytes(a); i++) sum += abs(a->pixels[i] - b->pixels[i]);
    return sum / (double)eff_image_bytes(a);
}

/* A smooth gradient, where every way to make it smaller must give the same. */
static void fill_gradient(uint8_t *row, int y, void *context)
{
    const jpeg_kind *kind = context;
    for (int x = 0; x < kind->width; x++, row += 3) {
        row[0] = (uint8_t)(255 * x / kind->width);
        row[1] = (uint8_t)(255 * y / kind->height);
        row[2] = (uint8_t)(128 + row[0] / 4 - row[1] / 4);
    }
}

static void make_gradient(eff_buffer *file, int height, int width)
{
    jpeg_kind kind = {height, width, 3, 0, 0, JPEG_BASELINE, 100};
    encode_jpeg(file, &kind, fill_gradient, &kind);
}

static void test_smaller_parts_lie_where_the_larger_ones_do(void **state)
{
    (void)state;
    eff_buffer file = {0};
    eff_image whole = {0}, space = {0}, want = {0}, got = {0};
    eff_resizer resizer = {0};
    eff_picture picture;
    eff_rng rng;
    eff_rng_start(&rng, 2, EFF_RNG_USER, 0, 0);
    make_gradient(&file, 375, 500);
    assert_int_equal(eff_image_decode(&whole, file.data, file.size), EFF_OK);
    assert_int_equal(eff_picture_open(&picture, &file), EFF_OK);
    int seen[4] = {0};
    for (int i = 0; i < 200; i++) {
        eff_wanted wanted = {random_part(375, 500, &rng), 24, 32};
        if (wanted.part.height < 24 || wanted.part.width < 32) continue;
        const eff_image *image;
        eff_box box;
        assert_int_equal(eff_picture_part(&image, &box, &picture, &wanted, &space), EFF_OK);
        assert_true(box.height >= 24 && box.width >= 32);
        int shrink = (int)(wanted.part.height / box.height);
        assert_true(shrink == 8 || wanted.part.height / (2 * shrink) < 24 || wanted.part.width / (2 * shrink) < 32);
        seen[shrink == 1 ? 0 : shrink == 2 ? 1 : shrink == 4 ? 2 : 3]++;
        assert_int_equal(eff_resize_bytes(&got, 24, 32, image, box, EFF_FILTER_PIL_BILINEAR, false, &resizer), EFF_OK);
        assert_int_equal(eff_resize_bytes(&want, 24, 32, &whole, eff_box_of(wanted.part), EFF_FILTER_PIL_BILINEAR, false, &resizer), EFF_OK);
        assert_true(mean_difference(&got, &want) < 0.6); /* half a pixel beside would be 2 where it is 8 times smaller */
    }
    for (int i = 0; i < 4; i++) assert_true(seen[i] > 5);
    eff_buffer_free(&file);
    eff_image_free(&whole);
    eff_image_free(&space);
    eff_image_free(&want);
    eff_image_free(&got);
    eff_resizer_free(&resizer);
}

static void test_damage_is_found(void **state)
{
    (void)state;
    eff_buffer file = {0};
    eff_image space = {0};
    eff_picture picture;
    make_jpeg(&file, &kinds[0]);
    file.size = file.size * 3 / 4;
    assert_int_equal(eff_picture_open(&picture, &file), EFF_OK);
    const eff_image *image;
    eff_box box;
    const eff_wanted bottom = {{80, 10, 10, 10}, 10, 10}, top = {{2, 10, 10, 10}, 10, 10};
    assert_int_equal(eff_picture_part(&image, &box, &picture, &bottom, &space), EFF_E_FORMAT);
    assert_non_null(strstr(eff_message(), "ends early"));
    assert_int_equal(space.height, 0);
    assert_int_equal(eff_picture_part(&image, &box, &picture, &top, &space), EFF_OK);
    assert_int_equal(eff_picture_whole(&image, &picture, &space), EFF_E_FORMAT);
    file.size = 3;
    assert_int_equal(eff_picture_open(&picture, &file), EFF_E_FORMAT);
    eff_buffer_free(&file);
    eff_image_free(&space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_have_the_pixels_of_the_whole),
        cmocka_unit_test(test_smaller_parts_lie_where_the_larger_ones_do),
        cmocka_unit_test(test_damage_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
