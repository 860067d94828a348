/* The primitives that a policy can name, and how one is applied; see augment.h. */
#include <math.h>
#include <string.h>

#include "data/augment.h"

static const eff_primitive_info infos[EFF_PRIMITIVE_COUNT] = {
    [EFF_PRIMITIVE_IDENTITY] = {"identity", "", 0},
    [EFF_PRIMITIVE_AUTOCONTRAST] = {"autocontrast", "", 0},
    [EFF_PRIMITIVE_EQUALIZE] = {"equalize", "", 0},
    [EFF_PRIMITIVE_INVERT] = {"invert", "", 0},
    [EFF_PRIMITIVE_POSTERIZE] = {"posterize", "bits", 1},
    [EFF_PRIMITIVE_SOLARIZE] = {"solarize", "threshold", 1},
    [EFF_PRIMITIVE_SOLARIZE_ADD] = {"solarize_add", "addition, threshold", 2},
    [EFF_PRIMITIVE_COLOR] = {"color", "factor", 1},
    [EFF_PRIMITIVE_CONTRAST] = {"contrast", "factor", 1},
    [EFF_PRIMITIVE_BRIGHTNESS] = {"brightness", "factor", 1},
    [EFF_PRIMITIVE_SHARPNESS] = {"sharpness", "factor", 1},
    [EFF_PRIMITIVE_HUE] = {"hue", "part of a turn, -0.5 to 0.5", 1},
    [EFF_PRIMITIVE_ROTATE] = {"rotate", "degrees", 1},
    [EFF_PRIMITIVE_SHEAR_X] = {"shear_x", "level", 1},
    [EFF_PRIMITIVE_SHEAR_Y] = {"shear_y", "level", 1},
    [EFF_PRIMITIVE_TRANSLATE_X] = {"translate_x", "pixels", 1},
    [EFF_PRIMITIVE_TRANSLATE_Y] = {"translate_y", "pixels", 1},
    [EFF_PRIMITIVE_TRANSLATE_X_RELATIVE] = {"translate_x_relative", "fraction of the width", 1},
    [EFF_PRIMITIVE_TRANSLATE_Y_RELATIVE] = {"translate_y_relative", "fraction of the height", 1},
    [EFF_PRIMITIVE_AFFINE] = {"affine", "xx, xy, x0, yx, yy, y0 (output to input, about the centre; x0, y0 in sizes)",
                              6},
    [EFF_PRIMITIVE_CUTOUT] = {"cutout", "half the side in pixels", 1},
    [EFF_PRIMITIVE_LUT] = {"lut", "", 0},
};

const eff_primitive_info *eff_primitive_describe(eff_primitive primitive) { return &infos[primitive]; }

eff_status eff_primitive_find(eff_primitive *primitive, const char *name)
{
    for (int i = 0; i < EFF_PRIMITIVE_COUNT; i++) {
        if (strcmp(infos[i].name, name) != 0) continue;
        *primitive = (eff_primitive)i;
        return EFF_OK;
    }
    return eff_fail(EFF_E_ARGUMENT, "no image primitive \"%s\"", name);
}

/* args[0..5] about the centre of the image, offsets in widths and heights, to a matrix about the rule's origin. */
static void matrix_about_center(double m[6], const double args[6], int height, int width, eff_op_rule rule)
{
    double corner = rule == EFF_RULE_TF ? 0.5 : 0.0, cx = width / 2.0 - corner, cy = height / 2.0 - corner;
    memcpy(m, args, sizeof(double[6]));
    m[2] = cx + args[2] * width - args[0] * cx - args[1] * cy;
    m[5] = cy + args[5] * height - args[3] * cx - args[4] * cy;
}

/* True if the primitive is a warp, and then its matrix. `first` is args[0] with its sign. */
static bool warp_matrix(double m[6], const eff_policy_op *op, double first, int height, int width, eff_op_rule rule)
{
    double args[EFF_OP_ARGS];
    switch (op->primitive) {
    case EFF_PRIMITIVE_ROTATE: eff_matrix_rotate(m, height, width, first, rule); return true;
    case EFF_PRIMITIVE_SHEAR_X: eff_matrix_shear_x(m, first); return true;
    case EFF_PRIMITIVE_SHEAR_Y: eff_matrix_shear_y(m, first); return true;
    case EFF_PRIMITIVE_TRANSLATE_X: eff_matrix_translate(m, first, 0.0); return true;
    case EFF_PRIMITIVE_TRANSLATE_Y: eff_matrix_translate(m, 0.0, first); return true;
    case EFF_PRIMITIVE_TRANSLATE_X_RELATIVE: eff_matrix_translate(m, first * width, 0.0); return true;
    case EFF_PRIMITIVE_TRANSLATE_Y_RELATIVE: eff_matrix_translate(m, 0.0, first * height); return true;
    case EFF_PRIMITIVE_AFFINE:
        memcpy(args, op->args, sizeof args);
        args[0] = first;
        matrix_about_center(m, args, height, width, rule);
        return true;
    default: return false;
    }
}

