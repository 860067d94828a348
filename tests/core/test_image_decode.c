/* Decoding and encoding made-up files of every kind. Public test images: tests/lua/decoded_images_spec.lua. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/pool.h"
#include "base/rng.h"
#include "image/image.h"
#include "test_jpeg_helpers.h"
#include "test_png_helpers.h"

static void fill_noise(eff_image *image, int height, int width)
{
    eff_rng rng;
    eff_rng_start(&rng, 7, EFF_RNG_USER, 0, 0);
    assert_int_equal(eff_image_reserve(image, height, width), EFF_OK);
    for (size_t i = 0; i < eff_image_bytes(image); i++) image->pixels[i] = (uint8_t)eff_rng_u32(&rng);
}

typedef struct plain {
    const uint8_t *pixel;
    int width, components;
} plain;

static void fill_plain(uint8_t *row, int y, void *context)
{
    const plain *p = context;
    (void)y;
    for (int x = 0; x < p->width; x++) memcpy(row + x * p->components, p->pixel, (size_t)p->components);
}

/* A JPEG of one colour; components 1, 3 or 4 (CMYK as it is stored, inverted). */
static void make_jpeg(eff_buffer *out, int height, int width, const uint8_t *pixel, int components, int form)
{
    const jpeg_kind kind = {height, width, components, 0, 0, form, 100};
    plain p = {pixel, width, components};
    encode_jpeg(out, &kind, fill_plain, &p);
}

static void assert_color(const eff_image *image, int height, int width, int r, int g, int b)
{
    assert_int_equal(image->height, height);
    assert_int_equal(image->width, width);
    for (size_t i = 0; i < eff_image_bytes(image); i += 3) {
        assert_in_range(image->pixels[i], r > 0 ? r - 1 : 0, r + 1);
        assert_in_range(image->pixels[i + 1], g > 0 ? g - 1 : 0, g + 1);
        assert_in_range(image->pixels[i + 2], b > 0 ? b - 1 : 0, b + 1);
    }
}

static void test_png_round_trip(void **state)
{
    eff_image image = {0}, back = {0};
    eff_buffer file = {0};
    (void)state;
    fill_noise(&image, 13, 7);
    assert_int_equal(eff_image_encode_png(&file, &image), EFF_OK);
    assert_int_equal(eff_image_decode(&back, file.data, file.size), EFF_OK);
    assert_int_equal(back.height, 13);
    assert_int_equal(back.width, 7);
    assert_memory_equal(back.pixels, image.pixels, eff_image_bytes(&image));
    int height = 0, width = 0;
    assert_int_equal(eff_image_decode_size(&height, &width, file.data, file.size), EFF_OK);
    assert_int_equal(height, 13);
    assert_int_equal(width, 7);
    eff_image_free(&image);
    eff_image_free(&back);
    eff_buffer_free(&file);
}

static void test_jpeg_kinds(void **state)
{
    eff_image image = {0};
    eff_buffer file = {0};
    (void)state;
    make_jpeg(&file, 17, 33, (uint8_t[]){200, 100, 50}, 3, JPEG_BASELINE);
    assert_int_equal(eff_image_decode(&image, file.data, file.size), EFF_OK);
    assert_color(&image, 17, 33, 200, 100, 50);
    make_jpeg(&file, 20, 9, (uint8_t[]){10, 220, 90}, 3, JPEG_PROGRESSIVE);
    assert_int_equal(eff_image_decode(&image, file.data, file.size), EFF_OK);
    assert_color(&image, 20, 9, 10, 220, 90);
    make_jpeg(&file, 8, 8, (uint8_t[]){77}, 1, JPEG_BASELINE);
    assert_int_equal(eff_image_decode(&image, file.data, file.size), EFF_OK);
    assert_color(&image, 8, 8, 77, 77, 77);
    /* stored inverted: 255 = no ink; 204 of 255 left by the cyan ink, no black: red is 204 */
    make_jpeg(&file, 8, 8, (uint8_t[]){204, 255, 102, 255}, 4, JPEG_BASELINE);
    assert_int_equal(eff_image_decode(&image, file.data, file.size), EFF_OK);
    assert_color(&image, 8, 8, 204, 255, 102);
    make_jpeg(&file, 8, 8, (uint8_t[]){204, 255, 102, 128}, 4, JPEG_BASELINE); /* half black: 0.8, 1, 0.4 times 128 */
    assert_int_equal(eff_image_decode(&image, file.data, file.size), EFF_OK);
    assert_color(&image, 8, 8, 102, 128, 51);
    make_jpeg(&file, 8, 8, (uint8_t[]){204, 255, 102, 128}, 4, JPEG_YCCK);
    assert_int_equal(eff_image_decode(&image, file.data, file.size), EFF_OK);
    assert_color(&image, 8, 8, 102, 128, 51);
    make_jpeg(&file, 17, 33, (uint8_t[]){200, 100, 50}, 3, JPEG_ARITHMETIC);
    assert_int_equal(eff_image_decode(&image, file.data, file.size), EFF_OK);
    assert_color(&image, 17, 33, 200, 100, 50);
    eff_image_free(&image);
    eff_buffer_free(&file);
}

