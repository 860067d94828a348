/* Pictures are turned as their tag of orientation asks, wholes and parts alike, and damaged tags are no tags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"
#include "base/rng.h"
#include "image/orientation.h"
#include "image/picture.h"
#include "image/resize.h"
#include "test_jpeg_helpers.h"

enum { HEIGHT = 61, WIDTH = 83 };

/* ---- Files ---- */

static void fill_gradient(uint8_t *row, int y, void *context)
{
    (void)context;
    for (int x = 0; x < WIDTH; x++, row += 3) {
        row[0] = (uint8_t)(255 * x / WIDTH);
        row[1] = (uint8_t)(255 * y / HEIGHT);
        row[2] = (uint8_t)(128 + row[0] / 4 - row[1] / 4);
    }
}

static void make_jpeg(eff_buffer *out)
{
    const jpeg_kind kind = {HEIGHT, WIDTH, 3, 2, 2, JPEG_BASELINE, 90};
    encode_jpeg(out, &kind, fill_gradient, NULL);
}

static void insert(eff_buffer *file, size_t at, const void *bytes, size_t n)
{
    assert_int_equal(eff_buffer_reserve(file, file->size + n), EFF_OK);
    memmove(file->data + at + n, file->data + at, file->size - at);
    memcpy(file->data + at, bytes, n);
    file->size += n;
}

static void insert_segment(eff_buffer *jpeg, const void *bytes, size_t n)
{
    const uint8_t head[4] = {0xFF, 0xE1, (uint8_t)((n + 2) >> 8), (uint8_t)(n + 2)};
    insert(jpeg, 2, bytes, n);
    insert(jpeg, 2, head, 4);
}

static void insert_chunk(eff_buffer *png, size_t at, const char *type, const void *bytes, size_t n)
{
    uint8_t head[8] = {0, 0, (uint8_t)(n >> 8), (uint8_t)n}, crc[4] = {0};
    memcpy(head + 4, type, 4); /* a wrong checksum: libpng warns and goes on */
    insert(png, at, crc, 4);
    insert(png, at, bytes, n);
    insert(png, at, head, 8);
}

enum { EXIF_SIZE = 44, TIFF = 6, IFD = TIFF + 8, ENTRY = IFD + 2 + 12 }; /* the second entry is the orientation */

static void put(uint8_t *at, uint32_t value, int bytes, bool little)
{
    for (int i = 0; i < bytes; i++) at[little ? i : bytes - 1 - i] = (uint8_t)(value >> 8 * i);
}

static void put_entry(uint8_t *at, int tag, int type, uint32_t value, bool little)
{
    put(at, (uint32_t)tag, 2, little);
    put(at + 2, (uint32_t)type, 2, little);
    put(at + 4, 1, 4, little);
    put(at + 8, value, type == 3 ? 2 : 4, little);
}

static void make_exif(uint8_t *exif, int orientation, bool little)
{
    memset(exif, 0, EXIF_SIZE);
    memcpy(exif, "Exif\0\0", 6);
    memcpy(exif + TIFF, little ? "II" : "MM", 2);
    put(exif + TIFF + 2, 42, 2, little);
    put(exif + TIFF + 4, IFD - TIFF, 4, little);
    put(exif + IFD, 2, 2, little);
    put_entry(exif + IFD + 2, 0x0100, 4, WIDTH, little);
    put_entry(exif + ENTRY, 0x0112, 3, (uint32_t)orientation, little);
}

/* ---- What is expected ---- */

/* Where row y, column x of the picture lies among the stored pixels, word for word from the EXIF standard: "the 0th row
 * is the visual right-hand side and the 0th column the visual top" and so on. */
