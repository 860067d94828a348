/* Flowers-102, Stanford Cars and ImageNet-21k in their published formats (tests/golden/make_mats.py made the .mat
 * files). */
#define _GNU_SOURCE /* nftw */
#include "test_io_helpers.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/pool.h"
#include "data/source.h"
#include "image/image.h"

#define GOLDEN "tests/golden/mat/"

static void make_folder(const char *part)
{
    char path[512];
    snprintf(path, sizeof path, "%s", in_scratch(part));
    for (char *slash = path + strlen(scratch) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    }
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
}

static void copy_file(const char *from, const char *to)
{
    char bytes[8192];
    size_t size = get_bytes(bytes, sizeof bytes, from);
    put_bytes(in_scratch(to), bytes, size);
}

/* A PNG (whatever its name says) of one level. */
static void make_picture(const char *part, int level)
{
    eff_image image = {0};
    assert_int_equal(eff_image_reserve(&image, 2, 2), EFF_OK);
    memset(image.pixels, level, 12);
    assert_int_equal(eff_image_write_png(in_scratch(part), &image), EFF_OK);
    eff_image_free(&image);
}

typedef eff_status (*open_function)(eff_source **out, const char *folder, const char *split);

static void expect_refused(open_function open, const char *split, eff_status want, const char *text)
{
    eff_source *source = NULL;
    assert_int_equal(open(&source, scratch, split), want);
    assert_contains(eff_message(), text);
    assert_null(source);
}

/* The files and classes (from 1) that a split lists: "a.jpg:3 b.jpg:1". */
static void assert_lists(open_function open, const char *split, const char *kind, const char *want)
{
    char seen[1024] = "", name[256];
    eff_source *source;
    if (open(&source, scratch, split) != EFF_OK) fail_msg("%s", eff_message());
    assert_string_equal(source->kind, kind);
    for (int64_t i = 0; i < source->count; i++) {
        eff_source_key(source, i, name, sizeof name);
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s%s:%d", i ? " " : "", name,
                 eff_source_label(source, i) + 1);
    }
    assert_string_equal(seen, want);
    eff_source_release(source);
}

/* ---- Flowers-102 ---- */

static void make_flowers(void)
{
    make_folder("jpg");
    copy_file(GOLDEN "flowers/imagelabels.mat", "imagelabels.mat");
    copy_file(GOLDEN "flowers/setid.mat", "setid.mat");
}

static void test_flowers(void **state)
{
    eff_source *source;
    eff_reader reader = {0};
    const eff_image *image;
    (void)state;
    make_flowers();
    const char *test = "jpg/image_00012.jpg:50 jpg/image_00011.jpg:50 jpg/image_00010.jpg:9 jpg/image_00009.jpg:9 "
                       "jpg/image_00008.jpg:5 jpg/image_00007.jpg:5";
    assert_lists(eff_source_open_flowers, "train", "flowers102",
                 "jpg/image_00001.jpg:1 jpg/image_00003.jpg:77 jpg/image_00002.jpg:1 jpg/image_00004.jpg:77 "
                 "jpg/image_00005.jpg:102 jpg/image_00006.jpg:102");
    assert_lists(eff_source_open_flowers, "val", "flowers102", test);
    assert_lists(eff_source_open_flowers, "test", "flowers102", test);
    assert_lists(eff_source_open_flowers, "tstid", "flowers102", test);
    assert_lists(eff_source_open_flowers, "valid", "flowers102", "jpg/image_00005.jpg:102 jpg/image_00006.jpg:102");
    assert_lists(eff_source_open_flowers, "trnid", "flowers102",
                 "jpg/image_00001.jpg:1 jpg/image_00003.jpg:77 jpg/image_00002.jpg:1 jpg/image_00004.jpg:77");
    make_picture("jpg/image_00003.jpg", 93);
    assert_int_equal(eff_source_open_flowers(&source, scratch, "train"), EFF_OK);
    assert_int_equal(source->classes, 102);
    assert_string_equal(source->class_names[0], "pink primrose");
    assert_string_equal(source->class_names[76], "passion flower");
    assert_string_equal(source->class_names[101], "blackberry lily");
    assert_int_equal(eff_source_read(source, 1, &reader), EFF_OK);
    assert_int_equal(eff_picture_whole(&image, &reader.picture, &reader.image), EFF_OK);
    assert_int_equal(image->pixels[0], 93);
    assert_int_equal(eff_source_read(source, 0, &reader), EFF_E_IO);
    assert_contains(eff_message(), "jpg/image_00001.jpg: No such file");
    eff_source_release(source);
    eff_reader_free(&reader);
}