static void expect_format_error(const void *data, size_t size, const char *text)
{
    eff_image image = {0};
    assert_int_equal(eff_image_decode(&image, data, size), EFF_E_FORMAT);
    if (!strstr(eff_message(), text)) fail_msg("message \"%s\" lacks \"%s\"", eff_message(), text);
    assert_int_equal(image.height, 0);
    eff_image_free(&image);
}

/* As Pillow: what is damaged in the middle is shown as far as it goes, and only a missing end is an error. */
static void test_jpeg_with_damaged_codes(void **state)
{
    eff_image image = {0};
    eff_buffer file = {0};
    (void)state;
    make_jpeg(&file, 64, 64, (uint8_t[]){200, 100, 50}, 3, JPEG_BASELINE);
    file.size -= 30;
    expect_format_error(file.data, file.size, "ends early");
    memcpy(file.data + file.size - 2, "\xFF\xD9", 2);
    assert_int_equal(eff_image_decode(&image, file.data, file.size), EFF_OK);
    assert_int_equal(image.height, 64);
    assert_in_range(image.pixels[0], 199, 201);
    eff_image_free(&image);
    eff_buffer_free(&file);
}

/* Every kind of PNG becomes RGB; the first pixel of the rows is known. */
static void test_png_kinds(void **state)
{
    static const struct { int color_type, depth; uint8_t pixel[3]; } kinds[] = { /* of byte 3 in row 1 */
        {PNG_COLOR_TYPE_GRAY, 1, {0, 0, 0}},       {PNG_COLOR_TYPE_GRAY, 2, {0, 0, 0}},
        {PNG_COLOR_TYPE_GRAY, 4, {0, 0, 0}},       {PNG_COLOR_TYPE_GRAY, 8, {3, 3, 3}},
        {PNG_COLOR_TYPE_GRAY, 16, {255, 255, 255}}, {PNG_COLOR_TYPE_RGB, 8, {3, 4, 7}},
        {PNG_COLOR_TYPE_RGB, 16, {3, 7, 19}},      {PNG_COLOR_TYPE_PALETTE, 8, {3, 21, 252}},
        {PNG_COLOR_TYPE_PALETTE, 4, {0, 0, 255}},  {PNG_COLOR_TYPE_GRAY_ALPHA, 8, {3, 3, 3}},
        {PNG_COLOR_TYPE_GRAY_ALPHA, 16, {3, 3, 3}}, {PNG_COLOR_TYPE_RGB_ALPHA, 8, {3, 4, 7}},
        {PNG_COLOR_TYPE_RGB_ALPHA, 16, {3, 7, 19}},
    };
    eff_image image = {0};
    eff_buffer file = {0};
    (void)state;
    for (size_t i = 0; i < 2 * sizeof kinds / sizeof kinds[0]; i++) {
        const png_kind kind = {9, 11, kinds[i / 2].color_type, kinds[i / 2].depth, i % 2};
        encode_png(&file, &kind);
        assert_int_equal(eff_image_decode(&image, file.data, file.size), EFF_OK);
        assert_int_equal(image.height, 9);
        assert_int_equal(image.width, 11);
        assert_memory_equal(image.pixels + 11 * 3, kinds[i / 2].pixel, 3);
    }
    eff_image_free(&image);
    eff_buffer_free(&file);
}

