/* Sources that read tar archives in place: shards, a tar of tars, a tar and a folder of labelled pictures; and shards
 * that are written here. */
#define _GNU_SOURCE /* nftw */
#include "test_io_helpers.h"

#include <pthread.h>

#include "base/pool.h"
#include "data/archive.h"
#include "data/pack.h"

static int shell(const char *format, ...)
{
    char command[4096];
    va_list args;
    va_start(args, format);
    int start = snprintf(command, sizeof command, "cd %s && ", scratch);
    vsnprintf(command + start, sizeof command - (size_t)start, format, args);
    va_end(args);
    return system(command);
}

/* A PNG of 2 x 2 pixels of one level. */
static void make_picture(const char *name, int level)
{
    eff_image image = {0};
    assert_int_equal(eff_image_reserve(&image, 2, 2), EFF_OK);
    memset(image.pixels, level, 12);
    assert_int_equal(eff_image_write_png(in_scratch(name), &image), EFF_OK);
    eff_image_free(&image);
}

static eff_source *must_open(const char *file, const char *labels, const char *const *names, int classes)
{
    eff_source *source = NULL;
    const char *path = in_scratch(file);
    if (eff_source_open_archives(&source, &path, 1, labels, names, classes) != EFF_OK) fail_msg("%s", eff_message());
    return source;
}

static void expect_refused(const char *file, const char *labels, const char *text)
{
    eff_source *source = NULL;
    const char *path = in_scratch(file);
    if (eff_source_open_archives(&source, &path, 1, labels, NULL, 0) != EFF_E_FORMAT) fail_msg("not refused: %s", text);
    assert_contains(eff_message(), text);
}

static int level_of(const eff_source *source, int64_t index)
{
    eff_reader reader = {0};
    const eff_image *image;
    if (eff_source_read(source, index, &reader) != EFF_OK) fail_msg("%s", eff_message());
    assert_int_equal(eff_picture_whole(&image, &reader.picture, &reader.image), EFF_OK);
    int level = image->pixels[0];
    eff_reader_free(&reader);
    return level;
}

static void assert_name(const eff_source *source, int64_t index, const char *part)
{
    char name[512];
    eff_source_name(source, index, name, sizeof name);
    assert_string_equal(name, in_scratch(part));
}

static void test_shards(void **state)
{
    (void)state;
    assert_int_equal(shell("mkdir a b"), 0);
    make_picture("a/1.png", 10);
    make_picture("a/2.jpg", 20); /* the content decides */
    make_picture("b/x.y.png", 1);
    make_picture("b/3.PNG", 30);
    assert_int_equal(
        shell("printf 2 >a/1.cls; printf '0\\n' >a/2.cls; printf '{\"label\": 7, \"label_smoothed\": 1}' >a/1.json; "
              "printf hidden >a/.1.jpg; printf text >a/1.txt; printf '{\"label\": 1}' >b/3.json; printf 5 >b/x.cls; "
              "printf 0 >b/lonely.cls; tar -cf 0.tar a/.1.jpg a/1.cls a/1.json a/1.png a/1.txt a/2.cls a/2.jpg && "
              "tar --format=pax -C b -cf 1.tar 3.PNG 3.json lonely.cls x.cls x.y.png"),
        0);
    const char *paths[2] = {strdup(in_scratch("0.tar")), strdup(in_scratch("1.tar"))};
    eff_source *source = NULL;
    if (eff_source_open_archives(&source, paths, 2, NULL, NULL, 0) != EFF_OK) fail_msg("%s", eff_message());
    assert_string_equal(source->kind, "shards");
    assert_int_equal(source->count, 3);
    assert_int_equal(source->classes, 6); /* x.cls is 5, though its picture is called otherwise */
    assert_string_equal(source->class_names[2], "2");
    const int labels[3] = {2, 0, 1}, levels[3] = {10, 20, 30};
    const char *const names[3] = {"0.tar/a/1.png", "0.tar/a/2.jpg", "1.tar/3.PNG"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(eff_source_label(source, i), labels[i]);
        assert_int_equal(level_of(source, i), levels[i]);
        assert_name(source, i, names[i]);
    }
    assert_contains(source->notice, "1.tar: 2 samples have no picture");
    eff_source_release(source);
    assert_int_equal(eff_source_open_archives(&source, paths, 2, NULL, (const char *[]){"x", "y"}, 2), EFF_E_FORMAT);
    assert_contains(eff_message(), "0.tar/a/1.cls: the class 2 is outside of 0 to 1, as many as there are class names");
    free((char *)paths[0]);
    free((char *)paths[1]);
}

