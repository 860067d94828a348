/* The rules by which a part of an image is chosen; see resize.h. */
#include <math.h>

#include "image/resize.h"

eff_status eff_random_crop_check(const eff_random_crop *crop)
{
    if (!(crop->area_min > 0.0 && crop->area_min <= crop->area_max && crop->area_max <= 1.0))
        return eff_fail(EFF_E_ARGUMENT, "random crop: the area range is %g to %g; it must lie in 0 < min <= max <= 1",
                        crop->area_min, crop->area_max);
    if (!(crop->aspect_min > 0.0 && crop->aspect_min <= crop->aspect_max && crop->aspect_max < 1e3))
        return eff_fail(EFF_E_ARGUMENT, "random crop: the aspect range is %g to %g; it must be 0 < min <= max",
                        crop->aspect_min, crop->aspect_max);
    if (crop->tries < 1) return eff_fail(EFF_E_ARGUMENT, "random crop: %d tries; at least 1 is needed", crop->tries);
    if (crop->fallback == EFF_FALLBACK_RULE32 && crop->target < 1)
        return eff_fail(EFF_E_ARGUMENT, "random crop: the 32-pixel fallback needs the target size");
    return EFF_OK;
}

static int round_width(int height, float aspect) { return (int)lrintf((float)height * aspect); }

/* One try of TensorFlow's GenerateRandomCrop, in its order and precision. */
static bool try_tf(eff_rect *out, const eff_random_crop *crop, int height, int width, eff_rng *rng)
{
    float aspect = (float)eff_rng_range(rng, crop->aspect_min, crop->aspect_max);
    float area = (float)height * (float)width;
    float min_area = (float)crop->area_min * area, max_area = (float)crop->area_max * area;
    int h = (int)lrintf(sqrtf(min_area / aspect)), h_max = (int)lrintf(sqrtf(max_area / aspect));
    if (round_width(h_max, aspect) > width) {
        h_max = (int)(((float)width + 0.5f - 1e-7f) / aspect);
        if (round_width(h_max, aspect) > width) h_max--;
    }
    if (h_max > height) h_max = height;
    if (h >= h_max) h = h_max;
    else h += (int)eff_rng_below(rng, h_max - h + 1);
    int w = round_width(h, aspect);
    if ((float)w * (float)h < min_area) w = round_width(++h, aspect);
    if ((float)w * (float)h > max_area) w = round_width(--h, aspect);
    float got = (float)w * (float)h;
    if (got < min_area || got > max_area || w > width || h > height || w < 1 || h < 1) return false;
    int y = h < height ? (int)eff_rng_below(rng, height - h) : 0;
    int x = w < width ? (int)eff_rng_below(rng, width - w) : 0;
    *out = (eff_rect){y, x, h, w};
    return got >= (float)crop->covered_min * area;
}

static bool try_pil(eff_rect *out, const eff_random_crop *crop, int height, int width, eff_rng *rng)
{
    double area = eff_rng_range(rng, crop->area_min, crop->area_max) * height * width;
    double aspect = exp(eff_rng_range(rng, log(crop->aspect_min), log(crop->aspect_max)));
    double w = rint(sqrt(area * aspect)), h = rint(sqrt(area / aspect));
    if (w < 1 || h < 1 || w > width || h > height) return false;
    int y = (int)eff_rng_below(rng, height - (int)h + 1), x = (int)eff_rng_below(rng, width - (int)w + 1);
    *out = (eff_rect){y, x, (int)h, (int)w};
    return true;
}

/* The largest centre crop whose aspect ratio is allowed. */
static eff_rect widest_center(const eff_random_crop *crop, int height, int width)
{
    double aspect = (double)width / height, h = height, w = width;
    if (aspect < crop->aspect_min) h = rint(width / crop->aspect_min);
    else if (aspect > crop->aspect_max) w = rint(height * crop->aspect_max);
    h = fmax(1.0, fmin(h, height));
    w = fmax(1.0, fmin(w, width));
    return (eff_rect){(height - (int)h) / 2, (width - (int)w) / 2, (int)h, (int)w};
}

eff_rect eff_random_crop_draw(const eff_random_crop *crop, int height, int width, eff_rng *rng)
{
    eff_rect rect;
    for (int i = 0; i < crop->tries; i++)
        if (crop->rule == EFF_CROP_TF ? try_tf(&rect, crop, height, width, rng)
                                      : try_pil(&rect, crop, height, width, rng))
            return rect;
    switch (crop->fallback) {
    case EFF_FALLBACK_RULE32: return eff_crop_rule32(height, width, crop->target, true);
    case EFF_FALLBACK_CENTER: return widest_center(crop, height, width);
    case EFF_FALLBACK_WHOLE: break;
    }
    return (eff_rect){0, 0, height, width};
}

eff_rect eff_crop_rule32(int height, int width, int target, bool round_up)
{
    float ratio = (float)((double)target / (target + 32)); /* TensorFlow multiplies in float */
    int side = (int)(ratio * (float)(height < width ? height : width));
    if (side < 1) side = 1;
    return (eff_rect){(height - side + round_up) / 2, (width - side + round_up) / 2, side, side};
}

eff_rect eff_crop_fraction(int height, int width, double fraction)
{
    int h = (int)rint(height * fraction), w = (int)rint(width * fraction);
    h = h < 1 ? 1 : h > height ? height : h;
    w = w < 1 ? 1 : w > width ? width : w;
    return (eff_rect){(height - h) / 2, (width - w) / 2, h, w};
}

eff_rect eff_crop_center(int height, int width, int crop_height, int crop_width)
{
    int h = crop_height < height ? crop_height : height, w = crop_width < width ? crop_width : width;
    return (eff_rect){(int)rint((height - h) / 2.0), (int)rint((width - w) / 2.0), h, w};
}

void eff_size_shorter(int *out_height, int *out_width, int height, int width, int side)
{
    int shorter = height < width ? height : width;
    *out_height = height == shorter ? side : (int)((int64_t)side * height / shorter);
    *out_width = width == shorter ? side : (int)((int64_t)side * width / shorter);
}
