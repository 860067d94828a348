/* Folder, CIFAR, shapes and subset sources: what they list, what they read, and what they say when it goes wrong. */
#define _GNU_SOURCE /* nftw */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/pool.h"
#include "data/shapes_scene.h"
#include "data/source.h"

static char root[64];

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/effv2_source_XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    if (nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS) != 0) return -1;
    return eff_pool_get_stats().live_bytes == 0 ? 0 : -1;
}

static const char *below(const char *part)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", root, part);
    return path;
}

static void make_folder(const char *part)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, part);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    }
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
}

/* A PNG of 2 x 2 pixels of one level. */
static void make_picture(const char *part, int level)
{
    eff_image image = {0};
    char folder[512];
    snprintf(folder, sizeof folder, "%s", part);
    *strrchr(folder, '/') = '\0';
    make_folder(folder);
    assert_int_equal(eff_image_reserve(&image, 2, 2), EFF_OK);
    memset(image.pixels, level, 12);
    assert_int_equal(eff_image_write_png(below(part), &image), EFF_OK);
    eff_image_free(&image);
}

static void make_bytes(const char *part, const void *bytes, size_t size)
{
    FILE *file = fopen(below(part), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static eff_source *open_folder(const char *split)
{
    eff_folder_options options = {split, 0.2, 0};
    eff_source *source = NULL;
    eff_status status = eff_source_open_folder(&source, root, &options);
    if (status != EFF_OK) fail_msg("%s", eff_message());
    return source;
}

static void expect_refused(const char *split, eff_status want, const char *text)
{
    eff_folder_options options = {split, 0.2, 0};
    eff_source *source = NULL;
    assert_int_equal(eff_source_open_folder(&source, root, &options), want);
    if (!strstr(eff_message(), text)) fail_msg("message \"%s\" lacks \"%s\"", eff_message(), text);
}

static void assert_name(const eff_source *source, int64_t index, const char *part)
{
    char name[512];
    eff_source_name(source, index, name, sizeof name);
    assert_string_equal(name, below(part));
}

static void read_pixels(const eff_source *source, int64_t index, eff_reader *reader)
{
    const eff_image *image;
    assert_int_equal(eff_source_read(source, index, reader), EFF_OK);
    assert_int_equal(eff_picture_whole(&image, &reader->picture, &reader->image), EFF_OK);
    assert_ptr_equal(image, &reader->image);
}

static void test_folder(void **state)
{
    eff_reader reader = {0};
    (void)state;
    make_picture("train/dog/b.png", 11);
    make_picture("train/dog/a.jpg", 10); /* the content decides */
    make_picture("train/cat/z.png", 20);
    make_picture("train/cat/deep/er/y.png", 21);
    make_picture("train/cat/noextension", 22);
    make_picture("train/.hidden/x.png", 1);
    make_picture("train/cat/.x.png", 1);
    make_picture("val/cat/v.png", 30);
    make_picture("val/dog/w.PNG", 31);
    make_bytes("train/dog/notes.txt", "hello", 5);
    make_bytes("train/stray.txt", "hello", 5);
    eff_source *source = open_folder("train");
    assert_int_equal(source->classes, 2);
    assert_string_equal(source->class_names[0], "cat");
    assert_string_equal(source->class_names[1], "dog");
    assert_int_equal(source->count, 5);
    const char *const names[5] = {"train/cat/deep/er/y.png", "train/cat/noextension", "train/cat/z.png",
                                  "train/dog/a.jpg", "train/dog/b.png"};
    const int levels[5] = {21, 22, 20, 10, 11};
    for (int i = 0; i < 5; i++) {
        assert_name(source, i, names[i]);
        assert_int_equal(eff_source_label(source, i), i < 3 ? 0 : 1);
        read_pixels(source, i, &reader);
        assert_int_equal(reader.image.pixels[0], levels[i]);
    }
    assert_non_null(strstr(source->notice, "class \"dog\": 1 files are neither"));
    assert_int_equal(eff_source_read(source, 5, &reader), EFF_E_ARGUMENT);
    eff_source_release(source);
    source = open_folder("val");
    assert_int_equal(source->count, 2);
    assert_int_equal(eff_source_label(source, 1), 1);
    assert_null(source->notice);
    eff_source_release(source);
    eff_reader_free(&reader);
}

static void test_pictures(void **state)
{
    eff_reader reader = {0};
    eff_source *source = NULL;
    (void)state;
    assert_int_equal(eff_source_open_pictures(&source, below("")), EFF_E_FORMAT);
    assert_non_null(strstr(eff_message(), "no JPEG or PNG files"));
    make_picture("mixed/b.png", 11);
    make_picture("mixed/a/z.png", 10);
    make_bytes("mixed/notes.txt", "hello", 5);
    assert_int_equal(eff_source_open_pictures(&source, below("mixed")), EFF_OK);
    assert_int_equal(source->classes, 1);
    assert_int_equal(source->count, 2);
    const int levels[2] = {10, 11};
    for (int i = 0; i < 2; i++) {
        read_pixels(source, i, &reader);
        assert_int_equal(reader.image.pixels[0], levels[i]);
        assert_int_equal(eff_source_label(source, i), 0);
    }
    eff_source_release(source);
    assert_int_equal(eff_source_open_pictures(&source, below("none")), EFF_E_IO);
    eff_reader_free(&reader);
}

static void test_unreadable_is_named(void **state)
{
    eff_reader reader = {0};
    char start[600];
    (void)state;
    make_picture("train/cat/a.png", 1);
    make_bytes("train/cat/b.png", "\x89PNG\r\n\x1A\nrubbish", 15);
    make_picture("train/cat/c.png", 1);
    eff_source *source = open_folder("train");
    assert_int_equal(eff_source_read(source, 1, &reader), EFF_E_FORMAT);
    snprintf(start, sizeof start, "%s: damaged PNG: ", below("train/cat/b.png"));
    assert_int_equal(strncmp(eff_message(), start, strlen(start)), 0);
    unlink(below("train/cat/c.png"));
    assert_int_equal(eff_source_read(source, 2, &reader), EFF_E_IO);
    snprintf(start, sizeof start, "%s: No such file or directory", below("train/cat/c.png"));
    assert_string_equal(eff_message(), start);
    eff_source_release(source);
    eff_reader_free(&reader);
}

static void test_folder_mistakes(void **state)
{
    (void)state;
    expect_refused("train", EFF_E_FORMAT, "it is empty");
    expect_refused("validate", EFF_E_ARGUMENT, "no split \"validate\"");
    make_folder("train");
    expect_refused("train", EFF_E_FORMAT, "no class folders");
    make_picture("train/flat.png", 1);
    expect_refused("train", EFF_E_FORMAT, "1 images but no class folders");
    make_folder("train/cat");
    expect_refused("train", EFF_E_FORMAT, "no images");
    make_picture("train/cat/a.png", 1);
    expect_refused("val", EFF_E_IO, "no folder \"val\"");
    make_picture("val/cow/a.png", 1);
    make_picture("val/cat/a.png", 1);
    expect_refused("val", EFF_E_FORMAT, "has the class \"cow\"");
    make_picture("train/cow/a.png", 1);
    make_folder("train/dog");
    expect_refused("val", EFF_E_FORMAT, "has the class \"dog\"");
    eff_source *source = open_folder("train");
    assert_string_equal(source->notice, "class \"dog\" has no images");
    assert_int_equal(source->classes, 3);
    eff_source_release(source);
    eff_folder_options options = {"train", 0.2, 0};
    assert_int_equal(eff_source_open_folder(&source, below("nowhere"), &options), EFF_E_IO);
    assert_non_null(strstr(eff_message(), "nowhere: No such file"));
    assert_int_equal(eff_source_open_folder(&source, below("train/flat.png"), &options), EFF_E_IO);
    assert_non_null(strstr(eff_message(), "not a folder"));
}

static void test_divided_folder(void **state)
{
    char part[64];
    (void)state;
    for (int i = 0; i < 10; i++) {
        snprintf(part, sizeof part, "cat/%d.png", i);
        make_picture(part, i);
        snprintf(part, sizeof part, "dog/%d.png", i);
        make_picture(part, 100 + i);
    }
    make_picture("cow/1.png", 201);
    make_picture("cow/2.png", 202);
    int seen[256] = {0};
    const char *const splits[2] = {"train", "val"};
    const int sizes[2] = {8 + 8 + 1, 2 + 2 + 1};
    for (int s = 0; s < 2; s++) {
        eff_reader reader = {0};
        eff_source *source = open_folder(splits[s]), *again = open_folder(splits[s]);
        assert_int_equal(source->count, sizes[s]);
        for (int i = 0; i < sizes[s]; i++) {
            char one[512], two[512];
            eff_source_name(source, i, one, sizeof one);
            eff_source_name(again, i, two, sizeof two);
            assert_string_equal(one, two);
            read_pixels(source, i, &reader);
            seen[reader.image.pixels[0]]++;
        }
        eff_source_release(source);
        eff_source_release(again);
        eff_reader_free(&reader);
    }
    int all = 0;
    for (int i = 0; i < 256; i++) {
        assert_in_range(seen[i], 0, 1);
        all += seen[i];
    }
    assert_int_equal(all, 22);
    eff_source *everything = open_folder("all");
    assert_int_equal(everything->count, 22);
    eff_source_release(everything);
    expect_refused("test", EFF_E_IO, "no folder \"test\"");
}

/* A CIFAR file whose record r is labelled r % classes and filled with r % 251 (red), +1 (green), +2 (blue). */
static void make_cifar(const char *name, int records, int label_bytes, int classes)
{
    FILE *file = fopen(below(name), "wb");
    uint8_t record[2 + 3072];
    assert_non_null(file);
    for (int r = 0; r < records; r++) {
        record[0] = 7;
        record[label_bytes - 1] = (uint8_t)(r % classes);
        for (int c = 0; c < 3; c++) memset(record + label_bytes + c * 1024, r % 251 + c, 1024);
        fwrite(record, 1, (size_t)label_bytes + 3072, file);
    }
    fclose(file);
}

static void test_cifar(void **state)
{
    eff_source *source = NULL;
    eff_reader reader = {0};
    char name[64];
    (void)state;
    assert_int_equal(eff_source_open_cifar(&source, root, "train"), EFF_E_IO);
    assert_non_null(strstr(eff_message(), "no CIFAR in binary form"));
    make_cifar("test_batch.bin", 10000, 1, 10);
    make_bytes("batches.meta.txt", "airplane\r\nautomobile\n\n", 22);
    assert_int_equal(eff_source_open_cifar(&source, root, "val"), EFF_OK);
    assert_int_equal(source->count, 10000);
    assert_int_equal(source->classes, 10);
    assert_string_equal(source->class_names[0], "airplane");
    assert_string_equal(source->class_names[1], "automobile");
    assert_string_equal(source->class_names[2], "2");
    assert_int_equal(eff_source_label(source, 1234), 4);
    assert_int_equal(eff_source_read(source, 1234, &reader), EFF_OK);
    assert_int_equal(reader.image.height, 32);
    for (int i = 0; i < 3072; i++) assert_int_equal(reader.image.pixels[i], 1234 % 251 + i % 3);
    eff_source_name(source, 1234, name, sizeof name);
    assert_string_equal(name, "test_batch.bin, image 1234");
    eff_source_release(source);
    eff_reader_free(&reader);
    assert_int_equal(eff_source_open_cifar(&source, root, "train"), EFF_E_IO);
    assert_non_null(strstr(eff_message(), "data_batch_1.bin"));
    assert_int_equal(truncate(below("test_batch.bin"), 1000), 0);
    assert_int_equal(eff_source_open_cifar(&source, root, "val"), EFF_E_FORMAT);
    assert_non_null(strstr(eff_message(), "test_batch.bin: has 1000 bytes instead of 30730000"));
    make_cifar("test_batch.bin", 10000, 1, 11);
    assert_int_equal(eff_source_open_cifar(&source, root, "val"), EFF_E_FORMAT);
    assert_non_null(strstr(eff_message(), "image 10: label 10 is outside 0 to 9"));
    assert_int_equal(eff_source_open_cifar(&source, root, "all"), EFF_E_ARGUMENT);
}

static void test_cifar100(void **state)
{
    eff_source *source = NULL;
    eff_reader reader = {0};
    (void)state;
    make_cifar("test.bin", 10000, 2, 100);
    assert_int_equal(eff_source_open_cifar(&source, root, "test"), EFF_OK);
    assert_string_equal(source->kind, "cifar100");
    assert_int_equal(source->classes, 100);
    assert_int_equal(eff_source_label(source, 250), 50);
    assert_int_equal(eff_source_read(source, 250, &reader), EFF_OK);
    assert_memory_equal(reader.image.pixels, ((uint8_t[]){250, 251, 252}), 3);
    eff_source_release(source);
    eff_reader_free(&reader);
}

static void test_real_cifar(void **state)
{
    char folder[1024];
    const char *given = getenv("EFFV2_DATA"), *home = getenv("HOME");
    eff_source *source = NULL;
    int64_t counts[10] = {0};
    (void)state;
    if (given) snprintf(folder, sizeof folder, "%s/cifar-10-batches-bin", given);
    else snprintf(folder, sizeof folder, "%s/.cache/effv2-data/cifar-10-batches-bin", home ? home : "");
    if (access(folder, R_OK) != 0) {
        print_message("no CIFAR-10 in %s\n", folder);
        skip();
    }
    assert_int_equal(eff_source_open_cifar(&source, folder, "train"), EFF_OK);
    assert_int_equal(source->count, 50000);
    assert_string_equal(source->class_names[9], "truck");
    for (int64_t i = 0; i < source->count; i++) counts[eff_source_label(source, i)]++;
    for (int i = 0; i < 10; i++) assert_int_equal(counts[i], 5000);
    assert_int_equal(eff_source_label(source, 0), 6); /* the first picture is a frog */
    eff_source_release(source);
}

static void test_shapes(void **state)
{
    eff_source *train, *val, *again, *other;
    eff_reader a = {.wanted = 32}, b = {.wanted = 32};
    char name[64];
    (void)state;
    assert_int_equal(eff_source_open_shapes(&train, "train", 0, 1), EFF_OK);
    assert_int_equal(eff_source_open_shapes(&again, "train", 0, 1), EFF_OK);
    assert_int_equal(eff_source_open_shapes(&other, "train", 0, 2), EFF_OK);
    assert_int_equal(eff_source_open_shapes(&val, "val", 50, 1), EFF_OK);
    assert_int_equal(train->count, EFF_SHAPES_TRAIN);
    assert_int_equal(val->count, 50);
    assert_int_equal(train->classes, 10);
    eff_source_name(val, 13, name, sizeof name);
    assert_string_equal(name, "shapes/val/triangle_13");
    for (int i = 0; i < 20; i++) {
        assert_int_equal(eff_source_label(train, i), i % 10);
        assert_int_equal(eff_source_read(train, i, &a), EFF_OK);
        assert_int_equal(a.image.height, 48); /* half as large again as wanted */
        assert_int_equal(eff_source_read(again, i, &b), EFF_OK);
        assert_memory_equal(a.image.pixels, b.image.pixels, eff_image_bytes(&a.image));
        assert_int_equal(eff_source_read(val, i, &b), EFF_OK);
        assert_memory_not_equal(a.image.pixels, b.image.pixels, eff_image_bytes(&a.image));
        assert_int_equal(eff_source_read(other, i, &b), EFF_OK);
        assert_memory_not_equal(a.image.pixels, b.image.pixels, eff_image_bytes(&a.image));
    }
    eff_source *none;
    assert_int_equal(eff_source_open_shapes(&none, "test", 0, 1), EFF_E_ARGUMENT);
    eff_source_release(train);
    eff_source_release(again);
    eff_source_release(other);
    eff_source_release(val);
    eff_reader_free(&a);
    eff_reader_free(&b);
}

/* The same scene at any resolution: a large drawing, averaged down, is close to the small one. */
static void test_shapes_resolution(void **state)
{
    eff_source *source;
    eff_reader small = {.wanted = 32}, large = {.wanted = 128};
    (void)state;
    assert_int_equal(eff_source_open_shapes(&source, "train", 0, 0), EFF_OK);
    double sum = 0.0;
    enum { N = 30 };
    for (int i = 0; i < N; i++) {
        assert_int_equal(eff_source_read(source, i, &small), EFF_OK);
        assert_int_equal(eff_source_read(source, i, &large), EFF_OK);
        assert_int_equal(large.image.height, 4 * small.image.height);
        int side = small.image.height;
        for (int y = 0; y < side; y++)
            for (int k = 0; k < 3 * side; k++) {
                int total = 0;
                for (int v = 0; v < 4; v++)
                    for (int u = 0; u < 4; u++)
                        total += large.image.pixels[((4 * y + v) * 4 * side + 4 * (k / 3) + u) * 3 + k % 3];
                int difference = small.image.pixels[y * 3 * side + k] - total / 16;
                sum += difference < 0 ? -difference : difference;
            }
    }
    assert_true(sum / (N * 48.0 * 48.0 * 3.0) < 6.0); /* of 255; the sensor noise alone makes up about 4 */
    eff_source_release(source);
    eff_reader_free(&small);
    eff_reader_free(&large);
}

/* Points on the axes whose distance is known: negative inside. */
static void test_shape_distances(void **state)
{
    (void)state;
    for (int shape = 0; shape < SHAPE_COUNT; shape++) {
        assert_true(eff_shape_distance(shape, 1.3f, 0.0f, 0.5f) > 0.0f);
        assert_true(eff_shape_distance(shape, 0.0f, -1.3f, 0.5f) > 0.0f);
    }
    assert_float_equal(eff_shape_distance(SHAPE_DISC, 1.0f, 0.0f, 0.0f), 0.14f, 1e-6f);
    assert_float_equal(eff_shape_distance(SHAPE_RING, 0.0f, 0.9f, 0.3f), 0.0f, 1e-6f);
    assert_true(eff_shape_distance(SHAPE_RING, 0.8f, 0.0f, 0.3f) < 0.0f);
    assert_true(eff_shape_distance(SHAPE_HORSESHOE, 0.8f, 0.0f, 0.3f) > 0.0f); /* the gap */
    assert_true(eff_shape_distance(SHAPE_HORSESHOE, -0.8f, 0.0f, 0.3f) < 0.0f);
    assert_float_equal(eff_shape_distance(SHAPE_TRIANGLE, 0.0f, 0.5f, 0.0f), 0.0f, 1e-6f);
    assert_float_equal(eff_shape_distance(SHAPE_SQUARE, 0.72f, 0.3f, 0.0f), 0.0f, 1e-6f);
    assert_float_equal(eff_shape_distance(SHAPE_HEXAGON, 0.0f, -0.8f, 0.0f), 0.0f, 1e-6f);
    assert_float_equal(eff_shape_distance(SHAPE_STAR, 0.0f, 0.98f, 0.0f), 0.0f, 1e-5f);
    assert_true(eff_shape_distance(SHAPE_STAR, 0.0f, -0.6f, 0.0f) > 0.0f); /* between two arms */
    assert_true(eff_shape_distance(SHAPE_CROSS, 0.5f, 0.5f, 1.0f) > 0.0f);
    assert_true(eff_shape_distance(SHAPE_CRESCENT, 0.3f, 0.0f, 0.5f) > 0.0f);
    assert_true(eff_shape_distance(SHAPE_CRESCENT, -0.7f, 0.0f, 0.5f) < 0.0f);
    assert_true(eff_shape_distance(SHAPE_HEART, 0.0f, 0.0f, 0.0f) < 0.0f);
    assert_true(eff_shape_distance(SHAPE_HEART, 0.0f, -0.9f, 0.0f) > 0.0f); /* above the notch */
}

static void test_subset(void **state)
{
    eff_source *base, *part;
    eff_reader a = {.wanted = 16}, b = {.wanted = 16};
    (void)state;
    assert_int_equal(eff_source_open_shapes(&base, "train", 100, 0), EFF_OK);
    assert_int_equal(eff_source_open_subset(&part, base, (int64_t[]){42, 7, 42}, 3), EFF_OK);
    assert_int_equal(part->count, 3);
    assert_int_equal(eff_source_label(part, 1), 7);
    assert_int_equal(eff_source_read(part, 2, &a), EFF_OK);
    assert_int_equal(eff_source_read(base, 42, &b), EFF_OK);
    assert_memory_equal(a.image.pixels, b.image.pixels, eff_image_bytes(&a.image));
    eff_source_release(base); /* the subset keeps it */
    assert_int_equal(eff_source_read(part, 1, &a), EFF_OK);
    eff_source *none;
    assert_int_equal(eff_source_open_subset(&none, part, (int64_t[]){3}, 1), EFF_E_ARGUMENT);
    assert_int_equal(eff_source_open_subset(&none, part, NULL, 0), EFF_E_ARGUMENT);
    eff_source_release(part);
    eff_reader_free(&a);
    eff_reader_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_folder, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_pictures, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_unreadable_is_named, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_folder_mistakes, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_divided_folder, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_cifar, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_cifar100, make_root, remove_root),
        cmocka_unit_test(test_real_cifar),
        cmocka_unit_test_setup_teardown(test_shapes, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_shapes_resolution, make_root, remove_root),
        cmocka_unit_test(test_shape_distances),
        cmocka_unit_test_setup_teardown(test_subset, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
