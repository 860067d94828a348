/* Building and checking a pipeline; see augment.h. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "data/pipeline.h"

/* Makes room for one more element; arrays grow by doubling at powers of two. */
static eff_status grow(void **array, int count, size_t element)
{
    if (count & (count - 1)) return EFF_OK; /* count 0, 1, 2, 4, 8, ... is full */
    void *bigger = realloc(*array, element * (count ? 2 * (size_t)count : 1));
    if (!bigger) return eff_fail(EFF_E_MEMORY, "no memory for an augmentation pipeline");
    *array = bigger;
    return EFF_OK;
}

eff_status eff_pipeline_create(eff_pipeline **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return eff_fail(EFF_E_MEMORY, "no memory for an augmentation pipeline");
    (*out)->references = 1;
    return EFF_OK;
}

eff_pipeline *eff_pipeline_retain(eff_pipeline *pipeline)
{
    __atomic_add_fetch(&pipeline->references, 1, __ATOMIC_RELAXED);
    return pipeline;
}

void eff_pipeline_release(eff_pipeline *pipeline)
{
    if (!pipeline || __atomic_sub_fetch(&pipeline->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    free(pipeline->steps);
    free(pipeline->ops);
    free(pipeline->groups);
    free(pipeline);
}

static eff_status check_open(const eff_pipeline *pipeline)
{
    if (pipeline->finished) return eff_fail(EFF_E_STATE, "augmentation pipeline: finished, nothing can be added");
    return EFF_OK;
}

static eff_status check_probability(const char *what, double p)
{
    if (p >= 0.0 && p <= 1.0) return EFF_OK;
    return eff_fail(EFF_E_ARGUMENT, "%s: the probability is %g; it must lie in 0 to 1", what, p);
}

static eff_status check_size(const char *what, int height, int width)
{
    if (height >= 1 && width >= 1 && (int64_t)height * width <= EFF_IMAGE_MAX_PIXELS) return EFF_OK;
    return eff_fail(EFF_E_ARGUMENT, "%s: the size %d x %d is not possible", what, height, width);
}

static eff_status check_erase(const eff_step *step)
{
    EFF_TRY(check_probability("erase", step->erase.probability));
    eff_random_crop range = {.area_min = step->erase.area_min,
                             .area_max = step->erase.area_max,
                             .aspect_min = step->erase.aspect_min,
                             .aspect_max = step->erase.aspect_max,
                             .tries = step->erase.tries};
    eff_status status = eff_random_crop_check(&range);
    return status == EFF_OK ? EFF_OK : eff_fail_at(status, "erase");
}

static eff_status check_center(const eff_step *step)
{
    if (step->center.rule == EFF_CENTER_SIZE)
        return check_size("centre crop", step->center.height, step->center.width);
    if (step->center.rule == EFF_CENTER_FRACTION) {
        if (step->center.fraction > 0.0 && step->center.fraction <= 1.0) return EFF_OK;
        return eff_fail(EFF_E_ARGUMENT, "centre crop: the fraction is %g; it must lie in 0 < fraction <= 1",
                        step->center.fraction);
    }
    return check_size("centre crop", step->center.target, step->center.target);
}

static eff_status check_policy(const eff_step *step)
{
    const eff_op_style *style = &step->policy.style;
    if (!(step->policy.draws >= 0 && step->policy.draws <= 1000))
        return eff_fail(EFF_E_ARGUMENT, "policy: %d draws; 0 to 1000 are possible", step->policy.draws);
    if (style->rule == EFF_RULE_TF && (style->filter != EFF_WARP_NEAREST || style->other != EFF_WARP_NEAREST))
        return eff_fail(EFF_E_ARGUMENT, "policy: the official rule warps with the nearest pixel, not with a %s filter",
                        eff_warp_filter_name(style->filter != EFF_WARP_NEAREST ? style->filter : style->other));
    return EFF_OK;
}

static eff_status check_color_jitter(const eff_step *step)
{
    static const char *const names[EFF_JITTER_COUNT] = {"brightness", "contrast", "saturation", "hue"};
    EFF_TRY(check_probability("colour jitter", step->color_jitter.probability));
    for (int i = 0; i < EFF_JITTER_COUNT; i++) {
        double low = step->color_jitter.low[i], high = step->color_jitter.high[i];
        double least = i == EFF_JITTER_HUE ? -0.5 : 0.0, most = i == EFF_JITTER_HUE ? 0.5 : 1000.0;
        if (!(least <= low && low <= high && high <= most))
            return eff_fail(EFF_E_ARGUMENT, "colour jitter: %s is drawn from %g to %g; it must lie in %g to %g", names[i],
                            low, high, least, most);
    }
    return EFF_OK;
}

static eff_status check_step(const eff_step *step)
{
    switch (step->kind) {
    case EFF_STEP_RANDOM_CROP: return eff_random_crop_check(&step->random_crop);
    case EFF_STEP_CENTER_CROP: return check_center(step);
    case EFF_STEP_RESIZE: return check_size("resize", step->resize.height, step->resize.width);
    case EFF_STEP_RESIZE_SHORTER: return check_size("resize", step->resize.height, step->resize.height);
    case EFF_STEP_FLIP: return check_probability("flip", step->flip.probability);
    case EFF_STEP_PAD_CROP:
        if (step->pad_crop.pad >= 0 && step->pad_crop.pad <= 1 << 16) return EFF_OK;
        return eff_fail(EFF_E_ARGUMENT, "pad-crop: the border is %d pixels", step->pad_crop.pad);
    case EFF_STEP_POLICY: return check_policy(step);
    case EFF_STEP_COLOR_JITTER: return check_color_jitter(step);
    case EFF_STEP_CUTOUT:
        if (step->cutout.half >= 0 && step->cutout.half <= EFF_IMAGE_MAX_SIDE) return EFF_OK;
        return eff_fail(EFF_E_ARGUMENT, "cutout: half the side is %d pixels", step->cutout.half);
    case EFF_STEP_ERASE: return check_erase(step);
    case EFF_STEP_NORMALIZE:
        for (int c = 0; c < 3; c++)
            if (!(step->normalize.std[c] > 0.0f) || !isfinite(step->normalize.mean[c]))
                return eff_fail(EFF_E_ARGUMENT, "normalise: mean %g, standard deviation %g of channel %d",
                                (double)step->normalize.mean[c], (double)step->normalize.std[c], c);
        return EFF_OK;
    }
    return eff_fail(EFF_E_ARGUMENT, "augmentation pipeline: unknown step %d", (int)step->kind);
}

eff_status eff_pipeline_add(eff_pipeline *pipeline, const eff_step *step)
{
    EFF_TRY(check_open(pipeline));
    EFF_TRY(check_step(step));
    EFF_TRY(grow((void **)&pipeline->steps, pipeline->step_count, sizeof *pipeline->steps));
    eff_step *added = &pipeline->steps[pipeline->step_count++];
    *added = *step;
    if (step->kind == EFF_STEP_POLICY) {
        added->policy.first_group = pipeline->group_count;
        added->policy.group_count = 0;
    }
    return EFF_OK;
}

eff_status eff_pipeline_add_op(eff_pipeline *pipeline, const eff_policy_op *op, bool new_group)
{
    EFF_TRY(check_open(pipeline));
    eff_step *last = pipeline->step_count ? &pipeline->steps[pipeline->step_count - 1] : NULL;
    if (!last || last->kind != EFF_STEP_POLICY)
        return eff_fail(EFF_E_STATE, "augmentation pipeline: %s needs a policy step before it", op->name);
    if (op->primitive < 0 || op->primitive >= EFF_PRIMITIVE_COUNT)
        return eff_fail(EFF_E_ARGUMENT, "policy: %s names no primitive", op->name);
    EFF_TRY(check_probability(op->name, op->probability));
    for (int i = 0; i < eff_primitive_describe(op->primitive)->argument_count; i++)
        if (!isfinite(op->args[i]))
            return eff_fail(EFF_E_ARGUMENT, "policy: argument %d of %s is not a finite number", i + 1, op->name);
    EFF_TRY(grow((void **)&pipeline->ops, pipeline->op_count, sizeof *pipeline->ops));
    if (new_group || last->policy.group_count == 0) {
        EFF_TRY(grow((void **)&pipeline->groups, pipeline->group_count, sizeof *pipeline->groups));
        pipeline->groups[pipeline->group_count++] = (eff_policy_group){pipeline->op_count, 0};
        last->policy.group_count++;
    }
    pipeline->groups[pipeline->group_count - 1].count++;
    pipeline->ops[pipeline->op_count++] = *op;
    return EFF_OK;
}

/* The size after a step, or 0 x 0 where it depends on the picture. */
static void follow_size(const eff_step *step, int *height, int *width)
{
    switch (step->kind) {
    case EFF_STEP_RESIZE:
        *height = step->resize.height;
        *width = step->resize.width;
        break;
    case EFF_STEP_CENTER_CROP:
        *height = step->center.rule == EFF_CENTER_SIZE ? step->center.height : 0;
        *width = step->center.rule == EFF_CENTER_SIZE ? step->center.width : 0;
        break;
    case EFF_STEP_RANDOM_CROP:
    case EFF_STEP_RESIZE_SHORTER: *height = *width = 0; break;
    default: break;
    }
}

/* Whether a sample is bytes after a step, if it was or was not before */
static bool follow_bytes(const eff_step *step, bool bytes)
{
    switch (step->kind) {
    case EFF_STEP_RESIZE:
    case EFF_STEP_RESIZE_SHORTER:
        return !eff_filter_is_float(step->resize.filter) && !eff_filter_is_float(step->resize.other);
    case EFF_STEP_POLICY: return bytes || step->policy.draws > 0;
    case EFF_STEP_PAD_CROP:
    case EFF_STEP_CUTOUT: return true;
    case EFF_STEP_NORMALIZE: return false;
    default: return bytes;
    }
}

/* Sets of_bytes and what belongs to it. */
static void find_normalization(eff_pipeline *pipeline)
{
    bool bytes = true;
    for (int i = 0; i + 1 < pipeline->step_count; i++) bytes = follow_bytes(&pipeline->steps[i], bytes);
    const eff_step *last = &pipeline->steps[pipeline->step_count - 1];
    pipeline->of_bytes = bytes && last->kind == EFF_STEP_NORMALIZE;
    for (int c = 0; pipeline->of_bytes && c < 3; c++) {
        pipeline->normalization.mean[c] = last->normalize.mean[c];
        pipeline->normalization.inverse_std[c] = 1.0f / last->normalize.std[c];
    }
}

const eff_normalization *eff_pipeline_of_bytes(const eff_pipeline *pipeline)
{
    return pipeline->of_bytes ? &pipeline->normalization : NULL;
}

static bool works_on_floats(eff_step_kind kind) { return kind == EFF_STEP_CUTOUT || kind == EFF_STEP_ERASE; }

eff_status eff_pipeline_finish(eff_pipeline *pipeline)
{
    EFF_TRY(check_open(pipeline));
    bool normalized = false;
    for (int i = 0; i < pipeline->step_count; i++) {
        const eff_step *step = &pipeline->steps[i];
        if (step->kind == EFF_STEP_POLICY && step->policy.draws > 0 && step->policy.group_count == 0)
            return eff_fail(EFF_E_ARGUMENT, "augmentation pipeline: step %d is a policy without operations", i + 1);
        if (normalized && !works_on_floats(step->kind))
            return eff_fail(EFF_E_ARGUMENT, "augmentation pipeline: only cutout and erase may follow the "
                            "normalisation, step %d is another", i + 1);
        if (step->kind == EFF_STEP_NORMALIZE) normalized = true;
        follow_size(step, &pipeline->height, &pipeline->width);
    }
    if (pipeline->height == 0)
        return eff_fail(EFF_E_ARGUMENT, "augmentation pipeline: no step gives all samples one size (a resize or a "
                        "centre crop of fixed size is needed last)");
    find_normalization(pipeline);
    pipeline->finished = true;
    return EFF_OK;
}

void eff_pipeline_scaled(const eff_pipeline *pipeline, int *height, int *width)
{
    *height = *width = INT_MAX;
    for (int i = 0; i < pipeline->step_count; i++) {
        const eff_step *step = &pipeline->steps[i];
        bool shorter = step->kind == EFF_STEP_RESIZE_SHORTER;
        if ((!shorter && step->kind != EFF_STEP_RESIZE) || !step->resize.scaled) continue;
        int across = shorter ? step->resize.height : step->resize.width;
        if (step->resize.height < *height) *height = step->resize.height;
        if (across < *width) *width = across;
    }
}

void eff_pipeline_size(const eff_pipeline *pipeline, int *height, int *width)
{
    *height = pipeline->height;
    *width = pipeline->width;
}
