/* The loader: the same bytes for any number of workers, exact resume, ranks, bad pictures, closing at any moment. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/interrupt.h"
#include "base/pool.h"
#include "data/loader.h"

enum { SIDE = 12, SAMPLE = SIDE * SIDE * 3, PICTURES = 37, BATCH = 5 };

static eff_pipeline *make_pipeline(void)
{
    eff_pipeline *p;
    eff_step steps[] = {
        {.kind = EFF_STEP_RANDOM_CROP,
         .random_crop = {EFF_CROP_TF, EFF_FALLBACK_WHOLE, 0.3, 1.0, 0.75, 1.33, 0.0, 100, 0}},
        {.kind = EFF_STEP_RESIZE, .resize = {SIDE, SIDE, EFF_FILTER_TF_BILINEAR, EFF_FILTER_TF_BILINEAR}},
        {.kind = EFF_STEP_FLIP, .flip = {0.5}},
        {.kind = EFF_STEP_POLICY, .policy = {.draws = 2}},
        {.kind = EFF_STEP_NORMALIZE, .normalize = {{128, 128, 128}, {128, 128, 128}}}};
    eff_policy_op ops[] = {{.name = "rotate", .primitive = EFF_PRIMITIVE_ROTATE, .args = {20}, .random_sign = true,
                            .probability = 1},
                           {.name = "sharpness", .primitive = EFF_PRIMITIVE_SHARPNESS, .args = {1.7}, .probability = 1},
                           {.name = "equalize", .primitive = EFF_PRIMITIVE_EQUALIZE, .probability = 0.5}};
    assert_int_equal(eff_pipeline_create(&p), EFF_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(eff_pipeline_add(p, &steps[i]), EFF_OK);
        for (int k = 0; i == 3 && k < 3; k++) assert_int_equal(eff_pipeline_add_op(p, &ops[k], true), EFF_OK);
    }
    assert_int_equal(eff_pipeline_finish(p), EFF_OK);
    return p;
}

static eff_loader_config default_config(int workers)
{
    eff_loader_config config = {.batch_size = BATCH,
                                .seed = 3,
                                .shuffle = EFF_SHUFFLE_ALL,
                                .last = EFF_LAST_SHORT,
                                .workers = workers,
                                .prefetch = 2,
                                .ranks = 1};
    assert_int_equal(eff_source_open_shapes(&config.source, "train", PICTURES, 0), EFF_OK);
    config.pipeline = make_pipeline();
    return config;
}

/* Opens and lets the loader alone hold source and pipeline. */
static eff_loader *open_loader(eff_loader_config config)
{
    eff_loader *loader;
    if (eff_loader_open(&loader, &config) != EFF_OK) fail_msg("%s", eff_message());
    eff_source_release(config.source);
    eff_pipeline_release(config.pipeline);
    return loader;
}

typedef struct epoch_copy {
    float images[64][SAMPLE];
    int64_t labels[64], indices[64];
    int64_t count, batches;
} epoch_copy;

static void read_epoch(epoch_copy *copy, eff_loader *loader, int64_t epoch, int64_t position)
{
    const eff_batch *batch;
    memset(copy, 0, sizeof *copy);
    assert_int_equal(eff_loader_start(loader, epoch, position), EFF_OK);
    for (;;) {
        if (eff_loader_next(loader, &batch) != EFF_OK) fail_msg("%s", eff_message());
        if (!batch) break;
        assert_int_equal(batch->position, position + copy->batches++);
        assert_int_equal(batch->height, SIDE);
        eff_batch_write_images(copy->images[copy->count], batch);
        for (int64_t i = 0; i < batch->count; i++, copy->count++) {
            copy->labels[copy->count] = batch->labels[i];
            copy->indices[copy->count] = batch->indices[i];
        }
    }
}

static void test_same_for_any_workers(void **state)
{
    static epoch_copy want[2], got;
    const int workers[] = {0, 1, 2, 4};
    (void)state;
    for (int k = 0; k < 4; k++) {
        eff_loader *loader = open_loader(default_config(workers[k]));
        assert_int_equal(eff_loader_batches(loader), 8);
        for (int epoch = 0; epoch < 2; epoch++) {
            read_epoch(k == 0 ? &want[epoch] : &got, loader, epoch, 0);
            if (k > 0) assert_memory_equal(&got, &want[epoch], sizeof got);
        }
        eff_loader_close(loader);
    }
    assert_int_equal(want[0].count, PICTURES);
    assert_int_equal(want[0].batches, 8);
    assert_memory_not_equal(want[0].indices, want[1].indices, sizeof want[0].indices);
    int seen[PICTURES] = {0};
    for (int i = 0; i < PICTURES; i++) {
        seen[want[0].indices[i]]++;
        assert_int_equal(want[0].labels[i], want[0].indices[i] % 10);
    }
    for (int i = 0; i < PICTURES; i++) assert_int_equal(seen[i], 1);
    /* a picture looks different in the next epoch */
    for (int i = 0; i < PICTURES; i++)
        for (int j = 0; j < PICTURES; j++)
            if (want[0].indices[i] == want[1].indices[j])
                assert_memory_not_equal(want[0].images[i], want[1].images[j], sizeof want[0].images[0]);
}