static void test_flowers_mistakes(void **state)
{
    open_function flowers = eff_source_open_flowers;
    (void)state;
    expect_refused(flowers, "all", EFF_E_ARGUMENT,
                   "no split \"all\"; there are train, val and test (the same), trnid,");
    expect_refused(flowers, "train", EFF_E_IO, "/jpg: no such folder (102flowers.tgz");
    make_folder("jpg");
    expect_refused(flowers, "train", EFF_E_IO, "/imagelabels.mat: cannot read: No such file");
    make_flowers();
    copy_file(GOLDEN "kinds.mat", "setid.mat");
    expect_refused(flowers, "train", EFF_E_FORMAT, "setid.mat: no list of numbers called \"trnid\"");
    copy_file(GOLDEN "flowers/setid.mat", "imagelabels.mat");
    expect_refused(flowers, "train", EFF_E_FORMAT, "imagelabels.mat: no list of numbers called \"labels\"");
    make_flowers();
    assert_int_equal(truncate(in_scratch("setid.mat"), 200), 0);
    expect_refused(flowers, "val", EFF_E_FORMAT, "setid.mat: damaged MAT-file");
    copy_file(GOLDEN "flowers_few.mat", "imagelabels.mat"); /* five labels, of which one is 103 */
    copy_file(GOLDEN "flowers/setid.mat", "setid.mat");
    expect_refused(flowers, "trnid", EFF_E_FORMAT,
                   "imagelabels.mat: number 5 of \"labels\" is 103; it must lie in 1 to 102");
    copy_file(GOLDEN "flowers_ids.mat", "setid.mat"); /* trnid 1, 13; valid 1.5; tstid none */
    copy_file(GOLDEN "flowers/imagelabels.mat", "imagelabels.mat");
    expect_refused(flowers, "trnid", EFF_E_FORMAT, "setid.mat: number 2 of \"trnid\" is 13; it must lie in 1 to 12");
    expect_refused(flowers, "valid", EFF_E_FORMAT, "setid.mat: number 1 of \"valid\" is 1.5;");
    expect_refused(flowers, "test", EFF_E_FORMAT, "setid.mat: no pictures in this part");
}

/* ---- Stanford Cars ---- */

static void make_cars(void)
{
    make_folder("cars_train");
    make_folder("cars_test");
    make_folder("devkit");
    copy_file(GOLDEN "cars/devkit/cars_meta.mat", "devkit/cars_meta.mat");
    copy_file(GOLDEN "cars/devkit/cars_train_annos.mat", "devkit/cars_train_annos.mat");
    copy_file(GOLDEN "cars/cars_test_annos_withlabels.mat", "cars_test_annos_withlabels.mat");
}

static void test_cars(void **state)
{
    eff_source *source;
    (void)state;
    make_cars();
    assert_lists(eff_source_open_cars, "train", "cars196",
                 "cars_train/00001.jpg:14 cars_train/00002.jpg:3 cars_train/00003.jpg:196");
    assert_lists(eff_source_open_cars, "val", "cars196", "cars_test/00001.jpg:181 cars_test/00002.jpg:1");
    assert_lists(eff_source_open_cars, "test", "cars196", "cars_test/00001.jpg:181 cars_test/00002.jpg:1");
    const char *labels = "devkit/cars_test_annos_withlabels.mat";
    assert_int_equal(rename(in_scratch("cars_test_annos_withlabels.mat"), in_scratch(labels)), 0);
    assert_lists(eff_source_open_cars, "test", "cars196", "cars_test/00001.jpg:181 cars_test/00002.jpg:1");
    assert_int_equal(eff_source_open_cars(&source, scratch, "train"), EFF_OK);
    assert_int_equal(source->classes, 196);
    assert_string_equal(source->class_names[195], "Model 196 Coup\xC3\xA9 2012");
    eff_source_release(source);
}