static void test_wrong_files(void **state)
{
    (void)state;
    expect_format_error("", 0, "empty");
    expect_format_error("GIF89a.......", 13, "GIF");
    expect_format_error("RIFF....WEBPVP8 ", 16, "WebP");
    expect_format_error("hello world", 11, "neither JPEG nor PNG");
    expect_format_error("\xFF\xD8\xFF\xE0", 4, "ends early");
    expect_format_error("\x89PNG\r\n\x1A\n", 8, "ends early");
}

static void test_truncated(void **state)
{
    eff_image image = {0}, source = {0};
    eff_buffer jpeg = {0}, png = {0};
    (void)state;
    make_jpeg(&jpeg, 64, 64, (uint8_t[]){200, 100, 50}, 3, JPEG_BASELINE);
    fill_noise(&source, 16, 16);
    assert_int_equal(eff_image_encode_png(&png, &source), EFF_OK);
    expect_format_error(jpeg.data, jpeg.size / 2, "ends early");
    expect_format_error(jpeg.data, jpeg.size - 20, "ends early");
    expect_format_error(png.data, png.size / 2, "ends early");
    for (size_t n = 0; n < jpeg.size; n++) /* the end marker itself counts */
        assert_int_equal(eff_image_decode(&image, jpeg.data, n), EFF_E_FORMAT);
    for (size_t n = 0; n < png.size - 12; n++)
        assert_int_equal(eff_image_decode(&image, png.data, n), EFF_E_FORMAT);
    eff_image_free(&image);
    eff_image_free(&source);
    eff_buffer_free(&jpeg);
    eff_buffer_free(&png);
}

/* Damage anywhere is an error or another picture, never a crash. */
static void test_damaged(void **state)
{
    eff_image image = {0}, source = {0};
    eff_buffer files[2] = {{0}, {0}};
    eff_rng rng;
    (void)state;
    make_jpeg(&files[0], 24, 24, (uint8_t[]){200, 100, 50}, 3, JPEG_PROGRESSIVE);
    fill_noise(&source, 8, 8);
    assert_int_equal(eff_image_encode_png(&files[1], &source), EFF_OK);
    eff_rng_start(&rng, 1, EFF_RNG_USER, 0, 0);
    for (int i = 0; i < 1500; i++) {
        eff_buffer *file = &files[i % 2];
        size_t at = (size_t)eff_rng_below(&rng, (int64_t)file->size);
        uint8_t before = file->data[at];
        file->data[at] ^= (uint8_t)(1 + eff_rng_below(&rng, 255));
        eff_status status = eff_image_decode(&image, file->data, file->size);
        assert_true(status == EFF_OK || status == EFF_E_FORMAT);
        file->data[at] = before;
    }
    eff_image_free(&image);
    eff_image_free(&source);
    eff_buffer_free(&files[0]);
    eff_buffer_free(&files[1]);
}

/* Height and width in the header of the frame, two bytes each. */
static void set_jpeg_size(eff_buffer *jpeg, const char *size)
{
    size_t at = 2; /* a segment is FF, its kind, two bytes of length, and the rest */
    while (jpeg->data[at + 1] != 0xC0 && jpeg->data[at + 1] != 0xC2)
        at += 2 + ((size_t)jpeg->data[at + 2] << 8 | jpeg->data[at + 3]);
    memcpy(jpeg->data + at + 5, size, 4);
}

/* Passes without end over an image that is large: the same scan again and again. */
static void test_endless_scans(void **state)
{
    eff_image image = {0};
    eff_buffer jpeg = {0};
    (void)state;
    make_jpeg(&jpeg, 64, 64, (uint8_t[]){1, 2, 3}, 3, JPEG_PROGRESSIVE);
    size_t scan = 2;
    while (jpeg.data[scan + 1] != 0xDA) scan += 2 + ((size_t)jpeg.data[scan + 2] << 8 | jpeg.data[scan + 3]);
    size_t end = scan + 2;
    while (jpeg.data[end] != 0xFF || jpeg.data[end + 1] == 0) end++; /* of the first scan, of the DC coefficients */
    size_t length = end - scan;
    for (int i = 0; i < 600; i++) {
        assert_int_equal(eff_buffer_reserve(&jpeg, jpeg.size + length), EFF_OK);
        memmove(jpeg.data + end + length, jpeg.data + end, jpeg.size - end);
        memcpy(jpeg.data + end, jpeg.data + scan, length);
        jpeg.size += length;
    }
    expect_format_error(jpeg.data, jpeg.size, "too many progressive scans");
    jpeg.size -= 600 * length; /* the first ones alone */
    memcpy(jpeg.data + jpeg.size - 2, "\xFF\xD9", 2);
    assert_int_equal(eff_image_decode(&image, jpeg.data, jpeg.size), EFF_OK);
    eff_image_free(&image);
    eff_buffer_free(&jpeg);
}