static const uint8_t *stored_pixel(const eff_image *stored, int orientation, int y, int x)
{
    int bottom = stored->height - 1, right = stored->width - 1, row = 0, column = 0;
    switch (orientation) {
    case 1: row = y, column = x; break;                  /* row 0: top, column 0: left */
    case 2: row = y, column = right - x; break;          /* top, right */
    case 3: row = bottom - y, column = right - x; break; /* bottom, right */
    case 4: row = bottom - y, column = x; break;         /* bottom, left */
    case 5: row = x, column = y; break;                  /* left, top */
    case 6: row = bottom - x, column = y; break;         /* right, top */
    case 7: row = bottom - x, column = right - y; break; /* right, bottom */
    case 8: row = x, column = right - y; break;          /* left, bottom */
    }
    return stored->pixels + ((size_t)row * stored->width + column) * 3;
}

static void assert_turned(const eff_image *image, const eff_image *stored, int orientation)
{
    assert_int_equal(image->height, orientation < 5 ? stored->height : stored->width);
    assert_int_equal(image->width, orientation < 5 ? stored->width : stored->height);
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++)
            assert_memory_equal(image->pixels + ((size_t)y * image->width + x) * 3,
                                stored_pixel(stored, orientation, y, x), 3);
}

static void assert_decodes_turned(const eff_buffer *file, const eff_image *stored, int orientation)
{
    eff_image image = {0};
    int height = 0, width = 0;
    assert_int_equal(eff_orientation_of(file->data, file->size), orientation);
    assert_int_equal(eff_image_decode(&image, file->data, file->size), EFF_OK);
    assert_turned(&image, stored, orientation);
    assert_int_equal(eff_image_decode_size(&height, &width, file->data, file->size), EFF_OK);
    assert_int_equal(height, image.height);
    assert_int_equal(width, image.width);
    eff_image_free(&image);
}

/* ---- Tests ---- */

static void test_jpeg_is_turned(void **state)
{
    (void)state;
    eff_buffer plain = {0};
    eff_image stored = {0};
    make_jpeg(&plain);
    assert_int_equal(eff_image_decode(&stored, plain.data, plain.size), EFF_OK);
    for (int orientation = 0; orientation <= 9; orientation++) {
        eff_buffer file = {0};
        uint8_t exif[EXIF_SIZE];
        make_jpeg(&file);
        make_exif(exif, orientation, orientation % 2);
        insert_segment(&file, exif, EXIF_SIZE);
        assert_decodes_turned(&file, &stored, orientation >= 1 && orientation <= 8 ? orientation : 1);
        make_exif(exif, orientation, orientation % 2 == 0);
        memcpy(file.data + 6, exif, EXIF_SIZE);
        assert_decodes_turned(&file, &stored, orientation >= 1 && orientation <= 8 ? orientation : 1);
        eff_buffer_free(&file);
    }
    eff_buffer_free(&plain);
    eff_image_free(&stored);
}

static void test_png_is_turned(void **state)
{
    (void)state;
    eff_image stored = {0};
    assert_int_equal(eff_image_reserve(&stored, HEIGHT, WIDTH), EFF_OK);
    for (int y = 0; y < HEIGHT; y++) fill_gradient(stored.pixels + (size_t)y * WIDTH * 3, y, NULL);
    for (int orientation = 1; orientation <= 8; orientation++) {
        eff_buffer file = {0};
        uint8_t exif[EXIF_SIZE];
        assert_int_equal(eff_image_encode_png(&file, &stored), EFF_OK);
        bool at_the_end = orientation % 3 == 0, with_name = orientation % 3 == 1;
        size_t at = at_the_end ? file.size - 12 : 33; /* before IEND, or after IHDR */
        make_exif(exif, orientation, orientation % 2);
        insert_chunk(&file, at, "eXIf", exif + (with_name ? 0 : TIFF), EXIF_SIZE - (with_name ? 0 : TIFF));
        assert_decodes_turned(&file, &stored, orientation);
        eff_buffer_free(&file);
    }
    eff_image_free(&stored);
}

