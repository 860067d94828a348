/* Warps, flips, filled rectangles and normalisation; see ops.h. */
#include <math.h>
#include <string.h>

#include "image/ops.h"

/* Just below one half, so that the sum of it and a float just below k + 0.5 does not round up to k + 1. */
#define HALF 0x1.fffffep-2f

eff_status eff_image_affine(eff_image *out, const eff_image *in, const float m[6], const uint8_t fill[3])
{
    EFF_TRY(eff_image_reserve(out, in->height, in->width));
    uint8_t *target = out->pixels;
    float bottom = (float)in->height - 0.5f, right = (float)in->width - 0.5f;
    for (int y = 0; y < in->height; y++) {
        for (int x = 0; x < in->width; x++, target += 3) {
            float at_x = m[0] * (float)x + m[1] * (float)y + m[2], at_y = m[3] * (float)x + m[4] * (float)y + m[5];
            const uint8_t *source = fill;
            /* Rounds half away from zero, as TensorFlow does: -0.5 is pixel -1, height - 0.5 is pixel height. */
            if (at_x > -0.5f && at_x < right && at_y > -0.5f && at_y < bottom)
                source = in->pixels + ((size_t)(at_y + HALF) * in->width + (size_t)(at_x + HALF)) * 3;
            memcpy(target, source, 3);
        }
    }
    return EFF_OK;
}

void eff_matrix_rotate(float m[6], int height, int width, double degrees)
{
    double radians = degrees * (3.14159265358979323846 / 180.0), right = width - 1, bottom = height - 1;
    float c = (float)cos(radians), s = (float)sin(radians);
    float x = (float)((right - (c * right - s * bottom)) / 2.0), y = (float)((bottom - (s * right + c * bottom)) / 2.0);
    memcpy(m, (float[6]){c, -s, x, s, c, y}, sizeof(float[6]));
}

void eff_matrix_shear_x(float m[6], double level)
{
    memcpy(m, (float[6]){1.0f, (float)level, 0.0f, 0.0f, 1.0f, 0.0f}, sizeof(float[6]));
}

void eff_matrix_shear_y(float m[6], double level)
{
    memcpy(m, (float[6]){1.0f, 0.0f, 0.0f, (float)level, 1.0f, 0.0f}, sizeof(float[6]));
}

void eff_matrix_translate(float m[6], double right, double down)
{
    memcpy(m, (float[6]){1.0f, 0.0f, -(float)right, 0.0f, 1.0f, -(float)down}, sizeof(float[6]));
}

void eff_image_flip(eff_image *image)
{
    size_t row = (size_t)image->width * 3;
    for (int y = 0; y < image->height; y++) {
        uint8_t *left = image->pixels + y * row, *right = left + row - 3;
        for (; left < right; left += 3, right -= 3) {
            uint8_t held[3];
            memcpy(held, left, 3);
            memcpy(left, right, 3);
            memcpy(right, held, 3);
        }
    }
}

eff_rect eff_rect_clip(eff_rect rect, int height, int width)
{
    int y = rect.y < 0 ? 0 : rect.y, x = rect.x < 0 ? 0 : rect.x;
    int y_end = rect.y + rect.height < height ? rect.y + rect.height : height;
    int x_end = rect.x + rect.width < width ? rect.x + rect.width : width;
    return (eff_rect){y, x, y_end > y ? y_end - y : 0, x_end > x ? x_end - x : 0};
}

void eff_image_fill(eff_image *image, eff_rect part, const uint8_t color[3])
{
    eff_rect inside = eff_rect_clip(part, image->height, image->width);
    for (int y = inside.y; y < inside.y + inside.height; y++) {
        uint8_t *p = image->pixels + ((size_t)y * image->width + inside.x) * 3;
        for (int x = 0; x < inside.width; x++, p += 3) memcpy(p, color, 3);
    }
}

eff_status eff_image_from_floats(eff_image *out, const float *in, int height, int width, const float mean[3],
                                 const float std[3])
{
    EFF_TRY(eff_image_reserve(out, height, width));
    size_t n = eff_image_bytes(out);
    for (size_t i = 0; i < n; i++) {
        float x = in[i] * std[i % 3] + mean[i % 3];
        out->pixels[i] = (uint8_t)(x > 0.0f ? (x < 255.0f ? x + 0.5f : 255.0f) : 0.0f); /* NaN is black */
    }
    return EFF_OK;
}
