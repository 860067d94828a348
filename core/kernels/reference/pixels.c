/* Rows of pixels, one value at a time. */
#include "kernels/variants.h"

static void bilinear_row(float *out, const uint8_t *top, const uint8_t *bottom, float down, const eff_between *columns,
                         int width, size_t readable)
{
    (void)readable;
    for (int x = 0; x < width; x++, out += 3) {
        int left = columns[x].left, right = columns[x].right;
        float across = columns[x].weight;
        for (int c = 0; c < 3; c++) {
            float a = top[left + c], b = top[right + c], d = bottom[left + c], e = bottom[right + c];
            float upper = a + (b - a) * across, lower = d + (e - d) * across;
            out[c] = upper + (lower - upper) * down;
        }
    }
}

static uint8_t from_fixed(int32_t sum)
{
    int32_t value = sum >> EFF_TAP_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void filter_row(uint8_t *out, const uint8_t *in, const eff_taps *columns, int width, size_t readable)
{
    (void)readable;
    for (int x = 0; x < width; x++, out += 3) {
        const uint8_t *pixel = in + (size_t)columns->first[x] * 3;
        const int32_t *weight = eff_taps_of(columns, x);
        for (int c = 0; c < 3; c++) {
            int32_t sum = 1 << (EFF_TAP_BITS - 1);
            for (int k = 0; k < columns->count[x]; k++) sum += pixel[3 * k + c] * weight[k * EFF_TAP_BLOCK];
            out[c] = from_fixed(sum);
        }
    }
}

static void filter_column(uint8_t *out, const uint8_t *in, size_t n, size_t stride, const int32_t *weight, int count)
{
    for (size_t i = 0; i < n; i++) {
        int32_t sum = 1 << (EFF_TAP_BITS - 1);
        for (int k = 0; k < count; k++) sum += in[(size_t)k * stride + i] * weight[k * EFF_TAP_BLOCK];
        out[i] = from_fixed(sum);
    }
}

static void cut_to_bytes(uint8_t *out, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = (uint8_t)(in[i] > 0.0f ? in[i] < 255.0f ? in[i] : 255.0f : 0.0f);
}

static void normalize_bytes(float *out, const uint8_t *in, size_t n, const float mean[3], const float inverse_std[3])
{
    for (size_t i = 0; i < 3 * n; i++) out[i] = ((float)in[i] - mean[i % 3]) * inverse_std[i % 3];
}

static void normalize_floats(float *out, const float *in, size_t n, const float mean[3], const float inverse_std[3])
{
    for (size_t i = 0; i < 3 * n; i++) out[i] = (in[i] - mean[i % 3]) * inverse_std[i % 3];
}

static const eff_pixel_kernels kernels = {bilinear_row, filter_row, filter_column, cut_to_bytes, normalize_bytes, normalize_floats};

const eff_variant eff_variant_pixels_reference = {.name = "pixels.reference",
                                                  .doc = "one value at a time",
                                                  .family = EFF_FAMILY_PIXELS,
                                                  .kernels = &kernels};
