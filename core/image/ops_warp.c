/* Affine warps, TensorFlow's and Pillow's; see ops.h. */
#include <math.h>
#include <string.h>

#include "image/ops.h"

#define RADIANS (3.14159265358979323846 / 180.0)

const char *eff_warp_filter_name(eff_warp_filter filter)
{
    static const char *const names[EFF_WARP_FILTER_COUNT] = {"nearest", "bilinear", "bicubic"};
    return names[filter];
}

static const uint8_t *pixel_at(const eff_image *in, int y, int x)
{
    return in->pixels + ((size_t)y * in->width + x) * 3;
}

/* ---- TensorFlow: pixel (0, 0) has its centre at (0, 0) ---- */

/* Just below one half, so that the sum of it and a float just below k + 0.5 does not round up to k + 1. */
#define HALF 0x1.fffffep-2f

static void warp_tf(eff_image *out, const eff_image *in, const double matrix[6], const uint8_t fill[3])
{
    uint8_t *target = out->pixels;
    float m[6], bottom = (float)in->height - 0.5f, right = (float)in->width - 0.5f;
    for (int i = 0; i < 6; i++) m[i] = (float)matrix[i];
    for (int y = 0; y < in->height; y++) {
        for (int x = 0; x < in->width; x++, target += 3) {
            float at_x = m[0] * (float)x + m[1] * (float)y + m[2], at_y = m[3] * (float)x + m[4] * (float)y + m[5];
            const uint8_t *source = fill;
            /* Rounds half away from zero, as TensorFlow does: -0.5 is pixel -1, height - 0.5 is pixel height. */
            if (at_x > -0.5f && at_x < right && at_y > -0.5f && at_y < bottom)
                source = pixel_at(in, (int)(at_y + HALF), (int)(at_x + HALF));
            memcpy(target, source, 3);
        }
    }
}

/* ---- Pillow: pixel (0, 0) covers 0 to 1, its centre is at (0.5, 0.5) ---- */

/* To 16 bits behind the point, as Pillow computes unless it only scales. */
static double to_fixed(double x) { return floor(x * 65536.0 + 0.5) / 65536.0; }

static void warp_nearest(eff_image *out, const eff_image *in, const double m[6], const uint8_t fill[3])
{
    double right_x = m[0], down_x = m[1], row_x = m[2] + m[0] * 0.5 + m[1] * 0.5;
    double right_y = m[3], down_y = m[4], row_y = m[5] + m[3] * 0.5 + m[4] * 0.5;
    if (m[1] != 0.0 || m[3] != 0.0) {
        right_x = to_fixed(right_x), down_x = to_fixed(down_x), row_x = to_fixed(row_x);
        right_y = to_fixed(right_y), down_y = to_fixed(down_y), row_y = to_fixed(row_y);
    }
    uint8_t *target = out->pixels;
    for (int y = 0; y < in->height; y++, row_x += down_x, row_y += down_y) {
        double at_x = row_x, at_y = row_y;
        for (int x = 0; x < in->width; x++, target += 3, at_x += right_x, at_y += right_y) {
            bool inside = at_x >= 0.0 && at_x < in->width && at_y >= 0.0 && at_y < in->height;
            memcpy(target, inside ? pixel_at(in, (int)at_y, (int)at_x) : fill, 3);
        }
    }
}