static void test_resume(void **state)
{
    static epoch_copy whole, rest;
    (void)state;
    for (int workers = 0; workers < 3; workers += 2) {
        eff_loader *loader = open_loader(default_config(workers));
        const eff_batch *batch;
        read_epoch(&whole, loader, 5, 0);
        for (int64_t position = 1; position <= 8; position += 3) {
            assert_int_equal(eff_loader_start(loader, 5, 2), EFF_OK); /* left in the middle of an epoch */
            assert_int_equal(eff_loader_next(loader, &batch), EFF_OK);
            read_epoch(&rest, loader, 5, position);
            int64_t skipped = position * BATCH;
            assert_int_equal(rest.count, PICTURES - skipped);
            assert_memory_equal(rest.images, whole.images[skipped], (size_t)rest.count * sizeof whole.images[0]);
            assert_memory_equal(rest.indices, whole.indices + skipped, (size_t)rest.count * sizeof(int64_t));
        }
        assert_int_equal(eff_loader_start(loader, 5, 8), EFF_OK);
        assert_int_equal(eff_loader_next(loader, &batch), EFF_OK);
        assert_null(batch);
        assert_int_equal(eff_loader_start(loader, 5, 9), EFF_E_ARGUMENT);
        eff_loader_close(loader);
    }
}

static void test_last_batch(void **state)
{
    static epoch_copy copy;
    const eff_batch *batch;
    (void)state;
    eff_loader_config config = default_config(1);
    config.shuffle = EFF_SHUFFLE_NONE;
    config.last = EFF_LAST_DROP;
    eff_loader *loader = open_loader(config);
    assert_int_equal(eff_loader_batches(loader), 7);
    read_epoch(&copy, loader, 0, 0);
    assert_int_equal(copy.count, 35);
    for (int i = 0; i < 35; i++) assert_int_equal(copy.indices[i], i);
    eff_loader_close(loader);

    config = default_config(1);
    config.shuffle = EFF_SHUFFLE_NONE;
    config.last = EFF_LAST_PAD;
    loader = open_loader(config);
    assert_int_equal(eff_loader_start(loader, 0, 7), EFF_OK);
    assert_int_equal(eff_loader_next(loader, &batch), EFF_OK);
    assert_int_equal(batch->count, 5);
    assert_int_equal(batch->padding, 3);
    assert_memory_equal(batch->indices, ((int64_t[]){35, 36, 0, 1, 2}), 5 * sizeof(int64_t));
    eff_loader_close(loader);
}

/* Three ranks see together what one sees with batches three times as large. */
static void test_ranks(void **state)
{
    static epoch_copy one, part;
    int64_t at[3] = {0, 0, 0};
    static epoch_copy parts[3];
    (void)state;
    eff_loader_config config = default_config(0);
    config.batch_size = 3 * BATCH;
    eff_loader *loader = open_loader(config);
    read_epoch(&one, loader, 1, 0);
    eff_loader_close(loader);
    for (int rank = 0; rank < 3; rank++) {
        config = default_config(2);
        config.rank = rank;
        config.ranks = 3;
        loader = open_loader(config);
        assert_int_equal(eff_loader_batches(loader), 3);
        read_epoch(&part, loader, 1, 0);
        assert_int_equal(part.batches, 3); /* 37 = 15 + 15 + 7: the third rank's last batch is empty */
        parts[rank] = part;
        eff_loader_close(loader);
    }
    assert_int_equal(parts[0].count, 15);
    assert_int_equal(parts[1].count, 12);
    assert_int_equal(parts[2].count, 10);
    for (int64_t i = 0; i < PICTURES; i++) {
        int rank = (int)(i % 15 / 5);
        assert_int_equal(one.indices[i], parts[rank].indices[at[rank]]);
        assert_memory_equal(one.images[i], parts[rank].images[at[rank]++], sizeof one.images[0]);
    }
}