static void test_cars_mistakes(void **state)
{
    open_function cars = eff_source_open_cars;
    (void)state;
    expect_refused(cars, "all", EFF_E_ARGUMENT, "Stanford Cars has no split \"all\"; there are train, val and test");
    expect_refused(cars, "train", EFF_E_IO, "/cars_train: no such folder (cars_train.tgz");
    make_cars();
    copy_file(GOLDEN "cars/devkit/cars_test_annos.mat", "cars_test_annos_withlabels.mat");
    expect_refused(cars, "test", EFF_E_FORMAT, "no field \"class\" (the labels of the test pictures are in "
                   "cars_test_annos_withlabels.mat)");
    assert_int_equal(unlink(in_scratch("cars_test_annos_withlabels.mat")), 0);
    expect_refused(cars, "test", EFF_E_IO, "devkit/cars_test_annos_withlabels.mat: cannot read: No such file");
    copy_file(GOLDEN "kinds.mat", "devkit/cars_train_annos.mat");
    expect_refused(cars, "train", EFF_E_FORMAT, "cars_train_annos.mat: no structures called \"annotations\"");
    copy_file(GOLDEN "cars_bad.mat", "devkit/cars_train_annos.mat"); /* a class of 197 */
    expect_refused(cars, "train", EFF_E_FORMAT, "the class of picture 1 (00001.jpg) is 197; it must lie in 1 to 196");
    copy_file(GOLDEN "cars_bad_names.mat", "devkit/cars_train_annos.mat"); /* a file name with a slash */
    expect_refused(cars, "train", EFF_E_FORMAT, "picture 1 has no file name (field \"fname\")");
    copy_file(GOLDEN "kinds.mat", "devkit/cars_meta.mat");
    expect_refused(cars, "train", EFF_E_FORMAT, "cars_meta.mat: no cells called \"class_names\"");
    copy_file(GOLDEN "cars_few_names.mat", "devkit/cars_meta.mat");
    expect_refused(cars, "train", EFF_E_FORMAT, "cars_meta.mat: 2 class names; there are 196");
}

/* ---- ImageNet-21k ---- */

static void test_imagenet21k(void **state)
{
    const int32_t *list;
    int32_t only;
    char name[128];
    eff_source *source;
    (void)state;
    make_folder("n00000001");
    make_folder("n00000002/deep");
    make_folder("n00000003");
    const char *const files[] = {
        "n00000001/n00000001_1.JPEG", "n00000001/n00000003_7.JPEG", "n00000002/deep/n00000002_1.JPEG",
        "n00000002/n00000002_1.JPEG", "n00000002/n00000003_7.JPEG", "n00000003/n00000003_7.JPEG",
        "n00000003/n00000003_8.JPEG"};
    for (int i = 0; i < 7; i++) put_bytes(in_scratch(files[i]), "", 0);
    if (eff_source_open_imagenet21k(&source, scratch) != EFF_OK) fail_msg("%s", eff_message());
    assert_string_equal(source->kind, "imagenet21k");
    assert_int_equal(source->classes, 3);
    assert_int_equal(source->count, 4);
    assert_true(eff_source_has_several_labels(source));
    const struct {
        const char *name;
        int count;
        int32_t labels[3];
    } want[] = {{"n00000001/n00000001_1.JPEG", 1, {0}},
                {"n00000001/n00000003_7.JPEG", 3, {0, 1, 2}},
                {"n00000002/deep/n00000002_1.JPEG", 1, {1}},
                {"n00000003/n00000003_8.JPEG", 1, {2}}};
    for (int i = 0; i < 4; i++) {
        eff_source_key(source, i, name, sizeof name);
        assert_string_equal(name, want[i].name);
        assert_int_equal(eff_source_labels(source, i, &list, &only), want[i].count);
        assert_memory_equal(list, want[i].labels, (size_t)want[i].count * sizeof *list);
    }
    eff_source_release(source);
    make_folder("n123");
    assert_int_equal(eff_source_open_imagenet21k(&source, scratch), EFF_E_FORMAT);
    assert_contains(eff_message(), "the class folder \"n123\" is no WordNet number such as n01440764");
    assert_int_equal(eff_source_open_imagenet21k(&source, in_scratch("none")), EFF_E_IO);
}

static int nothing_is_left(void **state)
{
    return eff_pool_get_stats().live_bytes == 0 ? scratch_teardown(state) : -1;
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, scratch_setup, nothing_is_left)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_folder(test_flowers),       in_folder(test_flowers_mistakes), in_folder(test_cars),
        in_folder(test_cars_mistakes), in_folder(test_imagenet21k),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
