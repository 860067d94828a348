/* Pipelines: each step's effect, what is refused, and that a sample depends on its stream alone. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"
#include "data/augment.h"

static void make_image(eff_image *image, int height, int width)
{
    assert_int_equal(eff_image_reserve(image, height, width), EFF_OK);
    for (int i = 0; i < height * width * 3; i++) image->pixels[i] = (uint8_t)(i * 7 + i / 50);
}

static eff_pipeline *build(const eff_step *steps, int n)
{
    eff_pipeline *p;
    assert_int_equal(eff_pipeline_create(&p), EFF_OK);
    for (int i = 0; i < n; i++) assert_int_equal(eff_pipeline_add(p, &steps[i]), EFF_OK);
    assert_int_equal(eff_pipeline_finish(p), EFF_OK);
    return p;
}

static eff_status run_on(eff_pipeline *p, float *out, const eff_image *image, eff_rng *rng, eff_augment_scratch *scratch)
{
    eff_picture picture = eff_picture_of(image);
    return eff_pipeline_run(p, out, &picture, rng, scratch);
}

/* Runs sample `index` and gives the floats to the caller. */
static float *run(eff_pipeline *p, const eff_image *image, uint64_t index)
{
    int height, width;
    eff_augment_scratch scratch = {0};
    eff_rng rng;
    eff_pipeline_size(p, &height, &width);
    float *out = malloc((size_t)height * width * 3 * sizeof *out);
    eff_rng_start(&rng, 5, EFF_RNG_AUGMENT, 0, index);
    assert_int_equal(run_on(p, out, image, &rng, &scratch), EFF_OK);
    eff_augment_scratch_free(&scratch);
    return out;
}

#define RESIZE(h, w, f) {.kind = EFF_STEP_RESIZE, .resize = {h, w, f, f}}
#define NORMALIZE {.kind = EFF_STEP_NORMALIZE, .normalize = {{128, 128, 128}, {128, 128, 128}}}
#define FLIP(p) {.kind = EFF_STEP_FLIP, .flip = {p}}

static void test_resize_and_normalize(void **state)
{
    eff_image image = {0};
    (void)state;
    make_image(&image, 6, 8);
    eff_step steps[] = {RESIZE(6, 8, EFF_FILTER_TF_BILINEAR), NORMALIZE};
    eff_pipeline *p = build(steps, 2);
    float *out = run(p, &image, 0);
    for (int i = 0; i < 6 * 8 * 3; i++) assert_float_equal(out[i], (image.pixels[i] - 128.0f) / 128.0f, 0.0f);
    free(out);
    eff_pipeline_release(p);
    p = build(steps, 1); /* without normalisation: pixel values */
    out = run(p, &image, 0);
    for (int i = 0; i < 6 * 8 * 3; i++) assert_float_equal(out[i], image.pixels[i], 0.0f);
    free(out);
    eff_pipeline_release(p);
    eff_image_free(&image);
}

/* The floats of a TF resize are not rounded unless a step needs bytes, and then cut off. */
static void test_rounding(void **state)
{
    eff_image image = {0};
    (void)state;
    assert_int_equal(eff_image_reserve(&image, 1, 2), EFF_OK);
    memcpy(image.pixels, (uint8_t[]){0, 0, 0, 1, 3, 255}, 6);
    eff_step steps[] = {RESIZE(1, 1, EFF_FILTER_TF_BILINEAR),
                        {.kind = EFF_STEP_CUTOUT, .cutout = {0, {EFF_PAINT_CONSTANT, {0}}}}};
    eff_pipeline *p = build(steps, 1);
    float *out = run(p, &image, 0);
    assert_memory_equal(out, ((float[]){0.5f, 1.5f, 127.5f}), 3 * sizeof(float));
    free(out);
    eff_pipeline_release(p);
    p = build(steps, 2);
    out = run(p, &image, 0);
    assert_memory_equal(out, ((float[]){0, 1, 127}), 3 * sizeof(float));
    free(out);
    eff_pipeline_release(p);
    eff_image_free(&image);
}