static void test_xmp_counts_where_exif_is_silent(void **state)
{
    static const char xmp[] = "http://ns.adobe.com/xap/1.0/\0<x tiff:OrientationOdd=\"2\" tiff:Orientation=\"6\"/>";
    static const char text[] = "XML:com.adobe.xmp\0\0\0\0\0<tiff:Orientation>8</tiff:Orientation>";
    (void)state;
    eff_buffer jpeg = {0}, png = {0};
    eff_image stored = {0};
    uint8_t exif[EXIF_SIZE];
    make_jpeg(&jpeg);
    assert_int_equal(eff_image_decode(&stored, jpeg.data, jpeg.size), EFF_OK);
    insert_segment(&jpeg, xmp, sizeof xmp - 1);
    assert_decodes_turned(&jpeg, &stored, 6);
    make_exif(exif, 3, true);
    insert_segment(&jpeg, exif, EXIF_SIZE);
    assert_decodes_turned(&jpeg, &stored, 3);
    assert_int_equal(eff_image_encode_png(&png, &stored), EFF_OK);
    insert_chunk(&png, 33, "iTXt", text, sizeof text - 1);
    assert_decodes_turned(&png, &stored, 8);
    eff_buffer_free(&jpeg);
    eff_buffer_free(&png);
    eff_image_free(&stored);
}

static void test_damaged_tags_are_no_tags(void **state)
{
    (void)state;
    uint8_t good[EXIF_SIZE], exif[EXIF_SIZE];
    make_exif(good, 6, true);
    for (size_t n = 0; n < EXIF_SIZE; n++) { /* cut off anywhere before the end of the entry */
        eff_buffer file = {0};
        make_jpeg(&file);
        insert_segment(&file, good, n);
        assert_int_equal(eff_orientation_of(file.data, file.size), n >= ENTRY + 12 ? 6 : 1);
        assert_int_equal(eff_orientation_of(file.data, 6 + n), n >= ENTRY + 12 ? 6 : 1);
        eff_buffer_free(&file);
    }
    static const struct { int at; uint8_t value; } damage[] = {
        {0, 'e'}, {TIFF, 'M'}, {TIFF + 2, 0}, {TIFF + 4, 255}, {TIFF + 7, 255}, {IFD, 0}, {IFD, 1}, {ENTRY, 0x13},
        {ENTRY + 2, 2}, {ENTRY + 4, 2}, {ENTRY + 8, 9}, {ENTRY + 8, 0}, {ENTRY + 9, 1},
    };
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        eff_buffer file = {0};
        eff_image image = {0};
        memcpy(exif, good, EXIF_SIZE);
        exif[damage[i].at] = damage[i].value;
        make_jpeg(&file);
        insert_segment(&file, exif, EXIF_SIZE);
        assert_int_equal(eff_orientation_of(file.data, file.size), 1);
        assert_int_equal(eff_image_decode(&image, file.data, file.size), EFF_OK);
        assert_int_equal(image.width, WIDTH);
        eff_buffer_free(&file);
        eff_image_free(&image);
    }
    assert_int_equal(eff_orientation_of((const uint8_t *)"", 0), 1);
    assert_int_equal(eff_orientation_of((const uint8_t *)"\xFF\xD8", 2), 1);
    assert_int_equal(eff_orientation_of((const uint8_t *)"\x89PNG\r\n\x1A\n", 8), 1);
}

/* A tagged file and the same pixels without the tag. */
typedef struct pair {
    eff_buffer file;
    eff_image whole, space; /* the whole is turned */
    eff_picture picture;
} pair;

static void open_pair(pair *p, int orientation)
{
    uint8_t exif[EXIF_SIZE];
    *p = (pair){0};
    make_jpeg(&p->file);
    make_exif(exif, orientation, true);
    insert_segment(&p->file, exif, EXIF_SIZE);
    assert_int_equal(eff_image_decode(&p->whole, p->file.data, p->file.size), EFF_OK);
    assert_int_equal(eff_picture_open(&p->picture, &p->file), EFF_OK);
    assert_int_equal(p->picture.height, p->whole.height);
    assert_int_equal(p->picture.width, p->whole.width);
}