static void test_no_allocation_per_batch(void **state)
{
    const eff_batch *batch;
    (void)state;
    eff_loader *loader = open_loader(default_config(2));
    int64_t allocations = 0;
    for (int epoch = 0; epoch < 6; epoch++) {
        assert_int_equal(eff_loader_start(loader, epoch % 3, 0), EFF_OK);
        do assert_int_equal(eff_loader_next(loader, &batch), EFF_OK);
        while (batch);
        if (epoch == 2) allocations = eff_pool_get_stats().system_allocs;
    }
    assert_in_range(eff_pool_get_stats().system_allocs - allocations, 0, 8); /* a worker may meet a larger crop late */
    eff_loader_close(loader);
}

/* Closing and restarting while workers are at work. */
static void test_close_at_any_moment(void **state)
{
    const eff_batch *batch;
    (void)state;
    for (int taken = 0; taken < 4; taken++) {
        eff_loader *loader = open_loader(default_config(3));
        if (taken == 3) { /* never started */
            eff_loader_close(loader);
            continue;
        }
        assert_int_equal(eff_loader_start(loader, 0, 0), EFF_OK);
        for (int i = 0; i < taken; i++) assert_int_equal(eff_loader_next(loader, &batch), EFF_OK);
        assert_int_equal(eff_loader_start(loader, 1, taken), EFF_OK);
        eff_loader_close(loader);
    }
    eff_loader_close(NULL);
}

static void test_interrupt(void **state)
{
    const eff_batch *batch;
    static epoch_copy want, got;
    (void)state;
    eff_interrupt_install();
    for (int workers = 0; workers < 2; workers++) {
        eff_loader *loader = open_loader(default_config(workers));
        read_epoch(&want, loader, 0, 0);
        assert_int_equal(eff_loader_start(loader, 0, 0), EFF_OK);
        raise(SIGUSR1);
        eff_status status;
        int batches = 0; /* what is ready may still come; nothing waits */
        while ((status = eff_loader_next(loader, &batch)) == EFF_OK && batch) batches++;
        assert_true(status == EFF_E_INTERRUPTED || (workers > 0 && !batch));
        assert_int_equal(eff_interrupt_take(), SIGUSR1);
        assert_int_equal(eff_loader_start(loader, 0, 0), EFF_OK);
        raise(SIGUSR1);
        if (workers == 0) assert_int_equal(eff_loader_next(loader, &batch), EFF_E_INTERRUPTED);
        eff_interrupt_take();
        int64_t count = 0; /* nothing was lost */
        for (;;) {
            assert_int_equal(eff_loader_next(loader, &batch), EFF_OK);
            if (!batch) break;
            assert_memory_equal(batch->indices, want.indices + count, (size_t)batch->count * sizeof(int64_t));
            count += batch->count;
        }
        assert_int_equal(count, PICTURES);
        read_epoch(&got, loader, 0, 0);
        assert_memory_equal(&got, &want, sizeof got);
        eff_loader_close(loader);
    }
}

/* ---- Bad pictures ---- */

static char root[] = "/tmp/effv2_loader_XXXXXX";

static void make_file(const char *name, bool good)
{
    char path[128];
    eff_image image = {0};
    snprintf(path, sizeof path, "%s/train/cat/%s", root, name);
    assert_int_equal(eff_image_reserve(&image, 16, 16), EFF_OK);
    memset(image.pixels, 99, eff_image_bytes(&image));
    assert_int_equal(eff_image_write_png(path, &image), EFF_OK);
    if (!good) assert_int_equal(truncate(path, 60), 0);
    eff_image_free(&image);
}

static int make_folder(void **state)
{
    char command[256];
    (void)state;
    strcpy(root, "/tmp/effv2_loader_XXXXXX");
    if (!mkdtemp(root)) return -1;
    snprintf(command, sizeof command, "mkdir -p %s/train/cat", root);
    if (system(command) != 0) return -1;
    for (int i = 0; i < 12; i++) {
        char name[16];
        snprintf(name, sizeof name, "%02d.png", i);
        make_file(name, i != 3 && i != 4);
    }
    return 0;
}

static int remove_folder(void **state)
{
    char command[256];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command) == 0 && eff_pool_get_stats().live_bytes == 0 ? 0 : -1;
}

static eff_loader *open_bad(int workers, eff_bad_policy bad, int64_t max_bad)
{
    eff_loader_config config = default_config(workers);
    eff_folder_options options = {"train", 0.0, 0};
    eff_source_release(config.source);
    assert_int_equal(eff_source_open_folder(&config.source, root, &options), EFF_OK);
    config.shuffle = EFF_SHUFFLE_NONE;
    config.batch_size = 4;
    config.bad = bad;
    config.max_bad = max_bad;
    return open_loader(config);
}