static void test_flip(void **state)
{
    eff_image image = {0};
    int flipped = 0;
    (void)state;
    make_image(&image, 2, 2);
    eff_step always[] = {RESIZE(2, 2, EFF_FILTER_PIL_BILINEAR), FLIP(1.0)};
    eff_pipeline *p = build(always, 2);
    float *out = run(p, &image, 0);
    for (int c = 0; c < 3; c++) assert_float_equal(out[c], image.pixels[3 + c], 0.0f);
    free(out);
    eff_pipeline_release(p);
    eff_step sometimes[] = {RESIZE(2, 2, EFF_FILTER_TF_BILINEAR), FLIP(0.5)};
    p = build(sometimes, 2);
    for (int i = 0; i < 1000; i++) {
        out = run(p, &image, (uint64_t)i);
        bool here = out[0] == image.pixels[3];
        assert_true(here || out[0] == image.pixels[0]);
        flipped += here;
        free(out);
    }
    assert_in_range(flipped, 430, 570); /* 4.4 standard deviations */
    eff_pipeline_release(p);
    eff_image_free(&image);
}

static void test_center_crops(void **state)
{
    eff_image image = {0};
    (void)state;
    make_image(&image, 20, 30);
    eff_step steps[] = {{.kind = EFF_STEP_RESIZE_SHORTER, .resize = {10, 0, EFF_FILTER_PIL_BICUBIC,
                                                                     EFF_FILTER_PIL_BICUBIC}},
                        {.kind = EFF_STEP_CENTER_CROP, .center = {EFF_CENTER_SIZE, 0, 0, 8, 8}}};
    eff_pipeline *p = build(steps, 2);
    float *out = run(p, &image, 0);
    eff_image small = {0};
    eff_resizer resizer = {0};
    eff_rect whole = eff_image_whole(&image);
    assert_int_equal(eff_resize_bytes(&small, 10, 15, &image, eff_box_of(whole), EFF_FILTER_PIL_BICUBIC, false, &resizer), EFF_OK);
    for (int y = 0; y < 8; y++) /* (10 - 8) / 2 = 1; (15 - 8) / 2 = 3.5, rounded to even: 4 */
        for (int i = 0; i < 24; i++)
            assert_float_equal(out[y * 24 + i], small.pixels[((1 + y) * 15 + 4) * 3 + i], 0.0f);
    free(out);
    eff_pipeline_release(p);
    eff_step rule[] = {{.kind = EFF_STEP_CENTER_CROP, .center = {EFF_CENTER_RULE32, 32, 0, 0, 0}},
                       RESIZE(10, 10, EFF_FILTER_TF_BILINEAR)}; /* 32/64 of 20 is 10: no interpolation */
    p = build(rule, 2);
    out = run(p, &image, 0);
    for (int y = 0; y < 10; y++)
        for (int i = 0; i < 30; i++)
            assert_float_equal(out[y * 30 + i], image.pixels[((5 + y) * 30 + 10) * 3 + i], 0.0f);
    free(out);
    eff_pipeline_release(p);
    eff_resizer_free(&resizer);
    eff_image_free(&small);
    eff_image_free(&image);
}

static void test_pad_crop(void **state)
{
    eff_image image = {0};
    (void)state;
    assert_int_equal(eff_image_reserve(&image, 1, 3), EFF_OK);
    memcpy(image.pixels, (uint8_t[]){1, 1, 1, 2, 2, 2, 3, 3, 3}, 9);
    eff_step zero[] = {RESIZE(1, 3, EFF_FILTER_PIL_BILINEAR),
                       {.kind = EFF_STEP_PAD_CROP, .pad_crop = {1, false, {0, 0, 0}}}};
    eff_step mirror[] = {RESIZE(1, 3, EFF_FILTER_PIL_BILINEAR),
                         {.kind = EFF_STEP_PAD_CROP, .pad_crop = {1, true, {0, 0, 0}}}};
    const int with_zero[4][3] = {{0, 1, 2}, {1, 2, 3}, {2, 3, 0}, {0, 0, 0}}, with_mirror[3][3] = {{2, 1, 2}, {1, 2, 3},
                                                                                                   {2, 3, 2}};
    int seen[4] = {0};
    eff_pipeline *p = build(zero, 2), *q = build(mirror, 2);
    for (uint64_t i = 0; i < 200; i++) {
        float *a = run(p, &image, i), *b = run(q, &image, i);
        int found = 0, found_mirror = 0;
        for (int k = 0; k < 4; k++)
            if (a[0] == with_zero[k][0] && a[3] == with_zero[k][1] && a[6] == with_zero[k][2]) found = ++seen[k];
        for (int k = 0; k < 3; k++)
            found_mirror |= b[0] == with_mirror[k][0] && b[3] == with_mirror[k][1] && b[6] == with_mirror[k][2];
        assert_true(found && found_mirror);
        free(a);
        free(b);
    }
    for (int k = 0; k < 4; k++) assert_true(seen[k] > 0);
    eff_pipeline_release(p);
    eff_pipeline_release(q);
    eff_image_free(&image);
}

