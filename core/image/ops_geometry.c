/* Flips, filled rectangles and normalisation; see ops.h. */
#include <string.h>

#include "image/ops.h"

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
