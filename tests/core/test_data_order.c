/* The order of an epoch: each picture once, shards together within their window, the same for the same seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/order.h"

enum { SHARDS = 20, COUNT = 210 };

/* Shard s has s + 1 pictures, one after the other. */
static int shard_of(const eff_source *source, int64_t index)
{
    (void)source;
    int s = 0;
    while (index >= (s + 1) * (s + 2) / 2) s++;
    return s;
}

static const eff_source_ops ops = {.shard = shard_of};
static const eff_source source = {.ops = &ops, .kind = "made up", .count = COUNT, .shards = SHARDS};

static void fill(int64_t *list, eff_shuffle shuffle, int window, uint64_t seed, int64_t epoch)
{
    eff_order order = {shuffle, window, seed};
    assert_int_equal(eff_order_check(&order, &source), EFF_OK);
    assert_int_equal(eff_order_fill(list, &order, &source, epoch), EFF_OK);
    bool seen[COUNT] = {false};
    for (int i = 0; i < COUNT; i++) {
        assert_in_range(list[i], 0, COUNT - 1);
        assert_false(seen[list[i]]);
        seen[list[i]] = true;
    }
}

/* How many shards the first n pictures of a list come from. */
static int shards_among(const int64_t *list, int n)
{
    bool met[SHARDS] = {false};
    int count = 0;
    for (int i = 0; i < n; i++) {
        count += !met[shard_of(&source, list[i])];
        met[shard_of(&source, list[i])] = true;
    }
    return count;
}

static void test_each_once(void **state)
{
    int64_t list[COUNT], again[COUNT];
    (void)state;
    fill(list, EFF_SHUFFLE_NONE, 1, 0, 0);
    for (int i = 0; i < COUNT; i++) assert_int_equal(list[i], i);
    for (int shuffle = EFF_SHUFFLE_ALL; shuffle <= EFF_SHUFFLE_SHARDS; shuffle++) {
        for (int window = 1; window <= SHARDS + 1; window++) {
            fill(list, (eff_shuffle)shuffle, window, 3, 7);
            fill(again, (eff_shuffle)shuffle, window, 3, 7);
            assert_memory_equal(list, again, sizeof list);
            fill(again, (eff_shuffle)shuffle, window, 3, 8);
            assert_memory_not_equal(list, again, sizeof list);
            fill(again, (eff_shuffle)shuffle, window, 4, 7);
            assert_memory_not_equal(list, again, sizeof list);
        }
    }
}

/* Every window holds whole shards, and mixes them. */
static void test_windows(void **state)
{
    int64_t list[COUNT];
    (void)state;
    for (int window = 1; window <= SHARDS; window++) {
        fill(list, EFF_SHUFFLE_SHARDS, window, 11, 0);
        int met = 0;
        for (int begin = 0, end; begin < COUNT; begin = end, met += window) {
            int turns = met + window < SHARDS ? window : SHARDS - met;
            for (end = begin + 1; end < COUNT && shards_among(list + begin, end + 1 - begin) <= turns;) end++;
            assert_int_equal(shards_among(list + begin, end - begin), turns);
            assert_int_equal(shards_among(list, end), met + turns); /* none of them came before */
        }
    }
    fill(list, EFF_SHUFFLE_SHARDS, SHARDS, 11, 0);
    assert_true(shards_among(list, COUNT / 4) > SHARDS / 2);
}

static void test_refused(void **state)
{
    eff_order order = {EFF_SHUFFLE_SHARDS, 0, 0};
    eff_source plain = {.kind = "folder", .count = 3};
    (void)state;
    assert_int_equal(eff_order_check(&order, &source), EFF_E_ARGUMENT);
    order.window = 1;
    assert_int_equal(eff_order_check(&order, &plain), EFF_E_ARGUMENT);
    assert_non_null(strstr(eff_message(), "the source is of kind \"folder\""));
    order.shuffle = EFF_SHUFFLE_ALL;
    assert_int_equal(eff_order_check(&order, &plain), EFF_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_once),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