static eff_policy_op op(const char *primitive, double argument)
{
    eff_policy_op o = {.args = {argument}, .probability = 1.0};
    strcpy(o.name, primitive);
    assert_int_equal(eff_primitive_find(&o.primitive, primitive), EFF_OK);
    return o;
}

static void test_policy(void **state)
{
    eff_image image = {0};
    (void)state;
    assert_int_equal(eff_image_reserve(&image, 1, 1), EFF_OK);
    memset(image.pixels, 200, 3);
    eff_step resize = RESIZE(1, 1, EFF_FILTER_TF_BILINEAR);
    eff_step policy = {.kind = EFF_STEP_POLICY, .policy = {.draws = 2}};
    eff_pipeline *p;
    assert_int_equal(eff_pipeline_create(&p), EFF_OK);
    assert_int_equal(eff_pipeline_add(p, &resize), EFF_OK);
    assert_int_equal(eff_pipeline_add(p, &policy), EFF_OK);
    eff_policy_op invert = op("invert", 0), halve = op("brightness", 0.5), identity = op("identity", 0);
    assert_int_equal(eff_pipeline_add_op(p, &invert, true), EFF_OK);  /* group 1: invert, then halve */
    assert_int_equal(eff_pipeline_add_op(p, &halve, false), EFF_OK);
    assert_int_equal(eff_pipeline_add_op(p, &identity, true), EFF_OK); /* group 2 */
    assert_int_equal(eff_pipeline_finish(p), EFF_OK);
    int counts[256] = {0};
    for (uint64_t i = 0; i < 4000; i++) {
        float *out = run(p, &image, i);
        counts[(int)out[0]]++;
        free(out);
    }
    /* none: 200; once: 55 / 2 = 27; twice: (255 - 27) / 2 = 114; in the ratio 1 : 2 : 1 */
    assert_int_equal(counts[200] + counts[27] + counts[114], 4000);
    assert_in_range(counts[200], 880, 1120);
    assert_in_range(counts[27], 1870, 2130);
    assert_in_range(counts[114], 880, 1120);
    eff_pipeline_release(p);
    eff_image_free(&image);
}

static const eff_op_style official = {EFF_RULE_TF, EFF_WARP_NEAREST, EFF_WARP_NEAREST, {128, 128, 128}};

static void apply(eff_policy_op o, eff_image *image, const uint8_t *levels, int n)
{
    eff_image spare[2] = {{0}, {0}};
    eff_rng rng;
    assert_int_equal(eff_image_reserve(image, 1, n), EFF_OK);
    for (int i = 0; i < n; i++) memset(image->pixels + 3 * i, levels[i], 3);
    eff_rng_start(&rng, 1, EFF_RNG_AUGMENT, 0, 0);
    assert_int_equal(eff_policy_op_apply(&o, image, &official, &rng, spare), EFF_OK);
    eff_image_free(&spare[0]);
    eff_image_free(&spare[1]);
}

/* Every primitive does to an image what its name says; the arithmetic is tested in test_image_ops. */
static void test_primitives(void **state)
{
    const uint8_t in[4] = {10, 100, 150, 250};
    const struct {
        const char *name;
        double arguments[6];
        uint8_t want[4];
    } cases[] = {
        {"identity", {0}, {10, 100, 150, 250}},
        {"autocontrast", {0}, {0, 95, 148, 255}}, /* (x - 10) * 1.0625 */
        {"equalize", {0}, {10, 100, 150, 250}},   /* too few pixels for a step */
        {"invert", {0}, {245, 155, 105, 5}},
        {"posterize", {2}, {0, 64, 128, 192}},
        {"solarize", {128}, {10, 100, 105, 5}},
        {"solarize_add", {55, 128}, {65, 155, 150, 250}},
        {"color", {0.5}, {10, 100, 150, 250}},
        {"contrast", {0.5}, {5, 50, 75, 125}}, /* the gray of 4 pixels is 0 */
        {"brightness", {0.5}, {5, 50, 75, 125}},
        {"sharpness", {0.5}, {10, 100, 150, 250}},
        {"hue", {0.5}, {10, 100, 150, 250}},
        {"rotate", {180}, {250, 150, 100, 10}},
        {"shear_x", {1}, {10, 100, 150, 250}},  /* row 0 stays */
        {"shear_y", {1}, {10, 128, 128, 128}},
        {"translate_x", {1}, {128, 10, 100, 150}},
        {"translate_y", {1}, {128, 128, 128, 128}},
        {"translate_x_relative", {-0.5}, {150, 250, 128, 128}},
        {"translate_y_relative", {0.25}, {10, 100, 150, 250}}, /* a quarter of one pixel */
        {"affine", {-1, 0, 0, 0, 1, 0}, {250, 150, 100, 10}},
        {"cutout", {100}, {128, 128, 128, 128}},
        {"lut", {0}, {245, 155, 105, 5}}, /* the table below */
    };
    eff_image image = {0};
    (void)state;
    assert_int_equal(sizeof cases / sizeof cases[0], EFF_PRIMITIVE_COUNT);
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        eff_policy_op o = op(cases[k].name, 0);
        memcpy(o.args, cases[k].arguments, sizeof o.args);
        eff_lut_invert(&o.lut);
        apply(o, &image, in, 4);
        for (int i = 0; i < 12; i++)
            if (image.pixels[i] != cases[k].want[i / 3] &&
                !(strcmp(cases[k].name, "color") == 0 && abs(image.pixels[i] - cases[k].want[i / 3]) <= 1))
                fail_msg("%s: value %d is %d, not %d", cases[k].name, i, image.pixels[i], cases[k].want[i / 3]);
    }
    eff_image_free(&image);
}

