/* Damaged files by the thousand: they are refused or become another picture, and do no harm.
 *
 * usage: test_image_fuzz [files a decoder]. Each file is made from a seed (the test's own, and the small ones of the public
 * test images where they are installed) by a stream of random numbers of its own, so that file 1234 is always the same.
 * The sanitizers' builds see what is wrong; the slowest file is named. 5000 files a decoder take a few seconds there.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/pool.h"
#include "base/rng.h"
#include "image/picture.h"
#include "test_jpeg_helpers.h"
#include "test_png_helpers.h"

enum { MAX_SEEDS = 512, LARGEST_SEED = 64 << 10 };

static int files_of_a_decoder = 200;

typedef struct seeds {
    eff_buffer files[MAX_SEEDS];
    int count;
} seeds;

/* ---- Seeds ---- */

static void fill_noise(uint8_t *row, int y, void *context)
{
    const jpeg_kind *kind = context;
    for (int i = 0; i < kind->width * kind->components; i++) row[i] = (uint8_t)(y * 5 + i * i * 3);
}

/* An EXIF segment that turns the picture. */
static void append_turned(seeds *s, const eff_buffer *jpeg)
{
    static const uint8_t exif[] = "\xFF\xE1\0\x22" "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    const size_t n = sizeof exif - 1;
    eff_buffer *out = &s->files[s->count++];
    assert_int_equal(eff_buffer_reserve(out, jpeg->size + n), EFF_OK);
    memcpy(out->data, jpeg->data, 2);
    memcpy(out->data + 2, exif, n);
    memcpy(out->data + 2 + n, jpeg->data + 2, jpeg->size - 2);
    out->size = jpeg->size + n;
}

