/* Turning the hue, through Pillow's 8-bit HSV; see ops.h. */
#include <math.h>

#include "image/ops.h"

typedef struct hsv {
    uint8_t hue, saturation, value;
} hsv;

static hsv to_hsv(const uint8_t rgb[3])
{
    uint8_t r = rgb[0], g = rgb[1], b = rgb[2], most = r > g ? r : g, least = r < g ? r : g;
    if (b > most) most = b;
    if (b < least) least = b;
    if (most == least) return (hsv){0, 0, most};
    float range = (float)(most - least);
    float red = (float)(most - r) / range, green = (float)(most - g) / range, blue = (float)(most - b) / range;
    double sum = r == most ? blue - green : g == most ? 2.0 + red - blue : 4.0 + green - red;
    float sixths = (float)sum; /* single and double precision where Pillow has them: they decide the last bit */
    float turns = (float)fmod(sixths / 6.0 + 1.0, 1.0);
    return (hsv){(uint8_t)(turns * 255.0), (uint8_t)(range / (float)most * 255.0), most};
}

static void from_hsv(uint8_t rgb[3], hsv in)
{
    double sixths = in.hue * 6.0 / 255.0, v = in.value;
    int sector = (int)sixths;
    float part = (float)(sixths - sector), saturation = (float)(in.saturation / 255.0);
    uint8_t low = (uint8_t)round(v * (1.0 - saturation)), falling = (uint8_t)round(v * (1.0 - saturation * part));
    uint8_t rising = (uint8_t)round(v * (1.0 - saturation * (1.0 - part)));
    const uint8_t sectors[6][3] = {{in.value, rising, low}, {falling, in.value, low}, {low, in.value, rising},
                                   {low, falling, in.value}, {rising, low, in.value}, {in.value, low, falling}};
    for (int c = 0; c < 3; c++) rgb[c] = sectors[sector % 6][c];
}

void eff_image_hue(eff_image *image, double turn)
{
    uint8_t *p = image->pixels, *end = p + eff_image_bytes(image);
    int shift = (int)(fmod(turn, 1.0) * 255.0);
    for (; p < end; p += 3) {
        hsv color = to_hsv(p);
        color.hue = (uint8_t)(color.hue + shift);
        from_hsv(p, color);
    }
}