static void test_shards_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *commands, *text;
    } cases[] = {
        {"tar -cf t.tar 1.png 1.txt", "t.tar/1.png: has no class; wanted is a member 1.cls"},
        {"printf x >1.cls; tar -cf t.tar 1.png 1.cls", "1.cls: its class is no whole number"},
        {"printf -- -1 >1.cls; tar -cf t.tar 1.png 1.cls", "the class -1 is outside of 0 to "},
        {"printf '%0100d' 1 >1.cls; tar -cf t.tar 1.png 1.cls", "1.cls: its class is no whole number"},
        {"printf '{\"label\": \"cat\"}' >1.json; tar -cf t.tar 1.png 1.json", "1.json: \"label\" is no whole number"},
        {"printf '{\"label\":' >1.json; tar -cf t.tar 1.png 1.json", "t.tar/1.json"},
        {"printf 1 >1.cls; cp 1.png 1.jpg; tar -cf t.tar 1.cls 1.jpg 1.png", "two pictures, 1.jpg and 1.png"},
        {"tar -cf t.tar 1.txt", "no pictures in it"},
        {"tar -cf t.tar 1.png", "pictures without classes. Beside it is wanted val_labels.txt or LOC_val_solution.csv"},
    };
    make_picture("1.png", 1);
    assert_int_equal(shell("printf text >1.txt"), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(shell("rm -f t.tar 1.cls 1.json 1.jpg; %s", cases[i].commands), 0);
        expect_refused("t.tar", NULL, cases[i].text);
    }
    assert_int_equal(shell("printf 0 >1.cls; tar -cf t.tar 1.png 1.cls"), 0);
    eff_source *source = must_open("t.tar", NULL, NULL, 0);
    eff_reader reader = {0};
    assert_int_equal(shell("truncate -s 520 t.tar"), 0);
    assert_int_equal(eff_source_read(source, 0, &reader), EFF_E_FORMAT);
    assert_contains(eff_message(), "t.tar: ends before byte");
    eff_reader_free(&reader);
    eff_source_release(source);
}

/* Prefixes of every length modulo 512, and damage at such places: a message or the right samples, nothing else. */
static void test_damaged_shards(void **state)
{
    (void)state;
    static char bytes[16384];
    make_picture("1.png", 1);
    make_picture("2.png", 2);
    assert_int_equal(shell("printf 0 >1.cls; printf 1 >2.cls; tar -b 1 --format=pax -cf t.tar 1.png 1.cls 2.png 2.cls"),
                     0);
    size_t size = get_bytes(bytes, sizeof bytes, in_scratch("t.tar"));
    for (size_t i = 0; i < 2 * size; i += 13) {
        size_t at = i % size;
        bytes[at] ^= i < size ? 0 : 0x24;
        put_bytes(in_scratch("bad.tar"), bytes, i < size ? i : size);
        bytes[at] ^= i < size ? 0 : 0x24;
        eff_source *source = NULL;
        const char *path = in_scratch("bad.tar");
        eff_status status = eff_source_open_archives(&source, &path, 1, NULL, NULL, 0);
        assert_true(status == EFF_OK || (status == EFF_E_FORMAT && strstr(eff_message(), path)));
        if (i < size) assert_int_equal(status, i >= size - EFF_TAR_BLOCK ? EFF_OK : EFF_E_FORMAT);
        if (status == EFF_OK) eff_source_release(source);
    }
}

