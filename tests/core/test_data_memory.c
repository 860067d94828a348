/* What a listed picture costs beside the text of its path, with all that training adds: at most 32 bytes. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/pool.h"
#include "data/files.h"
#include "data/loader.h"

enum { MOST_BYTES = 32 };

static int64_t pictures = 1 << 18; /* EFFV2_LISTED sets another number */

/* The sanitizers' heaps say nothing; then this is less than the text. */
static int64_t bytes_in_use(void)
{
    struct mallinfo2 heap = mallinfo2();
    return (int64_t)(heap.uordblks + heap.hblkhd) + eff_pool_get_stats().live_bytes;
}

static eff_source *list_pictures(int several)
{
    static const char *const classes[] = {"n01440764", "n01443537"};
    eff_files *f = eff_files_new("folder", "/data");
    eff_source *source = NULL;
    for (int64_t i = 0; i < pictures; i++) {
        char path[64];
        snprintf(path, sizeof path, "n01440764/n01440764_%lld.JPEG", (long long)i);
        assert_int_equal(eff_files_add_labelled(f, path, (int32_t[]){0, 1}, several && i % 10 == 0 ? 2 : 1), EFF_OK);
    }
    assert_int_equal(eff_files_end(&source, f, eff_source_set_classes(&f->head, classes, 2)), EFF_OK);
    return source;
}

static eff_pipeline *make_pipeline(void)
{
    eff_pipeline *pipeline;
    eff_step resize = {.kind = EFF_STEP_RESIZE, .resize = {8, 8, EFF_FILTER_TF_BILINEAR, EFF_FILTER_TF_BILINEAR}};
    assert_int_equal(eff_pipeline_create(&pipeline), EFF_OK);
    assert_int_equal(eff_pipeline_add(pipeline, &resize), EFF_OK);
    assert_int_equal(eff_pipeline_finish(pipeline), EFF_OK);
    return pipeline;
}

/* The list, its minival held out, and a loader with the shuffled order of an epoch. */
static void test_bytes_a_picture(void **state)
{
    (void)state;
    for (int several = 0; several < 2; several++) {
        int64_t before = bytes_in_use();
        eff_source *source = list_pictures(several), *train, *minival;
        size_t text = ((eff_files *)source)->names.size;
        assert_int_equal(eff_source_hold_out(&train, &minival, source, 0, 0.02, 0), EFF_OK);
        eff_pipeline *pipeline = make_pipeline();
        eff_loader_config config = {
            .source = train, .pipeline = pipeline, .batch_size = 1, .shuffle = true, .ranks = 1};
        eff_loader *loader;
        assert_int_equal(eff_loader_open(&loader, &config), EFF_OK);
        assert_int_equal(eff_loader_start(loader, 0, 0), EFF_OK);
        int64_t bytes = bytes_in_use() - before - (int64_t)text;
        double each = (double)bytes / (double)pictures;
        bool counted = bytes > 0;
        if (counted) print_message("%.1f bytes a picture beside %.1f of text\n", each, (double)text / (double)pictures);
        if (counted && each > MOST_BYTES) fail_msg("%.1f bytes a picture", each);
        eff_loader_close(loader);
        eff_pipeline_release(pipeline);
        eff_source_release(source);
        eff_source_release(train);
        eff_source_release(minival);
    }
}

int main(void)
{
    const char *given = getenv("EFFV2_LISTED");
    if (given) pictures = atoll(given);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bytes_a_picture)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
