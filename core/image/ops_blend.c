/* The four enhancements, each a blend of the image with a degenerate of it; see ops.h. */
#include "image/ops.h"

static uint8_t blend(int degenerate, int original, float factor)
{
    float mixed = (float)degenerate + factor * (float)(original - degenerate);
    return (uint8_t)(mixed < 0.0f ? 0.0f : mixed > 255.0f ? 255.0f : mixed);
}

int eff_luminance(const uint8_t *rgb, eff_op_rule rule)
{
    if (rule == EFF_RULE_PIL) return (int)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
    const float to_unit = 1.0f / 255.0f; /* TensorFlow goes through floats of 0..1 and comes back by 255.5 */
    float gray = (float)rgb[0] * to_unit * 0.2989f + (float)rgb[1] * to_unit * 0.5870f +
                 (float)rgb[2] * to_unit * 0.1140f;
    return (int)(gray * 255.5f);
}

int eff_contrast_gray(const eff_image *image, eff_op_rule rule)
{
    int64_t pixels = (int64_t)image->height * image->width, sum = 0;
    if (rule == EFF_RULE_TF) return (int)(pixels / 256 < 255 ? pixels / 256 : 255);
    for (int64_t i = 0; i < pixels; i++) sum += eff_luminance(image->pixels + 3 * i, rule);
    return (int)((double)sum / (double)pixels + 0.5);
}

void eff_image_color(eff_image *image, double factor, eff_op_rule rule)
{
    uint8_t *p = image->pixels, *end = p + eff_image_bytes(image);
    if (factor == 1.0) return;
    for (; p < end; p += 3) {
        int gray = eff_luminance(p, rule);
        for (int c = 0; c < 3; c++) p[c] = blend(gray, p[c], (float)factor);
    }
}

static void blend_constant(eff_image *image, int gray, double factor)
{
    eff_lut lut;
    if (factor == 1.0) return;
    for (int x = 0; x < 256; x++)
        lut.table[0][x] = lut.table[1][x] = lut.table[2][x] = blend(gray, x, (float)factor);
    eff_image_apply_lut(image, &lut);
}

void eff_image_contrast(eff_image *image, double factor, eff_op_rule rule)
{
    blend_constant(image, eff_contrast_gray(image, rule), factor);
}

void eff_image_brightness(eff_image *image, double factor) { blend_constant(image, 0, factor); }

static int smooth_at(const uint8_t *p, size_t row, eff_op_rule rule)
{
    const uint8_t *up = p - row, *down = p + row;
    int sum = up[-3] + up[0] + up[3] + p[-3] + 5 * p[0] + p[3] + down[-3] + down[0] + down[3];
    return rule == EFF_RULE_PIL ? (2 * sum + 13) / 26 : sum / 13; /* Pillow rounds, TensorFlow cuts off */
}

eff_status eff_image_sharpness(eff_image *image, double factor, eff_op_rule rule, eff_image *scratch)
{
    if (factor == 1.0) return EFF_OK;
    EFF_TRY(eff_image_copy(scratch, image, eff_image_whole(image)));
    size_t row = (size_t)image->width * 3;
    for (int y = 1; y < image->height - 1; y++)
        for (size_t i = 3; i + 3 < row; i++) {
            const uint8_t *p = scratch->pixels + y * row + i;
            image->pixels[y * row + i] = blend(smooth_at(p, row, rule), *p, (float)factor);
        }
    return EFF_OK;
}