/* The archives of two classes, in the wrong order, and the folder that was packed. */
static void make_imagenet(void)
{
    assert_int_equal(shell("mkdir -p train/n2 train/n1"), 0);
    for (int i = 0; i < 20; i++) {
        char name[64];
        snprintf(name, sizeof name, "train/n%d/p%d.png", 1 + i % 2, i * 7 % 20);
        make_picture(name, 10 * i);
    }
    assert_int_equal(shell("for c in n2 n1; do (cd train/$c && tar -cf ../../$c.tar --sort=none *.png); done; "
                           "tar -cf train.tar n2.tar n1.tar"),
                     0);
}

static void assert_same(const eff_source *a, const eff_source *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->classes, b->classes);
    for (int c = 0; c < a->classes; c++) assert_string_equal(a->class_names[c], b->class_names[c]);
    for (int64_t i = 0; i < a->count; i++) {
        assert_int_equal(eff_source_label(a, i), eff_source_label(b, i));
        assert_int_equal(level_of(a, i), level_of(b, i));
    }
}

static void test_tar_of_tars_is_its_folder(void **state)
{
    (void)state;
    make_imagenet();
    eff_folder_options options = {"all", 0.3, 5};
    eff_source *folder = NULL, *source = must_open("train.tar", NULL, NULL, 0), *part = NULL;
    assert_string_equal(source->kind, "tar of tars");
    assert_name(source, 0, "train.tar/n1.tar/p0.png");
    assert_int_equal(eff_source_open_folder(&folder, in_scratch("train"), &options), EFF_OK);
    assert_same(source, folder);
    eff_source_release(folder);
    static const char *const splits[] = {"train", "val"};
    for (int i = 0; i < 2; i++) {
        options.split = splits[i];
        assert_int_equal(eff_source_open_folder(&folder, in_scratch("train"), &options), EFF_OK);
        assert_int_equal(eff_source_divide(&part, source, splits[i], 0.3, 5), EFF_OK);
        assert_string_equal(part->kind, "tar of tars");
        assert_int_equal(part->count, i ? 6 : 14);
        assert_same(part, folder);
        eff_source_release(folder);
        eff_source_release(part);
    }
    assert_int_equal(eff_source_divide(&part, source, "val", 0, 0), EFF_E_FORMAT);
    assert_contains(eff_message(), "no pictures are left for \"val\"");
    assert_int_equal(eff_source_divide(&part, source, "val", 2, 0), EFF_E_ARGUMENT);
    eff_source_release(source);
    assert_int_equal(
        shell("printf x >stray.txt; tar -cf mixed.tar n1.tar stray.txt; printf y >n1.tar; tar -cf broken.tar n1.tar; "
              "mkdir d; cp n2.tar d; tar -cf twice.tar n2.tar d/n2.tar"),
        0);
    expect_refused("mixed.tar", NULL, "holds stray.txt among archives");
    expect_refused("broken.tar", NULL, "broken.tar/n1.tar: the tar archive is cut off");
    expect_refused("twice.tar", NULL, "the class \"n2\" comes twice");
}

typedef struct reading {
    const eff_source *source;
    int scaled; /* side of the reader's samples */
    int wrong;
} reading;

