/* Lookup tables and the histogram operations; see ops.h. */
#include <string.h>

#include "image/ops.h"

static uint8_t clip(int x) { return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x); }

static void same_for_all(eff_lut *lut)
{
    memcpy(lut->table[1], lut->table[0], 256);
    memcpy(lut->table[2], lut->table[0], 256);
}

void eff_lut_identity(eff_lut *lut)
{
    for (int x = 0; x < 256; x++) lut->table[0][x] = (uint8_t)x;
    same_for_all(lut);
}

void eff_lut_invert(eff_lut *lut)
{
    for (int x = 0; x < 256; x++) lut->table[0][x] = (uint8_t)(255 - x);
    same_for_all(lut);
}

void eff_lut_posterize(eff_lut *lut, int bits)
{
    int kept = bits <= 0 ? 0 : bits >= 8 ? 0xFF : 0xFF << (8 - bits);
    for (int x = 0; x < 256; x++) lut->table[0][x] = (uint8_t)(x & kept);
    same_for_all(lut);
}

void eff_lut_solarize(eff_lut *lut, int threshold)
{
    for (int x = 0; x < 256; x++) lut->table[0][x] = (uint8_t)(x < threshold ? x : 255 - x);
    same_for_all(lut);
}

void eff_lut_solarize_add(eff_lut *lut, int addition, int threshold)
{
    for (int x = 0; x < 256; x++) lut->table[0][x] = x < threshold ? clip(x + addition) : (uint8_t)x;
    same_for_all(lut);
}

static void histograms(uint32_t counts[3][256], const eff_image *image)
{
    memset(counts, 0, sizeof(uint32_t[3][256]));
    size_t n = eff_image_bytes(image);
    for (size_t i = 0; i < n; i += 3)
        for (int c = 0; c < 3; c++) counts[c][image->pixels[i + c]]++;
}

/* The official code computes in float, Pillow in double; both cut the fraction off. */
static int stretch(int x, int low, int high, eff_op_rule rule)
{
    if (rule == EFF_RULE_PIL) {
        double scale = 255.0 / (high - low);
        return (int)(x * scale + -low * scale);
    }
    float scale = 255.0f / (float)(high - low);
    return (int)((float)x * scale + -(float)low * scale);
}

static void stretch_channel(uint8_t table[256], const uint32_t counts[256], eff_op_rule rule)
{
    int low = 0, high = 255;
    while (low < 255 && !counts[low]) low++;
    while (high > low && !counts[high]) high--;
    for (int x = 0; x < 256; x++) table[x] = high > low ? clip(stretch(x, low, high, rule)) : (uint8_t)x;
}

void eff_lut_autocontrast(eff_lut *lut, const eff_image *image, eff_op_rule rule)
{
    uint32_t counts[3][256];
    histograms(counts, image);
    for (int c = 0; c < 3; c++) stretch_channel(lut->table[c], counts[c], rule);
}

static void equalize_channel(uint8_t table[256], const uint32_t counts[256], uint32_t total)
{
    int highest = 255;
    while (highest > 0 && !counts[highest]) highest--;
    uint32_t step = (total - counts[highest]) / 255, below = step / 2;
    for (int x = 0; x < 256; x++) {
        uint32_t level = step ? below / step : (uint32_t)x;
        table[x] = (uint8_t)(level > 255 ? 255 : level);
        below += counts[x];
    }
}

void eff_lut_equalize(eff_lut *lut, const eff_image *image)
{
    uint32_t counts[3][256];
    histograms(counts, image);
    uint32_t pixels = (uint32_t)image->height * (uint32_t)image->width;
    for (int c = 0; c < 3; c++) equalize_channel(lut->table[c], counts[c], pixels);
}

void eff_image_apply_lut(eff_image *image, const eff_lut *lut)
{
    size_t n = eff_image_bytes(image);
    for (size_t i = 0; i < n; i += 3)
        for (int c = 0; c < 3; c++) image->pixels[i + c] = lut->table[c][image->pixels[i + c]];
}