static void make_jpegs(seeds *s)
{
    jpeg_kind kinds[] = {
        {40, 56, 3, 2, 2, JPEG_BASELINE, 80},    {33, 47, 3, 2, 1, JPEG_BASELINE, 80},
        {24, 24, 1, 0, 0, JPEG_BASELINE, 80},    {40, 56, 3, 2, 2, JPEG_PROGRESSIVE, 80},
        {40, 56, 3, 1, 1, JPEG_ARITHMETIC, 80},  {24, 32, 4, 0, 0, JPEG_BASELINE, 80},
        {24, 32, 4, 2, 2, JPEG_YCCK, 80},        {200, 150, 3, 2, 2, JPEG_PROGRESSIVE, 50},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        encode_jpeg(&s->files[s->count++], &kinds[i], fill_noise, &kinds[i]);
    append_turned(s, &s->files[0]);
    append_turned(s, &s->files[3]);
}

static void make_pngs(seeds *s)
{
    static const png_kind kinds[] = {
        {13, 17, PNG_COLOR_TYPE_GRAY, 1, false},      {13, 17, PNG_COLOR_TYPE_GRAY, 16, true},
        {13, 17, PNG_COLOR_TYPE_RGB, 8, true},        {13, 17, PNG_COLOR_TYPE_RGB, 16, false},
        {13, 17, PNG_COLOR_TYPE_PALETTE, 2, false},   {13, 17, PNG_COLOR_TYPE_PALETTE, 8, true},
        {13, 17, PNG_COLOR_TYPE_GRAY_ALPHA, 8, true}, {13, 17, PNG_COLOR_TYPE_RGB_ALPHA, 16, false},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) encode_png(&s->files[s->count++], &kinds[i]);
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

/* The small files of a folder of public test images, if it is there. */
static void read_folder(seeds *s, const char *name, const char *ending)
{
    const char *given = getenv("EFFV2_DATA"), *home = getenv("HOME");
    char folder[1024], path[2048];
    if (given) snprintf(folder, sizeof folder, "%s/odd/%s", given, name);
    else snprintf(folder, sizeof folder, "%s/.cache/effv2-data/odd/%s", home ? home : "", name);
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, NULL, by_name);
    for (int i = 0; i < n; i++) {
        const char *dot = strrchr(entries[i]->d_name, '.');
        eff_buffer *file = &s->files[s->count];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (dot && strcmp(dot, ending) == 0 && s->count < MAX_SEEDS && eff_buffer_read_file(file, path) == EFF_OK) {
            if (file->size <= LARGEST_SEED) s->count++;
            else eff_buffer_free(file);
        }
        free(entries[i]);
    }
    free(entries);
}

static void free_seeds(seeds *s)
{
    for (int i = 0; i < s->count; i++) eff_buffer_free(&s->files[i]);
    free(s);
}

/* ---- Damage ---- */

static size_t below(eff_rng *rng, size_t n) { return n ? (size_t)eff_rng_below(rng, (int64_t)n) : 0; }

/* Headers are short and matter most: half of the places lie in the first 600 bytes. */
static size_t place(eff_rng *rng, size_t size)
{
    return below(rng, eff_rng_below(rng, 2) && size > 600 ? 600 : size);
}

static void remove_bytes(eff_buffer *file, size_t at, size_t n)
{
    if (n > file->size - at) n = file->size - at;
    memmove(file->data + at, file->data + at + n, file->size - at - n);
    file->size -= n;
}

static void insert_bytes(eff_buffer *file, size_t at, const uint8_t *bytes, size_t n)
{
    assert_int_equal(eff_buffer_reserve(file, file->size + n), EFF_OK);
    memmove(file->data + at + n, file->data + at, file->size - at);
    memcpy(file->data + at, bytes, n);
    file->size += n;
}

static void damage_once(eff_buffer *file, const eff_buffer *other, eff_rng *rng)
{
    static const uint8_t extreme[] = {0, 1, 0x7F, 0x80, 0xFE, 0xFF};
    if (file->size == 0) return;
    size_t at = place(rng, file->size), from = place(rng, other->size);
    size_t n = 1 + below(rng, 64);
    if (n > other->size - from) n = other->size - from;
    switch (eff_rng_below(rng, 8)) {
    case 0: file->data[at] ^= (uint8_t)(1 << eff_rng_below(rng, 8)); break;
    case 1: file->data[at] = (uint8_t)eff_rng_u32(rng); break;
    case 2: file->data[at] = extreme[eff_rng_below(rng, sizeof extreme)]; break;
    case 3: remove_bytes(file, at, n); break;
    case 4: insert_bytes(file, at, other->data + from, n); break;
    case 5: memset(file->data + at, extreme[eff_rng_below(rng, sizeof extreme)], file->size - at < n ? file->size - at : n); break;
    case 6: file->data[at] = (uint8_t)(file->data[at] + eff_rng_below(rng, 9) - 4); break;
    case 7:
        if (eff_rng_below(rng, 8) == 0) file->size = at; /* cut off; not too often, for it hides the rest */
        break;
    }
}

/* File `number` of the stream. */
static void damaged_file(eff_buffer *file, const seeds *s, int number, eff_rng *rng)
{
    eff_rng_start(rng, 11, EFF_RNG_USER, (uint64_t)number, 0);
    const eff_buffer *seed = &s->files[eff_rng_below(rng, s->count)];
    file->size = 0;
    insert_bytes(file, 0, seed->data, seed->size);
    for (int64_t times = 1 + eff_rng_below(rng, 6); times > 0; times--)
        damage_once(file, &s->files[eff_rng_below(rng, s->count)], rng);
}

/* ---- Decoding ---- */

/* The reader is given memory of exactly the file's size, for the address sanitizer. */
static eff_buffer exact_copy(const eff_buffer *file)
{
    eff_buffer copy = {.data = malloc(file->size + !file->size), .size = file->size, .capacity = file->size};
    memcpy(copy.data, file->data, file->size);
    return copy;
}

static unsigned sum_of(const eff_image *image)
{
    unsigned sum = 0;
    for (size_t i = 0; i < eff_image_bytes(image); i++) sum += image->pixels[i];
    return sum;
}

static void decode_whole(const eff_buffer *file, eff_image *space, eff_rng *rng)
{
    (void)rng;
    int height = 0, width = 0;
    eff_status status = eff_image_decode(space, file->data, file->size);
    assert_true(status == EFF_OK || status == EFF_E_FORMAT);
    if (status != EFF_OK) return;
    assert_int_equal(eff_image_decode_size(&height, &width, file->data, file->size), EFF_OK);
    assert_true(height == space->height && width == space->width);
    sum_of(space);
}

static void decode_part(const eff_buffer *file, eff_image *space, eff_rng *rng)
{
    eff_picture picture;
    eff_status status = eff_picture_open(&picture, file);
    assert_true(status == EFF_OK || status == EFF_E_FORMAT);
    if (status != EFF_OK) return;
    eff_wanted wanted = {.part.height = 1 + (int)eff_rng_below(rng, picture.height),
                         .part.width = 1 + (int)eff_rng_below(rng, picture.width)};
    wanted.part.y = (int)eff_rng_below(rng, picture.height - wanted.part.height + 1);
    wanted.part.x = (int)eff_rng_below(rng, picture.width - wanted.part.width + 1);
    wanted.height = 1 + (int)eff_rng_below(rng, wanted.part.height);
    wanted.width = 1 + (int)eff_rng_below(rng, wanted.part.width);
    const eff_image *image;
    eff_box box;
    status = eff_picture_part(&image, &box, &picture, &wanted, space);
    assert_true(status == EFF_OK || status == EFF_E_FORMAT);
    if (status != EFF_OK) return;
    assert_true(box.y >= 0 && box.x >= 0 && box.y + box.height <= image->height && box.x + box.width <= image->width);
    assert_true(box.height >= wanted.height && box.width >= wanted.width);
    sum_of(image);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void decode_all(const char *name, seeds *s, bool png, void (*decode)(const eff_buffer *, eff_image *, eff_rng *))
{
    eff_buffer file = {0};
    eff_image space = {0};
    eff_rng rng;
    double slowest = 0;
    int which = 0, decoded = 0;
    for (int i = 0; i < files_of_a_decoder; i++) {
        damaged_file(&file, s, i, &rng);
        if (png && i % 4) fix_checksums(&file); /* or most damage would be found there */
        eff_buffer exact = exact_copy(&file);
        space.height = 0;
        double start = seconds();
        decode(&exact, &space, &rng);
        double took = seconds() - start;
        decoded += space.height > 0;
        if (took > slowest) slowest = took, which = i;
        free(exact.data);
    }
    print_message("%s: %d of %d damaged files decoded, from %d seeds; the slowest, number %d, took %.0f ms of CPU time\n", name, decoded,
                  files_of_a_decoder, s->count, which, 1e3 * slowest);
    eff_buffer_free(&file);
    eff_image_free(&space);
    free_seeds(s);
}

static seeds *jpeg_seeds(void)
{
    seeds *s = calloc(1, sizeof *s);
    make_jpegs(s);
    read_folder(s, "pillow", ".jpg");
    return s;
}

static void test_jpeg_wholes(void **state)
{
    (void)state;
    decode_all("JPEG", jpeg_seeds(), false, decode_whole);
}

static void test_jpeg_parts(void **state)
{
    (void)state;
    decode_all("parts of JPEG", jpeg_seeds(), false, decode_part);
}

static void test_png(void **state)
{
    (void)state;
    seeds *s = calloc(1, sizeof *s);
    make_pngs(s);
    read_folder(s, "pillow", ".png");
    read_folder(s, "pngsuite", ".png");
    decode_all("PNG", s, true, decode_whole);
}

static int nothing_is_left(void **state)
{
    (void)state;
    return eff_pool_get_stats().live_bytes == 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    if (argc > 1) files_of_a_decoder = atoi(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_jpeg_wholes, nothing_is_left),
        cmocka_unit_test_teardown(test_jpeg_parts, nothing_is_left),
        cmocka_unit_test_teardown(test_png, nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