static void *read_many(void *argument)
{
    reading *r = argument;
    eff_reader reader = {.scaled_height = r->scaled, .scaled_width = r->scaled};
    for (int64_t i = 0; i < 400; i++) {
        const eff_image *image;
        bool good = eff_source_read(r->source, i % r->source->count, &reader) == EFF_OK &&
                    eff_picture_whole(&image, &reader.picture, &reader.image) == EFF_OK;
        r->wrong += !good || image->pixels[0] % 10 != 0;
    }
    eff_reader_free(&reader);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    make_imagenet();
    eff_source *source = must_open("train.tar", NULL, NULL, 0);
    pthread_t threads[4];
    reading readings[4];
    for (int i = 0; i < 4; i++) {
        readings[i] = (reading){.source = source};
        assert_int_equal(pthread_create(&threads[i], NULL, read_many, &readings[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(readings[i].wrong, 0);
    }
    eff_source_release(source);
}

/* Pictures are kept up to the budget, whoever reads them first, and only those that are always decoded wholly. */
static void test_cached(void **state)
{
    (void)state;
    make_imagenet(); /* 20 pictures of 12 bytes */
    eff_source *base = must_open("train.tar", NULL, NULL, 0), *source = NULL;
    assert_int_equal(eff_source_open_cached(&source, base, 100), EFF_OK);
    assert_int_equal(eff_source_cached_bytes(base), 0);
    eff_source_release(base); /* the other one keeps it */
    pthread_t threads[4];
    reading readings[4];
    for (int side = 1; side <= 3; side++) {
        for (int i = 0; i < 4; i++) {
            readings[i] = (reading){.source = source, .scaled = side};
            assert_int_equal(pthread_create(&threads[i], NULL, read_many, &readings[i]), 0);
        }
        for (int i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(readings[i].wrong, 0);
        }
        assert_int_equal(eff_source_cached_bytes(source), side == 1 ? 0 : 8 * 12);
    }
    eff_source_release(source);
    assert_int_equal(eff_pool_get_stats().live_bytes, 0);
}

/* More archives than are kept open. */
static void test_many_shards(void **state)
{
    (void)state;
    enum { MANY = 300 };
    char *paths[MANY];
    make_picture("1.png", 40);
    assert_int_equal(
        shell("printf 3 >1.cls; tar -b 1 -cf 0.tar 1.cls 1.png; for i in $(seq 299); do cp 0.tar $i.tar; done"), 0);
    for (int i = 0; i < MANY; i++) assert_true(asprintf(&paths[i], "%s/%d.tar", scratch, i) > 0);
    eff_source *source = NULL;
    assert_int_equal(eff_source_open_archives(&source, (const char *const *)paths, MANY, NULL, NULL, 0), EFF_OK);
    assert_int_equal(source->count, MANY);
    for (int i = 0; i < MANY; i += 13) assert_int_equal(level_of(source, i), 40);
    assert_int_equal(level_of(source, MANY - 1), 40);
    assert_name(source, MANY - 1, "299.tar/1.png");
    eff_source_release(source);
    assert_true(sizeof(eff_archive_picture) <= 16);
    for (int i = 0; i < MANY; i++) free(paths[i]);
}

static void test_labels(void **state)
{
    (void)state;
    static const char *const files[] = {
        "v2.png n2\nv1.png n1\n\nv3.png\tn2\n",
        "v1,n1\nv2,n2\r\nv3,n2",
        "n1\nn2\nn2\n",
        "ImageId,PredictionString\nv3,n2 1 2 3 4 n2 5 6 7 8 \nv1,n1 85 1 499 272\nv2,n2 1 2 3 4\n",
    };
    assert_int_equal(shell("mkdir val"), 0);
    for (int i = 3; i >= 1; i--) {
        char name[32];
        snprintf(name, sizeof name, "val/v%d.png", i);
        make_picture(name, 10 * i);
    }
    assert_int_equal(shell("tar -C val -cf val.tar v3.png v1.png v2.png"), 0);
    for (size_t k = 0; k < sizeof files / sizeof files[0]; k++) {
        put_bytes(in_scratch("labels"), files[k], strlen(files[k]));
        eff_source *tar = must_open("val.tar", in_scratch("labels"), NULL, 0), *folder = NULL;
        assert_string_equal(tar->kind, "labelled tar");
        assert_int_equal(tar->classes, 2);
        assert_int_equal(tar->count, 3);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(eff_source_label(tar, i), i > 0);
            assert_int_equal(level_of(tar, i), 10 * (i + 1));
        }
        assert_int_equal(eff_source_open_flat(&folder, in_scratch("val"), in_scratch("labels"), NULL, 0), EFF_OK);
        assert_same(tar, folder);
        assert_name(folder, 1, "val/v2.png");
        eff_source_release(tar);
        eff_source_release(folder);
        tar = must_open("val.tar", in_scratch("labels"), (const char *[]){"n2", "n0", "n1"}, 3);
        assert_int_equal(tar->classes, 3);
        assert_int_equal(eff_source_label(tar, 0), 2);
        assert_int_equal(eff_source_label(tar, 2), 0);
        eff_source_release(tar);
    }
}

static void test_labels_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *text;
    } cases[] = {
        {"v1 n1\n", "no line for the picture v2.png"},
        {"n1\n", "1 lines for 2 pictures"},
        {"v1 n1\nn2\n", "line 2 is a class alone, the lines before are not"},
        {"v1 n1\nv2 n1\nv1.png n1\n", "lines 1 and 3 are both about v1"},
        {"\n\n", "has no lines"},
        {"v1 490\nv2 n1\n", "line 1 has the class \"490\", which is none of the 2 (n1, ... n2)"},
    };
    assert_int_equal(shell("mkdir val"), 0);
    make_picture("val/v1.png", 1);
    make_picture("val/v2.png", 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eff_source *source = NULL;
        put_bytes(in_scratch("labels"), cases[i].lines, strlen(cases[i].lines));
        const char *const names[] = {"n1", "n2"};
        assert_int_equal(eff_source_open_flat(&source, in_scratch("val"), in_scratch("labels"), names, 2),
                         EFF_E_FORMAT);
        assert_contains(eff_message(), cases[i].text);
    }
}

