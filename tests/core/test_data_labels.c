/* Lists of files, several labels of a picture, keys, and what is held out by their hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include <cmocka.h>

#include "base/pool.h"
#include "data/files.h"

static void test_names(void **state)
{
    eff_names names = {0};
    (void)state;
    assert_int_equal(eff_names_find(&names, "a"), -1);
    const char *const added[] = {"m", "z", "b", "a", "y"};
    for (int i = 0; i < 5; i++) assert_int_equal(eff_names_add(&names, added[i]), EFF_OK);
    eff_names_sort(&names, 1); /* the first stays */
    const char *const want[] = {"m", "a", "b", "y", "z"};
    eff_names_trim(&names);
    for (int i = 0; i < 5; i++) assert_string_equal(eff_names_at(&names, i), want[i]);
    eff_names_sort(&names, 0);
    assert_int_equal(eff_names_find(&names, "m"), 2);
    assert_int_equal(eff_names_find(&names, "c"), -1);
    eff_names_free(&names);
}

static void test_name_set(void **state)
{
    eff_name_set set = {0};
    int64_t place;
    char text[32];
    (void)state;
    assert_int_equal(eff_name_set_find(&set, "0"), -1);
    for (int i = 0; i < 3000; i++) {
        snprintf(text, sizeof text, "%d", i % 1000);
        assert_int_equal(eff_name_set_place(&set, &place, text), EFF_OK);
        assert_int_equal(place, i % 1000);
    }
    assert_int_equal(set.names.count, 1000);
    assert_int_equal(eff_name_set_find(&set, "999"), 999);
    assert_int_equal(eff_name_set_find(&set, "1000"), -1);
    eff_name_set_free(&set);
}

/* Pictures "<i>.jpg" below /data; picture i has the labels 0 .. i % most. */
static eff_source *make_source(int64_t count, int most)
{
    static const char *const classes[] = {"a", "b", "c", "d"};
    const int32_t labels[] = {0, 1, 2, 3};
    eff_files *f = eff_files_new("folder", "/data");
    eff_source *source = NULL;
    char text[32];
    assert_non_null(f);
    for (int64_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%lld.jpg", (long long)i);
        assert_int_equal(eff_files_add_labelled(f, text, labels, 1 + (int)(i % most)), EFF_OK);
    }
    assert_int_equal(eff_files_end(&source, f, eff_source_set_classes(&f->head, classes, 4)), EFF_OK);
    return source;
}

static void test_several_labels(void **state)
{
    eff_source *source = make_source(200, 3), *part;
    const int32_t *list;
    int32_t only;
    float targets[2][5];
    (void)state;
    assert_int_equal(source->count, 200);
    assert_true(eff_source_has_several_labels(source));
    for (int i = 0; i < 200; i++) {
        assert_int_equal(eff_source_labels(source, i, &list, &only), 1 + i % 3);
        for (int k = 0; k <= i % 3; k++) assert_int_equal(list[k], k);
        assert_int_equal(eff_source_label(source, i), 0);
    }
    eff_source_targets(source, targets[0], (int64_t[]){2, 6}, 2, 5);
    const float want[10] = {1.0f / 3, 1.0f / 3, 1.0f / 3, 0, 0, 1, 0, 0, 0, 0};
    assert_memory_equal(targets, want, sizeof targets);
    assert_int_equal(eff_source_open_subset(&part, source, (int64_t[]){7, 5}, 2), EFF_OK);
    assert_true(eff_source_has_several_labels(part));
    assert_int_equal(eff_source_labels(part, 1, &list, &only), 3);
    eff_source_release(source);
    eff_source_release(part);
}

static void test_one_label(void **state)
{
    eff_source *source = make_source(3, 1), *part;
    const int32_t *list;
    int32_t only;
    float targets[4];
    (void)state;
    assert_false(eff_source_has_several_labels(source));
    assert_int_equal(eff_source_labels(source, 1, &list, &only), 1);
    assert_int_equal(list[0], 0);
    eff_source_targets(source, targets, (int64_t[]){2}, 1, 4);
    assert_memory_equal(targets, ((float[]){1, 0, 0, 0}), sizeof targets);
    assert_int_equal(eff_source_open_subset(&part, source, (int64_t[]){2}, 1), EFF_OK);
    assert_false(eff_source_has_several_labels(part));
    eff_source_release(source);
    eff_source_release(part);
}

static void test_keys(void **state)
{
    eff_source *source, *part, *shapes;
    char text[64];
    (void)state;
    eff_files *f = eff_files_new("folder", "/data");
    assert_int_equal(eff_files_add(f, "cats/1.jpg", 0), EFF_OK);
    assert_int_equal(eff_files_add(f, "/elsewhere/2.jpg", 0), EFF_OK);
    const char *const classes[] = {"cats"};
    assert_int_equal(eff_files_end(&source, f, eff_source_set_classes(&f->head, classes, 1)), EFF_OK);
    eff_source_name(source, 0, text, sizeof text);
    assert_string_equal(text, "/data/cats/1.jpg");
    eff_source_key(source, 0, text, sizeof text);
    assert_string_equal(text, "cats/1.jpg");
    eff_source_key(source, 1, text, sizeof text);
    assert_string_equal(text, "/elsewhere/2.jpg");
    assert_int_equal(eff_source_open_subset(&part, source, (int64_t[]){0}, 1), EFF_OK);
    eff_source_key(part, 0, text, sizeof text);
    assert_string_equal(text, "cats/1.jpg");
    assert_int_equal(eff_source_open_shapes(&shapes, "train", 3, 0), EFF_OK);
    eff_source_key(shapes, 2, text, sizeof text);
    assert_string_equal(text, "shapes/train/horseshoe_2");
    eff_source_release(source);
    eff_source_release(part);
    eff_source_release(shapes);
}