static void close_pair(pair *p)
{
    eff_buffer_free(&p->file);
    eff_image_free(&p->whole);
    eff_image_free(&p->space);
}

static eff_rect random_part(const eff_image *whole, eff_rng *rng)
{
    int h = 1 + (int)eff_rng_below(rng, whole->height), w = 1 + (int)eff_rng_below(rng, whole->width);
    return (eff_rect){(int)eff_rng_below(rng, whole->height - h + 1), (int)eff_rng_below(rng, whole->width - w + 1), h, w};
}

static void test_parts_lie_in_the_turned_picture(void **state)
{
    (void)state;
    eff_rng rng;
    eff_rng_start(&rng, 5, EFF_RNG_USER, 0, 0);
    for (int orientation = 1; orientation <= 8; orientation++) {
        pair p;
        open_pair(&p, orientation);
        for (int i = 0; i < 40; i++) {
            eff_rect part = random_part(&p.whole, &rng);
            const eff_wanted wanted = {part, part.height, part.width};
            const eff_image *image;
            eff_box box;
            assert_int_equal(eff_picture_part(&image, &box, &p.picture, &wanted, &p.space), EFF_OK);
            assert_true(box.height == part.height && box.width == part.width);
            for (int y = 0; y < part.height; y++)
                assert_memory_equal(image->pixels + ((size_t)(box.y + y) * image->width + (size_t)box.x) * 3,
                                    p.whole.pixels + ((size_t)(part.y + y) * p.whole.width + part.x) * 3,
                                    (size_t)part.width * 3);
        }
        close_pair(&p);
    }
}

static double mean_difference(const eff_image *a, const eff_image *b)
{
    double sum = 0;
    for (size_t i = 0; i < eff_image_bytes(a); i++) sum += abs(a->pixels[i] - b->pixels[i]);
    return sum / (double)eff_image_bytes(a);
}

static void test_smaller_parts_lie_there_too(void **state)
{
    const eff_wanted wanted = {{7, 16, 34, 41}, 8, 10};
    (void)state;
    for (int orientation = 1; orientation <= 8; orientation++) {
        pair p;
        open_pair(&p, orientation);
        const eff_image *image;
        eff_image got = {0}, want = {0};
        eff_resizer resizer = {0};
        eff_box box;
        assert_int_equal(eff_picture_part(&image, &box, &p.picture, &wanted, &p.space), EFF_OK);
        assert_true(box.height == 8.5 && box.width == 10.25);
        assert_int_equal(eff_resize_bytes(&got, 8, 10, image, box, EFF_FILTER_PIL_BILINEAR, false, &resizer), EFF_OK);
        assert_int_equal(eff_resize_bytes(&want, 8, 10, &p.whole, eff_box_of(wanted.part), EFF_FILTER_PIL_BILINEAR,
                                          false, &resizer), EFF_OK);
        assert_true(mean_difference(&got, &want) < 1.5); /* half a pixel beside would be 4 */
        eff_image_free(&got);
        eff_image_free(&want);
        eff_resizer_free(&resizer);
        close_pair(&p);
    }
}

static int nothing_is_left(void **state)
{
    (void)state;
    return eff_pool_get_stats().live_bytes == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_jpeg_is_turned, nothing_is_left),
        cmocka_unit_test_teardown(test_png_is_turned, nothing_is_left),
        cmocka_unit_test_teardown(test_xmp_counts_where_exif_is_silent, nothing_is_left),
        cmocka_unit_test_teardown(test_damaged_tags_are_no_tags, nothing_is_left),
        cmocka_unit_test_teardown(test_parts_lie_in_the_turned_picture, nothing_is_left),
        cmocka_unit_test_teardown(test_smaller_parts_lie_there_too, nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