static int clamp_index(int i, int n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

/* The value at (x, y), counted from the centre of pixel (0, 0); beyond the border its pixels go on. */
static void sample_bilinear(uint8_t out[3], const eff_image *in, double x, double y)
{
    int left = (int)floor(x), top = (int)floor(y);
    int columns[2] = {clamp_index(left, in->width) * 3, clamp_index(left + 1, in->width) * 3};
    const uint8_t *upper = pixel_at(in, clamp_index(top, in->height), 0);
    const uint8_t *lower = pixel_at(in, clamp_index(top + 1, in->height), 0);
    double across = x - left, down = y - top;
    for (int c = 0; c < 3; c++) {
        double a = upper[columns[0] + c] + (upper[columns[1] + c] - upper[columns[0] + c]) * across;
        double b = lower[columns[0] + c] + (lower[columns[1] + c] - lower[columns[0] + c]) * across;
        out[c] = (uint8_t)(a + (b - a) * down);
    }
}

/* The cubic through v[1] at 0 and v[2] at 1 with the slopes v[2] - v[0] and v[3] - v[1] there. */
static double cubic(const double v[4], double at)
{
    double slope = v[2] - v[0], square = 2.0 * (v[0] - v[1]) + v[2] - v[3], cube = v[1] - v[0] + v[3] - v[2];
    return v[1] + at * (slope + at * (square + at * cube));
}

static void sample_bicubic(uint8_t out[3], const eff_image *in, double x, double y)
{
    int left = (int)floor(x), top = (int)floor(y);
    double across = x - left, down = y - top;
    for (int c = 0; c < 3; c++) {
        double column[4];
        for (int i = 0; i < 4; i++) {
            const uint8_t *line = pixel_at(in, clamp_index(top - 1 + i, in->height), 0) + c;
            double row[4];
            for (int k = 0; k < 4; k++) row[k] = line[clamp_index(left - 1 + k, in->width) * 3];
            column[i] = cubic(row, across);
        }
        double value = cubic(column, down);
        out[c] = (uint8_t)(value < 0.0 ? 0.0 : value > 255.0 ? 255.0 : value);
    }
}

static void warp_between(eff_image *out, const eff_image *in, const double m[6], const uint8_t fill[3],
                         void (*sample)(uint8_t out[3], const eff_image *in, double x, double y))
{
    uint8_t *target = out->pixels;
    for (int y = 0; y < in->height; y++) {
        for (int x = 0; x < in->width; x++, target += 3) {
            double at_x = m[0] * (x + 0.5) + m[1] * (y + 0.5) + m[2], at_y = m[3] * (x + 0.5) + m[4] * (y + 0.5) + m[5];
            if (at_x >= 0.0 && at_x < in->width && at_y >= 0.0 && at_y < in->height)
                sample(target, in, at_x - 0.5, at_y - 0.5);
            else
                memcpy(target, fill, 3);
        }
    }
}

eff_status eff_image_affine(eff_image *out, const eff_image *in, const double m[6], const eff_warp *warp)
{
    if (warp->rule == EFF_RULE_TF && warp->filter != EFF_WARP_NEAREST)
        return eff_fail(EFF_E_ARGUMENT, "warp: the official rule (tf) takes the nearest pixel, it knows no %s filter",
                        eff_warp_filter_name(warp->filter));
    EFF_TRY(eff_image_reserve(out, in->height, in->width));
    if (warp->rule == EFF_RULE_TF) warp_tf(out, in, m, warp->fill);
    else if (warp->filter == EFF_WARP_BILINEAR) warp_between(out, in, m, warp->fill, sample_bilinear);
    else if (warp->filter == EFF_WARP_BICUBIC) warp_between(out, in, m, warp->fill, sample_bicubic);
    else warp_nearest(out, in, m, warp->fill);
    return EFF_OK;
}

/* ---- Matrices ---- */

static void set_matrix(double m[6], double xx, double xy, double x0, double yx, double yy, double y0)
{
    memcpy(m, (double[6]){xx, xy, x0, yx, yy, y0}, sizeof(double[6]));
}

static void rotate_tf(double m[6], int height, int width, double degrees)
{
    double right = width - 1, bottom = height - 1;
    float c = (float)cos(degrees * RADIANS), s = (float)sin(degrees * RADIANS);
    set_matrix(m, c, -s, (right - (c * right - s * bottom)) / 2.0, s, c, (bottom - (s * right + c * bottom)) / 2.0);
}

/* Image.rotate rounds sine and cosine to 15 digits, so that right angles are exact. */
static void rotate_pil(double m[6], int height, int width, double degrees)
{
    double turn = fmod(degrees, 360.0), angle = -(turn < 0.0 ? turn + 360.0 : turn) * RADIANS;
    double c = round(cos(angle) * 1e15) / 1e15, s = round(sin(angle) * 1e15) / 1e15, x = width / 2.0, y = height / 2.0;
    set_matrix(m, c, s, c * -x + s * -y + x, -s, c, -s * -x + c * -y + y);
}

void eff_matrix_rotate(double m[6], int height, int width, double degrees, eff_op_rule rule)
{
    if (rule == EFF_RULE_PIL) rotate_pil(m, height, width, degrees);
    else rotate_tf(m, height, width, degrees);
}

void eff_matrix_shear_x(double m[6], double level) { set_matrix(m, 1.0, level, 0.0, 0.0, 1.0, 0.0); }

void eff_matrix_shear_y(double m[6], double level) { set_matrix(m, 1.0, 0.0, 0.0, level, 1.0, 0.0); }

void eff_matrix_translate(double m[6], double right, double down)
{
    set_matrix(m, 1.0, 0.0, -right, 0.0, 1.0, -down);
}
