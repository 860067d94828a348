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
#include <jpeglib.h>

#include "base/rng.h"
#include "image/picture.h"
#include "image/resize.h"

typedef struct jpeg_kind {
    int height, width, components, across, down; /* of luma to chroma */
    bool progressive;
} jpeg_kind;

static const jpeg_kind kinds[] = {
    {97, 131, 3, 2, 2, false}, {97, 131, 3, 2, 1, false}, {97, 131, 3, 1, 2, false}, {96, 128, 3, 1, 1, false},
    {100, 70, 3, 4, 1, false}, {61, 200, 1, 1, 1, false}, {97, 131, 3, 2, 2, true},  {50, 60, 4, 1, 1, false},
    {1, 1, 3, 2, 2, false},    {7, 3, 3, 2, 2, false},    {300, 17, 3, 2, 2, false}, {16, 16, 3, 2, 2, false},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* A wavy picture with noise: something at every frequency. */
static uint8_t pixel(int y, int x, int c, eff_rng *rng)
{
    return (uint8_t)((y * (3 + c) + x * (2 * c + 1)) % 200 + (int)eff_rng_below(rng, 56));
}

static void make_jpeg(eff_buffer *out, const jpeg_kind *kind)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    eff_rng rng;
    eff_rng_start(&rng, 3, EFF_RNG_USER, 0, 0);
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &size);
    jpeg.image_width = (JDIMENSION)kind->width;
    jpeg.image_height = (JDIMENSION)kind->height;
    jpeg.input_components = kind->components;
    jpeg.in_color_space = kind->components == 1 ? JCS_GRAYSCALE : kind->components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 90, TRUE);
    if (kind->components == 3) {
        jpeg.comp_info[0].h_samp_factor = kind->across;
        jpeg.comp_info[0].v_samp_factor = kind->down;
    }
    if (kind->progressive) jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    uint8_t *row = malloc((size_t)kind->width * kind->components);
    while (jpeg.next_scanline < jpeg.image_height) {
        for (int i = 0; i < kind->width * kind->components; i++)
            row[i] = pixel((int)jpeg.next_scanline, i / kind->components, i % kind->components, &rng);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    free(row);
    assert_int_equal(eff_buffer_reserve(out, size), EFF_OK);
    memcpy(out->data, bytes, size);
    out->size = size;
    free(bytes);
    jpeg_destroy_compress(&jpeg);
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
static void make_gradient(eff_buffer *file, int height, int width)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &size);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 100, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    uint8_t *row = malloc((size_t)width * 3);
    while (jpeg.next_scanline < jpeg.image_height) {
        for (int x = 0; x < width; x++) {
            row[3 * x] = (uint8_t)(255 * x / width);
            row[3 * x + 1] = (uint8_t)(255 * (int)jpeg.next_scanline / height);
            row[3 * x + 2] = (uint8_t)(128 + row[3 * x] / 4 - row[3 * x + 1] / 4);
        }
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    free(row);
    assert_int_equal(eff_buffer_reserve(file, size), EFF_OK);
    memcpy(file->data, bytes, size);
    file->size = size;
    free(bytes);
    jpeg_destroy_compress(&jpeg);
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
        assert_int_equal(eff_resize_bytes(&got, 24, 32, image, box, EFF_FILTER_PIL_BILINEAR, &resizer), EFF_OK);
        assert_int_equal(eff_resize_bytes(&want, 24, 32, &whole, eff_box_of(wanted.part), EFF_FILTER_PIL_BILINEAR,
                                          &resizer), EFF_OK);
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