static void test_sign_and_probability(void **state)
{
    eff_image image = {0}, spare[2] = {{0}, {0}};
    eff_policy_op o = op("translate_x", 1);
    int left = 0, right = 0, none = 0;
    eff_rng rng;
    (void)state;
    o.random_sign = true;
    o.probability = 0.5;
    eff_rng_start(&rng, 2, EFF_RNG_AUGMENT, 0, 0);
    for (int i = 0; i < 4000; i++) {
        assert_int_equal(eff_image_reserve(&image, 1, 2), EFF_OK);
        memcpy(image.pixels, (uint8_t[]){1, 1, 1, 2, 2, 2}, 6);
        assert_int_equal(eff_policy_op_apply(&o, &image, &official, &rng, spare), EFF_OK);
        left += image.pixels[0] == 2;
        right += image.pixels[0] == 128;
        none += image.pixels[0] == 1;
    }
    assert_int_equal(left + right + none, 4000);
    assert_in_range(left, 880, 1120);
    assert_in_range(right, 880, 1120);
    eff_image_free(&image);
    eff_image_free(&spare[0]);
    eff_image_free(&spare[1]);
}

/* Each alone moves as the primitive of its name; a range is covered, the order changes, probability 0 does nothing. */
static void test_color_jitter(void **state)
{
    eff_image image = {0};
    double sum = 0.0;
    int orders[2] = {0, 0};
    (void)state;
    assert_int_equal(eff_image_reserve(&image, 1, 2), EFF_OK);
    memcpy(image.pixels, (uint8_t[]){100, 100, 100, 140, 140, 140}, 6);
    eff_step steps[] = {RESIZE(1, 2, EFF_FILTER_PIL_BILINEAR),
                        {.kind = EFF_STEP_COLOR_JITTER, .color_jitter = {1.0, {0.5, 1, 1, 0}, {1.5, 1, 1, 0}}}};
    eff_pipeline *p = build(steps, 2);
    for (uint64_t i = 0; i < 2000; i++) {
        float *out = run(p, &image, i);
        assert_true(out[0] >= 50 && out[0] < 150 && out[1] == out[0] && out[3] == (float)(int)(out[3]));
        sum += out[0];
        free(out);
    }
    assert_true(fabs(sum / 2000 - 99.5) < 3.0); /* 4.6 standard deviations; the fraction is cut off */
    eff_pipeline_release(p);
    /* brightness first: 200 and 255 (of 280), then half the contrast about 228: 214, 241; contrast first: 110, 130, doubled */
    steps[1].color_jitter.low[0] = steps[1].color_jitter.high[0] = 2.0;
    steps[1].color_jitter.low[1] = steps[1].color_jitter.high[1] = 0.5;
    p = build(steps, 2);
    for (uint64_t i = 0; i < 1000; i++) {
        float *out = run(p, &image, i);
        assert_true(out[0] == 214.0f || out[0] == 220.0f);
        orders[out[0] == 220.0f]++;
        free(out);
    }
    assert_in_range(orders[0], 430, 570);
    eff_pipeline_release(p);
    steps[1].color_jitter.probability = 0.0;
    p = build(steps, 2);
    float *out = run(p, &image, 0);
    assert_memory_equal(out, ((float[]){100, 100, 100, 140, 140, 140}), 6 * sizeof(float));
    free(out);
    eff_pipeline_release(p);
    eff_image_free(&image);
}