static void test_bad_raises(void **state)
{
    const eff_batch *batch;
    (void)state;
    for (int workers = 0; workers < 3; workers++) {
        eff_loader *loader = open_bad(workers, EFF_BAD_RAISE, 0);
        assert_int_equal(eff_loader_start(loader, 0, 0), EFF_OK);
        assert_int_equal(eff_loader_next(loader, &batch), EFF_E_FORMAT);
        assert_null(batch);
        assert_non_null(strstr(eff_message(), "/train/cat/03.png: damaged PNG: the data ends early"));
        assert_int_equal(eff_loader_next(loader, &batch), EFF_E_FORMAT);
        assert_non_null(strstr(eff_message(), "/train/cat/04.png"));
        assert_int_equal(eff_loader_next(loader, &batch), EFF_OK); /* goes on behind them */
        assert_int_equal(batch->position, 2);
        eff_loader_close(loader);
    }
}

static void test_bad_is_skipped(void **state)
{
    const eff_batch *batch;
    int64_t index;
    (void)state;
    for (int workers = 0; workers < 3; workers++) {
        eff_loader *loader = open_bad(workers, EFF_BAD_SKIP, 2);
        for (int epoch = 0; epoch < 2; epoch++) { /* the second time they are not counted again */
            assert_int_equal(eff_loader_start(loader, epoch, 0), EFF_OK);
            assert_int_equal(eff_loader_next(loader, &batch), EFF_OK);
            assert_int_equal(batch->count, 3);
            assert_memory_equal(batch->indices, ((int64_t[]){0, 1, 2}), 3 * sizeof(int64_t));
            assert_int_equal(eff_loader_next(loader, &batch), EFF_OK);
            assert_int_equal(batch->count, 3);
            assert_memory_equal(batch->indices, ((int64_t[]){5, 6, 7}), 3 * sizeof(int64_t));
            assert_int_equal(eff_loader_next(loader, &batch), EFF_OK);
            assert_int_equal(batch->count, 4);
            assert_int_equal(eff_loader_bad_count(loader), 2);
        }
        assert_non_null(strstr(eff_loader_bad(loader, 1, &index), "/train/cat/04.png"));
        assert_int_equal(index, 4);
        eff_loader_close(loader);
        loader = open_bad(workers, EFF_BAD_SKIP, 1);
        assert_int_equal(eff_loader_start(loader, 0, 0), EFF_OK);
        assert_int_equal(eff_loader_next(loader, &batch), EFF_OK);
        assert_int_equal(eff_loader_next(loader, &batch), EFF_E_FORMAT);
        assert_non_null(strstr(eff_message(), "2 pictures could not be read, more than the 1"));
        assert_non_null(strstr(eff_message(), "04.png"));
        eff_loader_close(loader);
    }
}

static void expect_refused(eff_loader_config config, const char *text)
{
    eff_loader *loader;
    assert_int_equal(eff_loader_open(&loader, &config), EFF_E_ARGUMENT);
    if (!strstr(eff_message(), text)) fail_msg("message \"%s\" lacks \"%s\"", eff_message(), text);
}

static void test_mistakes(void **state)
{
    eff_loader_config good = default_config(2), config = good;
    const eff_batch *batch;
    (void)state;
    config.batch_size = 0;
    expect_refused(config, "batch size is 0");
    config = good;
    config.workers = -1;
    expect_refused(config, "-1 workers");
    config = good;
    config.prefetch = 0;
    expect_refused(config, "prefetch of 0");
    config = good;
    config.rank = 1;
    expect_refused(config, "rank 1 of 1");
    config = good;
    config.batch_size = 38;
    config.last = EFF_LAST_DROP;
    expect_refused(config, "37 pictures do not fill one batch of 38");
    eff_loader *loader = open_loader(good);
    assert_int_equal(eff_loader_next(loader, &batch), EFF_E_STATE);
    eff_loader_close(loader);
}

static int nothing_is_left(void **state)
{
    (void)state;
    return eff_pool_get_stats().live_bytes == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_same_for_any_workers, nothing_is_left),
        cmocka_unit_test_teardown(test_resume, nothing_is_left),
        cmocka_unit_test_teardown(test_last_batch, nothing_is_left),
        cmocka_unit_test_teardown(test_ranks, nothing_is_left),
        cmocka_unit_test_teardown(test_no_allocation_per_batch, nothing_is_left),
        cmocka_unit_test_teardown(test_close_at_any_moment, nothing_is_left),
        cmocka_unit_test_teardown(test_interrupt, nothing_is_left),
        cmocka_unit_test_setup_teardown(test_bad_raises, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_bad_is_skipped, make_folder, remove_folder),
        cmocka_unit_test_teardown(test_mistakes, nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
