/* Running a pipeline on one picture; see augment.h. */
#include <math.h>
#include <string.h>

#include "data/pipeline.h"
#include "kernels/variants.h"

void eff_augment_scratch_free(eff_augment_scratch *scratch)
{
    for (int i = 0; i < 3; i++) eff_image_free(&scratch->images[i]);
    eff_buffer_free(&scratch->floats);
    eff_resizer_free(&scratch->resizer);
}

/* A picture between two steps: height x width pixels, of which `part` is meant, in one of three forms. */
typedef struct picture {
    const eff_picture *encoded; /* or NULL: the input, as long as no step needed its pixels */
    const eff_image *bytes; /* or NULL */
    float *floats;          /* or NULL: scratch->floats, or the output once it is normalised */
    int height, width;
    eff_rect part;
    eff_augment_scratch *scratch; /* images[0] is `bytes` unless that is still the input */
    eff_rng *rng;
} picture;

static void now_bytes(picture *p)
{
    p->encoded = NULL;
    p->bytes = &p->scratch->images[0];
    p->floats = NULL;
    p->height = p->bytes->height;
    p->width = p->bytes->width;
    p->part = eff_image_whole(p->bytes);
}

static void swap_images(eff_augment_scratch *scratch)
{
    eff_image held = scratch->images[0];
    scratch->images[0] = scratch->images[1];
    scratch->images[1] = held;
}

static uint8_t cut_to_byte(float x) { return (uint8_t)(x < 0.0f ? 0.0f : x > 255.0f ? 255.0f : x); }

static eff_status decode_part(picture *p)
{
    const eff_wanted wanted = {p->part, p->part.height, p->part.width};
    const eff_image *image;
    eff_box box;
    EFF_TRY(eff_picture_part(&image, &box, p->encoded, &wanted, &p->scratch->images[2]));
    eff_rect part = {(int)box.y, (int)box.x, p->part.height, p->part.width};
    EFF_TRY(eff_image_copy(&p->scratch->images[0], image, part));
    now_bytes(p);
    return EFF_OK;
}

/* Makes the meant part an image of bytes in images[0] that may be changed. */
static eff_status need_bytes(picture *p)
{
    eff_augment_scratch *s = p->scratch;
    if (p->encoded) return decode_part(p);
    bool whole = p->part.height == p->height && p->part.width == p->width;
    if (p->bytes == &s->images[0] && whole) return EFF_OK;
    if (p->bytes) {
        EFF_TRY(eff_image_copy(&s->images[1], p->bytes, p->part));
        swap_images(s);
    } else {
        EFF_TRY(eff_image_reserve(&s->images[0], p->part.height, p->part.width));
        for (int y = 0; y < p->part.height; y++) {
            const float *in = p->floats + ((size_t)(p->part.y + y) * p->width + p->part.x) * 3;
            eff_pixel_kernels_now()->cut_to_bytes(s->images[0].pixels + (size_t)y * p->part.width * 3, in,
                                                  (size_t)p->part.width * 3);
        }
    }
    now_bytes(p);
    return EFF_OK;
}

/* Finds bytes that have the meant part, where a file may be decoded to no less than height x width. */
static eff_status find_part(picture *p, int height, int width, const eff_image **image, eff_box *box)
{
    const eff_wanted wanted = {p->part, height, width};
    if (p->encoded) return eff_picture_part(image, box, p->encoded, &wanted, &p->scratch->images[2]);
    if (!p->bytes) EFF_TRY(need_bytes(p));
    *image = p->bytes;
    *box = eff_box_of(p->part);
    return EFF_OK;
}

static eff_status resize(picture *p, int height, int width, eff_filter filter, bool scaled, bool mirrored)
{
    eff_augment_scratch *s = p->scratch;
    const eff_image *in;
    eff_box part;
    EFF_TRY(find_part(p, scaled ? height : p->part.height, scaled ? width : p->part.width, &in, &part));
    if (!eff_filter_is_float(filter)) {
        EFF_TRY(eff_resize_bytes(&s->images[1], height, width, in, part, filter, mirrored, &s->resizer));
        swap_images(s);
        now_bytes(p);
        return EFF_OK;
    }
    EFF_TRY(eff_buffer_reserve(&s->floats, (size_t)height * width * 3 * sizeof(float)));
    p->floats = (float *)s->floats.data;
    EFF_TRY(eff_resize_float(p->floats, height, width, in, part, filter, mirrored, &s->resizer));
    p->encoded = NULL;
    p->bytes = NULL;
    p->height = height;
    p->width = width;
    p->part = (eff_rect){0, 0, height, width};
    return EFF_OK;
}

static bool draw_flip(const eff_step *step, eff_rng *rng) { return eff_rng_uniform(rng) < step->flip.probability; }