static void test_cutout_and_erase(void **state)
{
    eff_image image = {0};
    int changed = 0, erased = 0;
    (void)state;
    make_image(&image, 8, 8);
    for (size_t i = 0; i < eff_image_bytes(&image); i++) image.pixels[i] = 128;
    eff_step cutout[] = {RESIZE(8, 8, EFF_FILTER_TF_BILINEAR), NORMALIZE,
                         {.kind = EFF_STEP_CUTOUT, .cutout = {2, {EFF_PAINT_UNIFORM, {0.25f, 1.0f}}}}};
    eff_step erase[] = {RESIZE(8, 8, EFF_FILTER_TF_BILINEAR), NORMALIZE,
                        {.kind = EFF_STEP_ERASE, .erase = {0.5, 0.25, 0.25, 1.0, 1.0, 10, {EFF_PAINT_NORMAL, {5, 1}}}}};
    eff_pipeline *p = build(cutout, 3), *q = build(erase, 3);
    for (uint64_t k = 0; k < 400; k++) {
        float *a = run(p, &image, k), *b = run(q, &image, k);
        int here = 0, there = 0;
        for (int i = 0; i < 64; i++) {
            here += a[3 * i] != 0.0f;
            there += b[3 * i] != 0.0f;
            if (a[3 * i] != 0.0f) assert_true(a[3 * i] >= 0.25f && a[3 * i] < 1.0f && a[3 * i] != a[3 * i + 1]);
        }
        assert_in_range(here, 4, 16); /* a 4 x 4 square, cut to at least a quarter at the corners */
        assert_true(there == 0 || there == 16);
        changed += here;
        erased += there == 16;
        free(a);
        free(b);
    }
    assert_true(changed > 400 * 9 && changed < 400 * 14); /* (29/8)^2 = 12.25 expected of an inner 4 of 8 + borders */
    assert_in_range(erased, 150, 250);
    eff_pipeline_release(p);
    eff_pipeline_release(q);
    eff_image_free(&image);
}

static void test_depends_on_stream_alone(void **state)
{
    eff_image image = {0}, other = {0};
    (void)state;
    make_image(&image, 40, 50);
    make_image(&other, 90, 20);
    eff_step steps[] = {{.kind = EFF_STEP_RANDOM_CROP, .random_crop = {EFF_CROP_TF, EFF_FALLBACK_WHOLE, 0.05, 1.0, 0.75,
                                                                       1.33, 0.0, 100, 0}},
                        {.kind = EFF_STEP_RESIZE,
                         .resize = {16, 16, EFF_FILTER_PIL_BILINEAR, EFF_FILTER_PIL_BICUBIC}},
                        FLIP(0.5), NORMALIZE};
    eff_pipeline *p = build(steps, 4);
    int height, width;
    eff_pipeline_size(p, &height, &width);
    float *first = run(p, &image, 3), *different = run(p, &image, 4), again[16 * 16 * 3];
    eff_augment_scratch scratch = {0};
    eff_rng rng;
    for (int i = 0; i < 3; i++) { /* a used scratch leaves no trace */
        eff_rng_start(&rng, 5, EFF_RNG_AUGMENT, 0, 99);
        assert_int_equal(run_on(p, again, &other, &rng, &scratch), EFF_OK);
        eff_rng_start(&rng, 5, EFF_RNG_AUGMENT, 0, 3);
        assert_int_equal(run_on(p, again, &image, &rng, &scratch), EFF_OK);
        assert_memory_equal(again, first, sizeof again);
    }
    assert_memory_not_equal(first, different, sizeof again);
    int64_t allocations = 0;
    for (uint64_t i = 0; i < 100; i++) { /* samples that were seen before need no new memory */
        eff_rng_start(&rng, 5, EFF_RNG_AUGMENT, 0, i % 50);
        assert_int_equal(run_on(p, again, &image, &rng, &scratch), EFF_OK);
        if (i == 49) allocations = eff_pool_get_stats().system_allocs;
    }
    assert_int_equal(eff_pool_get_stats().system_allocs, allocations);
    eff_augment_scratch_free(&scratch);
    free(first);
    free(different);
    eff_pipeline_release(p);
    eff_image_free(&image);
    eff_image_free(&other);
}