static int to_int(double x) { return x > 1e6 ? 1000000 : x < -1e6 ? -1000000 : (int)x; }

/* True if the primitive is a lookup table, and then the table. */
static bool make_lut(eff_lut *lut, const eff_policy_op *op, double first, const eff_image *image, eff_op_rule rule)
{
    switch (op->primitive) {
    case EFF_PRIMITIVE_AUTOCONTRAST: eff_lut_autocontrast(lut, image, rule); return true;
    case EFF_PRIMITIVE_EQUALIZE: eff_lut_equalize(lut, image); return true;
    case EFF_PRIMITIVE_INVERT: eff_lut_invert(lut); return true;
    case EFF_PRIMITIVE_POSTERIZE: eff_lut_posterize(lut, to_int(first)); return true;
    case EFF_PRIMITIVE_SOLARIZE: eff_lut_solarize(lut, to_int(first)); return true;
    case EFF_PRIMITIVE_SOLARIZE_ADD: eff_lut_solarize_add(lut, to_int(first), to_int(op->args[1])); return true;
    case EFF_PRIMITIVE_LUT: *lut = op->lut; return true;
    default: return false;
    }
}

static eff_status enhance(const eff_policy_op *op, double factor, eff_image *image, eff_op_rule rule, eff_image *spare)
{
    switch (op->primitive) {
    case EFF_PRIMITIVE_COLOR: eff_image_color(image, factor, rule); break;
    case EFF_PRIMITIVE_CONTRAST: eff_image_contrast(image, factor, rule); break;
    case EFF_PRIMITIVE_BRIGHTNESS: eff_image_brightness(image, factor); break;
    case EFF_PRIMITIVE_HUE: eff_image_hue(image, factor); break;
    case EFF_PRIMITIVE_SHARPNESS: return eff_image_sharpness(image, factor, rule, spare);
    default: break;
    }
    return EFF_OK;
}

static void cut_out(double half, eff_image *image, const uint8_t fill[3], eff_rng *rng)
{
    int y = (int)eff_rng_below(rng, image->height), x = (int)eff_rng_below(rng, image->width);
    eff_image_fill(image, eff_rect_square(y, x, to_int(half)), fill);
}

static bool is_blend(eff_primitive p) { return p >= EFF_PRIMITIVE_COLOR && p <= EFF_PRIMITIVE_SHARPNESS; }

static eff_status warp(eff_image *image, const double m[6], const eff_op_style *style, eff_rng *rng, eff_image *spare)
{
    eff_warp how = {style->rule, style->filter, {style->fill[0], style->fill[1], style->fill[2]}};
    if (style->other != style->filter && eff_rng_uniform(rng) < 0.5) how.filter = style->other;
    EFF_TRY(eff_image_affine(spare, image, m, &how));
    eff_image held = *image;
    *image = *spare;
    *spare = held;
    return EFF_OK;
}

eff_status eff_policy_op_apply(const eff_policy_op *op, eff_image *image, const eff_op_style *style, eff_rng *rng,
                               eff_image spare[2])
{
    if (op->probability < 1.0 && eff_rng_uniform(rng) >= op->probability) return EFF_OK;
    double first = op->args[0], m[6];
    if (op->random_sign && eff_rng_uniform(rng) < 0.5) first = is_blend(op->primitive) ? 2.0 - first : -first;
    eff_lut lut;
    if (make_lut(&lut, op, first, image, style->rule)) {
        eff_image_apply_lut(image, &lut);
    } else if (warp_matrix(m, op, first, image->height, image->width, style->rule)) {
        return warp(image, m, style, rng, &spare[0]);
    } else if (op->primitive == EFF_PRIMITIVE_CUTOUT) {
        cut_out(first, image, style->fill, rng);
    } else {
        return enhance(op, first, image, style->rule, &spare[1]);
    }
    return EFF_OK;
}