/* A flip that follows at once, or NULL, is part of the resize. */
static eff_status run_resize(picture *p, const eff_step *step, const eff_step *flip)
{
    eff_filter filter = step->resize.filter;
    if (step->resize.other != filter && eff_rng_uniform(p->rng) < 0.5) filter = step->resize.other;
    int height = step->resize.height, width = step->resize.width;
    if (step->kind == EFF_STEP_RESIZE_SHORTER)
        eff_size_shorter(&height, &width, p->part.height, p->part.width, step->resize.height);
    return resize(p, height, width, filter, step->resize.scaled, flip && draw_flip(flip, p->rng));
}

static void choose_part(picture *p, eff_rect inside)
{
    p->part = (eff_rect){p->part.y + inside.y, p->part.x + inside.x, inside.height, inside.width};
}

static eff_rect center_part(const eff_step *step, int height, int width)
{
    switch (step->center.rule) {
    case EFF_CENTER_RULE32: return eff_crop_rule32(height, width, step->center.target, false);
    case EFF_CENTER_RULE32_V1: return eff_crop_rule32(height, width, step->center.target, true);
    case EFF_CENTER_FRACTION: return eff_crop_fraction(height, width, step->center.fraction);
    case EFF_CENTER_SIZE: break;
    }
    return eff_crop_center(height, width, step->center.height, step->center.width);
}

static void flip_floats(float *floats, int height, int width)
{
    for (int y = 0; y < height; y++) {
        float *left = floats + (size_t)y * width * 3, *right = left + (size_t)(width - 1) * 3;
        for (; left < right; left += 3, right -= 3) {
            float held[3];
            memcpy(held, left, sizeof held);
            memcpy(left, right, sizeof held);
            memcpy(right, held, sizeof held);
        }
    }
}

static eff_status run_flip(picture *p, const eff_step *step)
{
    if (!draw_flip(step, p->rng)) return EFF_OK;
    if (p->floats && p->part.height == p->height && p->part.width == p->width) {
        flip_floats(p->floats, p->height, p->width);
        return EFF_OK;
    }
    EFF_TRY(need_bytes(p));
    eff_image_flip(&p->scratch->images[0]);
    return EFF_OK;
}

/* Mirrors without repeating the border pixel: -1 is 1, n is n - 2. */
static int reflect(int i, int n)
{
    int period = n > 1 ? 2 * (n - 1) : 1;
    i = i % period + (i % period < 0 ? period : 0);
    return i < n ? i : period - i;
}

static eff_status run_pad_crop(picture *p, const eff_step *step)
{
    EFF_TRY(need_bytes(p));
    const eff_image *in = &p->scratch->images[0];
    eff_image *out = &p->scratch->images[1];
    int pad = step->pad_crop.pad, h = in->height, w = in->width;
    int down = (int)eff_rng_below(p->rng, 2 * pad + 1) - pad, across = (int)eff_rng_below(p->rng, 2 * pad + 1) - pad;
    EFF_TRY(eff_image_reserve(out, h, w));
    uint8_t *target = out->pixels;
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++, target += 3) {
            int from_y = y + down, from_x = x + across;
            if (step->pad_crop.reflect) {
                from_y = reflect(from_y, h);
                from_x = reflect(from_x, w);
            }
            bool inside = from_y >= 0 && from_y < h && from_x >= 0 && from_x < w;
            memcpy(target, inside ? in->pixels + ((size_t)from_y * w + from_x) * 3 : step->pad_crop.fill, 3);
        }
    }
    swap_images(p->scratch);
    now_bytes(p);
    return EFF_OK;
}

static eff_status run_policy(picture *p, const eff_pipeline *pipeline, const eff_step *step)
{
    if (step->policy.draws == 0) return EFF_OK;
    EFF_TRY(need_bytes(p));
    for (int i = 0; i < step->policy.draws; i++) {
        int64_t drawn = step->policy.first_group + eff_rng_below(p->rng, step->policy.group_count);
        const eff_policy_group *chosen = &pipeline->groups[drawn];
        for (int k = 0; k < chosen->count; k++) {
            const eff_policy_op *op = &pipeline->ops[chosen->first + k];
            eff_status status = eff_policy_op_apply(op, &p->scratch->images[0], &step->policy.style, p->rng,
                                                    &p->scratch->images[1]);
            if (status != EFF_OK) return eff_fail_at(status, "%s", op->name);
        }
    }
    return EFF_OK;
}