/* Which of the first `count` pictures are in a source of make_source. */
static void mark(bool *in, const eff_source *source)
{
    for (int64_t i = 0; i < source->count; i++) {
        char text[64];
        eff_source_key(source, i, text, sizeof text);
        in[atoi(text)] = true;
    }
}

static void test_held_out_by_share(void **state)
{
    enum { FEW = 2000, MANY = 3000 };
    static bool few[FEW], many[MANY];
    eff_source *base[2] = {make_source(FEW, 1), make_source(MANY, 2)}, *rest, *held;
    (void)state;
    for (int k = 0; k < 2; k++) {
        assert_int_equal(eff_source_hold_out(&rest, &held, base[k], 0, 0.25, 7), EFF_OK);
        assert_int_equal(rest->count + held->count, base[k]->count);
        assert_in_range(held->count, base[k]->count / 5, base[k]->count * 3 / 10);
        mark(k ? many : few, held);
        eff_source_release(base[k]);
        eff_source_release(rest);
        eff_source_release(held);
    }
    for (int i = 0; i < FEW; i++) { /* whatever else is there */
        char text[32];
        int length = snprintf(text, sizeof text, "%d.jpg", i);
        assert_int_equal(few[i], many[i]);
        assert_int_equal(few[i], XXH3_64bits_withSeed(text, (size_t)length, 7) < UINT64_MAX / 4 + 1);
    }
}

static void test_held_out_by_count(void **state)
{
    enum { N = 500 };
    static bool held_out[2][N], left[N];
    eff_source *base = make_source(N, 1), *rest, *held;
    (void)state;
    for (int k = 0; k < 2; k++) { /* more of them include the fewer */
        assert_int_equal(eff_source_hold_out(&rest, &held, base, k ? 100 : 30, 0, 0), EFF_OK);
        assert_int_equal(held->count, k ? 100 : 30);
        assert_int_equal(rest->count, k ? 400 : 470);
        mark(held_out[k], held);
        if (k) mark(left, rest);
        eff_source_release(rest);
        eff_source_release(held);
    }
    for (int i = 0; i < N; i++) {
        assert_true(!held_out[0][i] || held_out[1][i]);
        assert_int_not_equal(held_out[1][i], left[i]);
    }
    eff_source_release(base);
}

static void test_held_out_of_like_names(void **state)
{
    const char *const classes[] = {"cats"};
    eff_source *source, *rest, *held;
    (void)state;
    eff_files *f = eff_files_new("folder", "/data");
    for (int i = 0; i < 9; i++) assert_int_equal(eff_files_add(f, "1.jpg", 0), EFF_OK);
    assert_int_equal(eff_files_end(&source, f, eff_source_set_classes(&f->head, classes, 1)), EFF_OK);
    assert_int_equal(eff_source_hold_out(&rest, &held, source, 4, 0, 0), EFF_OK);
    assert_int_equal(held->count, 4);
    assert_int_equal(rest->count, 5);
    eff_source_release(rest);
    eff_source_release(held);
    assert_int_equal(eff_source_hold_out(&rest, &held, source, 0, 0.5, 0), EFF_E_ARGUMENT);
    assert_non_null(strstr(eff_message(), "both need some"));
    eff_source_release(source);
}

static void test_held_out_mistakes(void **state)
{
    eff_source *base = make_source(10, 1), *rest, *held;
    (void)state;
    assert_int_equal(eff_source_hold_out(&rest, &held, base, 10, 0, 0), EFF_E_ARGUMENT);
    assert_string_equal(eff_message(), "10 pictures to hold out; the source has 10, some must be left");
    assert_int_equal(eff_source_hold_out(&rest, &held, base, -1, 0, 0), EFF_E_ARGUMENT);
    assert_int_equal(eff_source_hold_out(&rest, &held, base, 0, 1.0, 0), EFF_E_ARGUMENT);
    assert_string_equal(eff_message(), "a share of 1 to hold out; it must lie between 0 and 1");
    assert_null(rest);
    assert_null(held);
    eff_source_release(base);
}

static int nothing_is_left(void **state)
{
    (void)state;
    return eff_pool_get_stats().live_bytes == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_name_set),
        cmocka_unit_test_teardown(test_several_labels, nothing_is_left),
        cmocka_unit_test_teardown(test_one_label, nothing_is_left),
        cmocka_unit_test_teardown(test_keys, nothing_is_left),
        cmocka_unit_test_teardown(test_held_out_by_share, nothing_is_left),
        cmocka_unit_test_teardown(test_held_out_by_count, nothing_is_left),
        cmocka_unit_test_teardown(test_held_out_of_like_names, nothing_is_left),
        cmocka_unit_test_teardown(test_held_out_mistakes, nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
