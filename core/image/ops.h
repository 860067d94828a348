/* The primitives of augmentation: functions from an 8-bit RGB image to another of the same size.
 *
 * They know no magnitude and no randomness; both come from the caller. Where the official code (TensorFlow) and
 * Pillow differ, the rule says which is followed.
 */
#ifndef EFF_IMAGE_OPS_H
#define EFF_IMAGE_OPS_H

#include <stdbool.h>

#include "image/image.h"

typedef enum eff_op_rule {
    EFF_RULE_TF, /* the official EfficientNetV2 code */
    EFF_RULE_PIL /* Pillow, and with it timm and torchvision */
} eff_op_rule;

/* ---- Lookup tables: out = table[in], one table of 256 for each channel (or the same for all) ---- */

typedef struct eff_lut {
    uint8_t table[3][256];
} eff_lut;

void eff_lut_identity(eff_lut *lut);
void eff_lut_invert(eff_lut *lut);
void eff_lut_posterize(eff_lut *lut, int bits);                       /* keeps the upper `bits`; 0 is black, >= 8 all */
void eff_lut_solarize(eff_lut *lut, int threshold);                   /* x < threshold ? x : 255 - x */
void eff_lut_solarize_add(eff_lut *lut, int addition, int threshold); /* x < threshold ? clip(x + addition) : x */
void eff_lut_autocontrast(eff_lut *lut, const eff_image *image, eff_op_rule rule); /* each channel to 0..255 */
void eff_lut_equalize(eff_lut *lut, const eff_image *image);          /* flattens each channel's histogram */
void eff_image_apply_lut(eff_image *image, const eff_lut *lut);

/* ---- Blends: degenerate + factor * (image - degenerate), clipped, fraction cut off; 1 changes nothing ---- */

void eff_image_color(eff_image *image, double factor, eff_op_rule rule);    /* degenerate: the luminance */
void eff_image_contrast(eff_image *image, double factor, eff_op_rule rule); /* degenerate: see eff_contrast_gray */
void eff_image_brightness(eff_image *image, double factor);                 /* degenerate: black */
/* Degenerate: smoothed by [1 1 1; 1 5 1; 1 1 1]/13 except for the border. `scratch` is overwritten. */
eff_status eff_image_sharpness(eff_image *image, double factor, eff_op_rule rule, eff_image *scratch);

/* Turns the hue by this part of the circle of colours, -0.5 to 0.5, as torchvision does it through Pillow's HSV of 8 bits:
 * in steps of 1/255, the rest cut off, and rounding even where nothing is turned. */
void eff_image_hue(eff_image *image, double turn);

/* The gray level that contrast blends with. Pillow: the rounded mean luminance. The official code sums the
 * histogram's counts instead of its values: pixels / 256, at most 255. */
int eff_contrast_gray(const eff_image *image, eff_op_rule rule);
int eff_luminance(const uint8_t *rgb, eff_op_rule rule);

/* ---- Geometry ---- */

/* What a warp makes of a place between pixels, all of them Pillow's (a = -1 for the cubic, fractions cut off). */
typedef enum eff_warp_filter {
    EFF_WARP_NEAREST,
    EFF_WARP_BILINEAR,
    EFF_WARP_BICUBIC,
    EFF_WARP_FILTER_COUNT
} eff_warp_filter;

const char *eff_warp_filter_name(eff_warp_filter filter); /* "nearest", ... */

typedef struct eff_warp {
    eff_op_rule rule;       /* TF: pixel (0, 0) has its centre at (0, 0); Pillow: at (0.5, 0.5) */
    eff_warp_filter filter; /* of TF the nearest alone */
    uint8_t fill[3];        /* what lies outside */
} eff_warp;

/* Output pixel (x, y) takes what lies at (m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]) of the input. out != in. */
eff_status eff_image_affine(eff_image *out, const eff_image *in, const double m[6], const eff_warp *warp);
/* About the centre, counter-clockwise. */
void eff_matrix_rotate(double m[6], int height, int width, double degrees, eff_op_rule rule);
void eff_matrix_shear_x(double m[6], double level); /* about the origin */
void eff_matrix_shear_y(double m[6], double level);
void eff_matrix_translate(double m[6], double right, double down); /* moves the content */

void eff_image_flip(eff_image *image); /* left to right */

/* Fills rows y .. y+height-1, columns x .. x+width-1 as far as they lie inside. */
void eff_image_fill(eff_image *image, eff_rect part, const uint8_t color[3]);

/* The square of 2 * half pixels around (y, x), as cutout cuts it; may be empty or leave the image. */
static inline eff_rect eff_rect_square(int y, int x, int half)
{
    return (eff_rect){y - half, x - half, 2 * half, 2 * half};
}
eff_rect eff_rect_clip(eff_rect rect, int height, int width);

/* The way back from the network, for looking at samples: out = in * std + mean, rounded and clipped. */
eff_status eff_image_from_floats(eff_image *out, const float *in, int height, int width, const float mean[3],
                                 const float std[3]);

#endif