static void expect_refused(const eff_step *steps, int n, const char *text)
{
    eff_pipeline *p;
    assert_int_equal(eff_pipeline_create(&p), EFF_OK);
    eff_status status = EFF_OK;
    for (int i = 0; i < n && status == EFF_OK; i++) status = eff_pipeline_add(p, &steps[i]);
    if (status == EFF_OK) status = eff_pipeline_finish(p);
    assert_int_equal(status, EFF_E_ARGUMENT);
    if (!strstr(eff_message(), text)) fail_msg("message \"%s\" lacks \"%s\"", eff_message(), text);
    eff_pipeline_release(p);
}

static void test_mistakes(void **state)
{
    (void)state;
    eff_step no_size[] = {FLIP(0.5)};
    expect_refused(no_size, 1, "no step gives all samples one size");
    eff_step crop_last[] = {RESIZE(8, 8, EFF_FILTER_TF_BILINEAR),
                            {.kind = EFF_STEP_CENTER_CROP, .center = {EFF_CENTER_FRACTION, 0, 0.5, 0, 0}}};
    expect_refused(crop_last, 2, "no step gives all samples one size");
    eff_step late[] = {RESIZE(8, 8, EFF_FILTER_TF_BILINEAR), NORMALIZE, FLIP(0.5)};
    expect_refused(late, 3, "step 3");
    eff_step wrong_flip[] = {FLIP(1.5)};
    expect_refused(wrong_flip, 1, "probability is 1.5");
    eff_step wrong_size[] = {RESIZE(0, 8, EFF_FILTER_TF_BILINEAR)};
    expect_refused(wrong_size, 1, "0 x 8");
    eff_step empty[] = {RESIZE(8, 8, EFF_FILTER_TF_BILINEAR), {.kind = EFF_STEP_POLICY, .policy = {.draws = 2}}};
    expect_refused(empty, 2, "without operations");
    eff_step wrong_std[] = {{.kind = EFF_STEP_NORMALIZE, .normalize = {{0, 0, 0}, {1, 0, 1}}}};
    expect_refused(wrong_std, 1, "channel 1");

    eff_pipeline *p;
    eff_step steps[] = {{.kind = EFF_STEP_CENTER_CROP, .center = {EFF_CENTER_SIZE, 0, 0, 8, 8}}};
    eff_policy_op o = op("rotate", NAN);
    assert_int_equal(eff_pipeline_create(&p), EFF_OK);
    assert_int_equal(eff_pipeline_add_op(p, &o, true), EFF_E_STATE);
    eff_step policy = {.kind = EFF_STEP_POLICY, .policy = {.draws = 1}};
    assert_int_equal(eff_pipeline_add(p, &policy), EFF_OK);
    assert_int_equal(eff_pipeline_add_op(p, &o, true), EFF_E_ARGUMENT);
    eff_pipeline_release(p);

    p = build(steps, 1);
    assert_int_equal(eff_pipeline_add(p, &steps[0]), EFF_E_STATE);
    eff_image small = {0};
    eff_augment_scratch scratch = {0};
    eff_rng rng;
    float out[8 * 8 * 3];
    make_image(&small, 4, 20);
    eff_rng_start(&rng, 0, EFF_RNG_AUGMENT, 0, 0);
    assert_int_equal(run_on(p, out, &small, &rng, &scratch), EFF_E_SHAPE);
    assert_non_null(strstr(eff_message(), "4 x 8"));
    eff_image_free(&small);
    eff_augment_scratch_free(&scratch);
    eff_pipeline_release(p);
}

static int nothing_is_left(void **state)
{
    (void)state;
    return eff_pool_get_stats().live_bytes == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_resize_and_normalize, nothing_is_left),
        cmocka_unit_test_teardown(test_rounding, nothing_is_left),
        cmocka_unit_test_teardown(test_flip, nothing_is_left),
        cmocka_unit_test_teardown(test_center_crops, nothing_is_left),
        cmocka_unit_test_teardown(test_pad_crop, nothing_is_left),
        cmocka_unit_test_teardown(test_policy, nothing_is_left),
        cmocka_unit_test_teardown(test_primitives, nothing_is_left),
        cmocka_unit_test_teardown(test_sign_and_probability, nothing_is_left),
        cmocka_unit_test_teardown(test_color_jitter, nothing_is_left),
        cmocka_unit_test_teardown(test_cutout_and_erase, nothing_is_left),
        cmocka_unit_test_teardown(test_depends_on_stream_alone, nothing_is_left),
        cmocka_unit_test_teardown(test_mistakes, nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