/* The same bytes with one and with five threads; what is read back is what went in, or close to it as a JPEG. */
static void test_pack(void **state)
{
    (void)state;
    eff_source *shapes = NULL;
    assert_int_equal(eff_source_open_shapes(&shapes, "train", 100, 1), EFF_OK);
    for (int size = 0; size <= 24; size += 24) {
        eff_pack pack = {.source = shapes, .first = 7, .count = 20, .size = size, .filter = EFF_FILTER_PIL_BICUBIC,
                         .quality = 90, .workers = 1};
        eff_packed one, five;
        assert_int_equal(eff_pack_shard(&one, in_scratch("one.tar"), &pack), EFF_OK);
        pack.workers = 5;
        assert_int_equal(eff_pack_shard(&five, in_scratch("five.tar"), &pack), EFF_OK);
        assert_int_equal(one.pictures, 20);
        assert_string_equal(one.sha256, five.sha256);
        char sum[EFF_SHA256_DIGITS + 1];
        assert_int_equal(eff_sha256_file(sum, in_scratch("five.tar")), EFF_OK);
        assert_string_equal(sum, one.sha256);
        assert_int_equal(shell("echo %s five.tar | sha256sum -c --quiet", sum), 0);
        eff_source *packed = must_open("one.tar", NULL, NULL, 0);
        assert_int_equal(packed->count, 20);
        assert_name(packed, 0, size ? "one.tar/000000007.jpg" : "one.tar/000000007.png");
        for (int i = 0; i < 20; i++) {
            assert_int_equal(eff_source_label(packed, i), eff_source_label(shapes, 7 + i));
            if (size == 0) assert_int_equal(level_of(packed, i), level_of(shapes, 7 + i));
        }
        eff_packed_free(&one);
        eff_packed_free(&five);
        eff_source_release(packed);
    }
    eff_source_release(shapes);
}