static void test_bomb(void **state)
{
    eff_image source = {0};
    eff_buffer png = {0}, jpeg = {0};
    (void)state;
    fill_noise(&source, 4, 4);
    assert_int_equal(eff_image_encode_png(&png, &source), EFF_OK);
    put32(png.data + 16, 20000); /* width and height of the first chunk, which lies at byte 8 */
    put32(png.data + 20, 20000);
    fix_checksums(&png);
    expect_format_error(png.data, png.size, "20000 x 20000 pixels, more than the limit");
    put32(png.data + 16, 15000);
    put32(png.data + 20, 15000);
    fix_checksums(&png);
    expect_format_error(png.data, png.size, "too short for the size in its header");
    make_jpeg(&jpeg, 8, 8, (uint8_t[]){1, 2, 3}, 3, JPEG_BASELINE);
    set_jpeg_size(&jpeg, "\xF0\x00\xF0\x00");
    expect_format_error(jpeg.data, jpeg.size, "61440 x 61440 pixels, more than the limit");
    make_jpeg(&jpeg, 8, 8, (uint8_t[]){1, 2, 3}, 3, JPEG_PROGRESSIVE);
    set_jpeg_size(&jpeg, "\x3F\xFF\x3F\xFF");
    expect_format_error(jpeg.data, jpeg.size, "too short for the size in its header");
    eff_image_free(&source);
    eff_buffer_free(&png);
    eff_buffer_free(&jpeg);
}

static void test_files(void **state)
{
    char path[] = "/tmp/effv2_image_XXXXXX.jpg"; /* a name that says nothing: the bytes are a PNG's */
    eff_image image = {0}, back = {0};
    (void)state;
    int fd = mkstemps(path, 4);
    assert_true(fd >= 0);
    close(fd);
    fill_noise(&image, 5, 6);
    assert_int_equal(eff_image_write_png(path, &image), EFF_OK);
    assert_int_equal(eff_image_read_file(&back, path), EFF_OK);
    assert_memory_equal(back.pixels, image.pixels, eff_image_bytes(&image));
    assert_int_equal(truncate(path, 60), 0);
    assert_int_equal(eff_image_read_file(&back, path), EFF_E_FORMAT);
    assert_int_equal(strncmp(eff_message(), path, strlen(path)), 0);
    unlink(path);
    assert_int_equal(eff_image_read_file(&back, path), EFF_E_IO);
    assert_non_null(strstr(eff_message(), "No such file"));
    assert_int_equal(eff_image_read_file(&back, "/tmp"), EFF_E_IO);
    assert_non_null(strstr(eff_message(), "folder"));
    assert_int_equal(eff_image_write_png("/nowhere/x.png", &image), EFF_E_IO);
    eff_image_free(&image);
    eff_image_free(&back);
}

static int nothing_is_left(void **state)
{
    (void)state;
    return eff_pool_get_stats().live_bytes == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_png_round_trip, nothing_is_left),
        cmocka_unit_test_teardown(test_jpeg_kinds, nothing_is_left),
        cmocka_unit_test_teardown(test_jpeg_with_damaged_codes, nothing_is_left),
        cmocka_unit_test_teardown(test_png_kinds, nothing_is_left),
        cmocka_unit_test_teardown(test_wrong_files, nothing_is_left),
        cmocka_unit_test_teardown(test_truncated, nothing_is_left),
        cmocka_unit_test_teardown(test_damaged, nothing_is_left),
        cmocka_unit_test_teardown(test_endless_scans, nothing_is_left),
        cmocka_unit_test_teardown(test_bomb, nothing_is_left),
        cmocka_unit_test_teardown(test_files, nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