static void jitter(eff_image *image, eff_jitter what, double amount)
{
    switch (what) {
    case EFF_JITTER_BRIGHTNESS: eff_image_brightness(image, amount); break;
    case EFF_JITTER_CONTRAST: eff_image_contrast(image, amount, EFF_RULE_PIL); break;
    case EFF_JITTER_SATURATION: eff_image_color(image, amount, EFF_RULE_PIL); break;
    case EFF_JITTER_HUE:
        if (amount != 0.0) eff_image_hue(image, amount);
        break;
    case EFF_JITTER_COUNT: break;
    }
}

static eff_status run_color_jitter(picture *p, const eff_step *step)
{
    if (eff_rng_uniform(p->rng) >= step->color_jitter.probability) return EFF_OK;
    EFF_TRY(need_bytes(p));
    int64_t order[EFF_JITTER_COUNT];
    eff_rng_permutation(p->rng, order, EFF_JITTER_COUNT);
    for (int i = 0; i < EFF_JITTER_COUNT; i++) {
        double low = step->color_jitter.low[order[i]], high = step->color_jitter.high[order[i]];
        jitter(&p->scratch->images[0], (eff_jitter)order[i], eff_rng_range(p->rng, low, high));
    }
    return EFF_OK;
}

static float draw_fill(const eff_paint *fill, int channel, eff_rng *rng)
{
    switch (fill->kind) {
    case EFF_PAINT_UNIFORM: return (float)eff_rng_range(rng, fill->value[0], fill->value[1]);
    case EFF_PAINT_NORMAL: return fill->value[0] + fill->value[1] * (float)eff_rng_normal(rng);
    case EFF_PAINT_COLOR:
    case EFF_PAINT_CONSTANT: break;
    }
    return fill->value[channel];
}

/* The paint of one rectangle: a colour is drawn once for all of it. */
static eff_paint draw_paint(const eff_paint *given, eff_rng *rng)
{
    eff_paint paint = *given;
    if (given->kind != EFF_PAINT_COLOR) return paint;
    for (int c = 0; c < 3; c++) paint.value[c] = given->value[0] + given->value[1] * (float)eff_rng_normal(rng);
    return paint;
}

static eff_status fill_part(picture *p, eff_rect part, const eff_paint *given, bool normalized)
{
    const eff_paint fill = draw_paint(given, p->rng);
    if (!normalized) EFF_TRY(need_bytes(p));
    part = eff_rect_clip(part, p->height, p->width);
    for (int y = part.y; y < part.y + part.height; y++) {
        for (int i = part.x * 3; i < (part.x + part.width) * 3; i++) {
            float value = draw_fill(&fill, i % 3, p->rng);
            size_t at = (size_t)y * p->width * 3 + i;
            if (normalized) p->floats[at] = value;
            else p->scratch->images[0].pixels[at] = cut_to_byte(value);
        }
    }
    return EFF_OK;
}

static eff_status run_cutout(picture *p, const eff_step *step, bool normalized)
{
    int y = (int)eff_rng_below(p->rng, p->part.height), x = (int)eff_rng_below(p->rng, p->part.width);
    return fill_part(p, eff_rect_square(y, x, step->cutout.half), &step->cutout.fill, normalized);
}

static eff_status run_erase(picture *p, const eff_step *step, bool normalized)
{
    if (eff_rng_uniform(p->rng) >= step->erase.probability) return EFF_OK;
    int h = p->part.height, w = p->part.width;
    for (int i = 0; i < step->erase.tries; i++) {
        double area = eff_rng_range(p->rng, step->erase.area_min, step->erase.area_max) * h * w;
        double aspect = exp(eff_rng_range(p->rng, log(step->erase.aspect_min), log(step->erase.aspect_max)));
        int rows = (int)rint(sqrt(area * aspect)), columns = (int)rint(sqrt(area / aspect));
        if (rows >= h || columns >= w) continue;
        int y = (int)eff_rng_below(p->rng, h - rows + 1), x = (int)eff_rng_below(p->rng, w - columns + 1);
        return fill_part(p, (eff_rect){y, x, rows, columns}, &step->erase.fill, normalized);
    }
    return EFF_OK;
}

static eff_status check_size(const picture *p, const eff_pipeline *pipeline)
{
    if (p->part.height == pipeline->height && p->part.width == pipeline->width) return EFF_OK;
    return eff_fail(EFF_E_SHAPE, "augmentation pipeline: the picture has %d x %d pixels after the last step, "
                    "%d x %d are wanted (smaller than the crop?)", p->part.height, p->part.width, pipeline->height,
                    pipeline->width);
}