static void test_pack_bad_pictures(void **state)
{
    (void)state;
    eff_packed packed;
    eff_source *source = NULL;
    assert_int_equal(shell("mkdir p && printf rubbish >p/2.png"), 0);
    make_picture("p/1.png", 10);
    make_picture("p/3.png", 30);
    assert_int_equal(eff_source_open_pictures(&source, in_scratch("p")), EFF_OK);
    eff_pack pack = {.source = source, .count = 3, .quality = 90, .filter = EFF_FILTER_AREA, .workers = 2};
    assert_int_equal(eff_pack_shard(&packed, in_scratch("t.tar"), &pack), EFF_E_FORMAT);
    assert_contains(eff_message(), "p/2.png: neither JPEG nor PNG");
    assert_int_equal(access(in_scratch("t.tar"), F_OK), -1);
    assert_int_equal(access(in_scratch("t.tar.tmp"), F_OK), -1);
    pack.skip_bad = true;
    assert_int_equal(eff_pack_shard(&packed, in_scratch("t.tar"), &pack), EFF_OK);
    assert_int_equal(packed.pictures, 2);
    assert_int_equal(packed.bad_count, 1);
    assert_int_equal(packed.bad[0].index, 1);
    assert_contains(packed.bad[0].why, "p/2.png");
    eff_packed_free(&packed);
    eff_source *back = must_open("t.tar", NULL, NULL, 0);
    assert_name(back, 1, "t.tar/000000002.png");
    assert_int_equal(level_of(back, 1), 30);
    eff_source_release(back);
    pack.filter = EFF_FILTER_TF_BILINEAR;
    assert_int_equal(eff_pack_shard(&packed, in_scratch("t.tar"), &pack), EFF_E_ARGUMENT);
    pack.filter = EFF_FILTER_AREA;
    pack.count = 4;
    assert_int_equal(eff_pack_shard(&packed, in_scratch("t.tar"), &pack), EFF_E_ARGUMENT);
    eff_source_release(source);
}

/* Smooth pixels come back nearly as they were. */
static void test_jpeg(void **state)
{
    (void)state;
    eff_image image = {0}, back = {0};
    eff_buffer bytes = {0};
    assert_int_equal(eff_image_reserve(&image, 37, 53), EFF_OK);
    for (int i = 0; i < 37 * 53; i++)
        for (int c = 0; c < 3; c++) image.pixels[3 * i + c] = (uint8_t)(40 + 2 * (i / 53) + c * (i % 53));
    assert_int_equal(eff_image_encode_jpeg(&bytes, &image, 95), EFF_OK);
    assert_int_equal(eff_image_decode(&back, bytes.data, bytes.size), EFF_OK);
    assert_int_equal(back.height, 37);
    assert_int_equal(back.width, 53);
    for (size_t i = 0; i < eff_image_bytes(&image); i++) assert_in_range(back.pixels[i] - image.pixels[i] + 8, 0, 16);
    assert_int_equal(eff_image_encode_jpeg(&bytes, &image, 0), EFF_E_ARGUMENT);
    assert_int_equal(eff_image_reserve(&image, 1, 70000), EFF_OK);
    assert_int_equal(eff_image_encode_jpeg(&bytes, &image, 90), EFF_E_ARGUMENT);
    assert_contains(eff_message(), "1 x 70000 pixels cannot become a JPEG");
    eff_image_free(&image);
    eff_image_free(&back);
    eff_buffer_free(&bytes);
}

static int teardown(void **state)
{
    return scratch_teardown(state) == 0 && eff_pool_get_stats().live_bytes == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shards, scratch_setup, teardown),
        cmocka_unit_test_setup_teardown(test_shards_mistakes, scratch_setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_shards, scratch_setup, teardown),
        cmocka_unit_test_setup_teardown(test_tar_of_tars_is_its_folder, scratch_setup, teardown),
        cmocka_unit_test_setup_teardown(test_threads, scratch_setup, teardown),
        cmocka_unit_test_setup_teardown(test_cached, scratch_setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_shards, scratch_setup, teardown),
        cmocka_unit_test_setup_teardown(test_pack, scratch_setup, teardown),
        cmocka_unit_test_setup_teardown(test_pack_bad_pictures, scratch_setup, teardown),
        cmocka_unit_test_setup_teardown(test_jpeg, scratch_setup, teardown),
        cmocka_unit_test_setup_teardown(test_labels, scratch_setup, teardown),
        cmocka_unit_test_setup_teardown(test_labels_mistakes, scratch_setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