static eff_status write_output(picture *p, const eff_pipeline *pipeline, float *out, const float mean[3],
                               const float std[3])
{
    if (p->encoded) EFF_TRY(need_bytes(p));
    EFF_TRY(check_size(p, pipeline));
    eff_rect part = p->part;
    const eff_pixel_kernels *kernels = eff_pixel_kernels_now();
    float inverse[3] = {1.0f / std[0], 1.0f / std[1], 1.0f / std[2]};
    for (int y = 0; y < part.height; y++) {
        size_t from = ((size_t)(part.y + y) * p->width + part.x) * 3, to = (size_t)y * part.width * 3;
        size_t n = (size_t)part.width;
        if (p->bytes) kernels->normalize_bytes(out + to, p->bytes->pixels + from, n, mean, inverse);
        else kernels->normalize_floats(out + to, p->floats + from, n, mean, inverse);
    }
    p->bytes = NULL;
    p->floats = out;
    p->height = part.height;
    p->width = part.width;
    p->part = (eff_rect){0, 0, part.height, part.width};
    return EFF_OK;
}

/* `flip` is run_resize's. */
static eff_status run_step(picture *p, const eff_pipeline *pipeline, const eff_step *step, const eff_step *flip, float *out,
                           bool *normalized)
{
    switch (step->kind) {
    case EFF_STEP_RANDOM_CROP:
        choose_part(p, eff_random_crop_draw(&step->random_crop, p->part.height, p->part.width, p->rng));
        return EFF_OK;
    case EFF_STEP_CENTER_CROP: choose_part(p, center_part(step, p->part.height, p->part.width)); return EFF_OK;
    case EFF_STEP_RESIZE:
    case EFF_STEP_RESIZE_SHORTER: return run_resize(p, step, flip);
    case EFF_STEP_FLIP: return run_flip(p, step);
    case EFF_STEP_PAD_CROP: return run_pad_crop(p, step);
    case EFF_STEP_POLICY: return run_policy(p, pipeline, step);
    case EFF_STEP_COLOR_JITTER: return run_color_jitter(p, step);
    case EFF_STEP_CUTOUT: return run_cutout(p, step, *normalized);
    case EFF_STEP_ERASE: return run_erase(p, step, *normalized);
    case EFF_STEP_NORMALIZE:
        *normalized = true;
        return write_output(p, pipeline, out, step->normalize.mean, step->normalize.std);
    }
    return EFF_OK;
}

/* The flip that follows step i at once, if that is a resize; else NULL */
static const eff_step *flip_after(const eff_pipeline *pipeline, int i)
{
    const eff_step *step = &pipeline->steps[i];
    bool resizes = step->kind == EFF_STEP_RESIZE || step->kind == EFF_STEP_RESIZE_SHORTER;
    return resizes && i + 1 < pipeline->step_count && step[1].kind == EFF_STEP_FLIP ? step + 1 : NULL;
}

static picture start(const eff_picture *in, eff_rng *rng, eff_augment_scratch *scratch)
{
    return (picture){.bytes = in->image,
                     .encoded = in->image ? NULL : in,
                     .height = in->height,
                     .width = in->width,
                     .part = {0, 0, in->height, in->width},
                     .scratch = scratch,
                     .rng = rng};
}

/* The first `count` steps; `out` is where a normalisation writes. */
static eff_status run_steps(picture *p, const eff_pipeline *pipeline, int count, float *out, bool *normalized)
{
    if (!pipeline->finished) return eff_fail(EFF_E_STATE, "augmentation pipeline: not finished");
    *normalized = false;
    for (int i = 0; i < count; i++) {
        const eff_step *step = &pipeline->steps[i], *flip = flip_after(pipeline, i);
        EFF_TRY(run_step(p, pipeline, step, flip, out, normalized));
        i += flip != NULL;
    }
    return EFF_OK;
}

eff_status eff_pipeline_run(const eff_pipeline *pipeline, float *out, const eff_picture *in, eff_rng *rng,
                            eff_augment_scratch *scratch)
{
    static const float zero[3] = {0.0f, 0.0f, 0.0f}, one[3] = {1.0f, 1.0f, 1.0f};
    picture p = start(in, rng, scratch);
    bool normalized;
    EFF_TRY(run_steps(&p, pipeline, pipeline->step_count, out, &normalized));
    return normalized ? EFF_OK : write_output(&p, pipeline, out, zero, one);
}

eff_status eff_pipeline_run_bytes(const eff_pipeline *pipeline, uint8_t *out, const eff_picture *in, eff_rng *rng,
                                  eff_augment_scratch *scratch)
{
    picture p = start(in, rng, scratch);
    bool normalized;
    if (!pipeline->of_bytes) return eff_fail(EFF_E_STATE, "augmentation pipeline: its samples are no bytes");
    EFF_TRY(run_steps(&p, pipeline, pipeline->step_count - 1, NULL, &normalized));
    EFF_TRY(check_size(&p, pipeline));
    EFF_TRY(need_bytes(&p));
    memcpy(out, p.bytes->pixels, eff_image_bytes(p.bytes));
    return EFF_OK;
}
