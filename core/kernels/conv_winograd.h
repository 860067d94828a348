/* The transforms of Winograd's F(4x4, 3x3), shared by the passes of conv2d.winograd:
 *
 *     y = A' [(G w G') . (B' x B)] A      4x4 outputs of a 6x6 window x and 3x3 weights w; . is elementwise
 *    dw = G' [(B' x B) . (A dy A')] G     the same, transposed
 *
 * The matrices are Toom and Cook's for the points 0, +-sqrt(1/2), +-sqrt(2) and infinity. Points that are powers of
 * two make simpler constants, but these keep the transformed values closer in size: the error is half as large.
 */
#ifndef EFF_KERNELS_CONV_WINOGRAD_H
#define EFF_KERNELS_CONV_WINOGRAD_H

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "kernels/simd/vec.h"

enum { OUT = 4, TAPS = 3, PAD = 1, IN = OUT + TAPS - 1, POINTS = IN * IN };

static const float root_half = 0.70710678f, root_two = 1.41421356f;

/* Along one axis: to[i * to_step] = sum over k of matrix[i][k] * from[k * step] */
typedef void axis_map(vec *to, int to_step, const vec *from, int step);

/* B', 6 to 6 */
VEC_INLINE void map_input(vec *to, int to_step, const vec *from, int step)
{
    vec d0 = from[0], d1 = from[step], d2 = from[2 * step], d3 = from[3 * step], d4 = from[4 * step];
    vec even_half = d4 - 2.0f * d2, odd_half = d3 - 2.0f * d1, even_two = d4 - 0.5f * d2, odd_two = d3 - 0.5f * d1;
    to[0] = d0 + d4 - 2.5f * d2;
    to[to_step] = even_half + root_half * odd_half;
    to[2 * to_step] = even_half - root_half * odd_half;
    to[3 * to_step] = even_two + root_two * odd_two;
    to[4 * to_step] = even_two - root_two * odd_two;
    to[5 * to_step] = d1 + from[5 * step] - 2.5f * d3;
}

/* G, 3 to 6 */
VEC_INLINE void map_weights(vec *to, int to_step, const vec *from, int step)
{
    vec g0 = from[0], g1 = from[step], g2 = from[2 * step];
    vec even_half = (g0 + 0.5f * g2) * (-2.0f / 3), odd_half = g1 * (root_half * (-2.0f / 3));
    vec even_two = (g0 + 2.0f * g2) * (1.0f / 6), odd_two = g1 * (root_two * (1.0f / 6));
    to[0] = g0;
    to[to_step] = even_half + odd_half;
    to[2 * to_step] = even_half - odd_half;
    to[3 * to_step] = even_two + odd_two;
    to[4 * to_step] = even_two - odd_two;
    to[5 * to_step] = g2;
}

/* A', 6 to 4 */
VEC_INLINE void map_output(vec *to, int to_step, const vec *from, int step)
{
    vec even_half = from[step] + from[2 * step], odd_half = root_half * (from[step] - from[2 * step]);
    vec even_two = from[3 * step] + from[4 * step], odd_two = root_two * (from[3 * step] - from[4 * step]);
    to[0] = from[0] + even_half + even_two;
    to[to_step] = odd_half + odd_two;
    to[2 * to_step] = 0.5f * even_half + 2.0f * even_two;
    to[3 * to_step] = from[5 * step] + 0.5f * odd_half + 2.0f * odd_two;
}

/* A, 4 to 6 */
VEC_INLINE void map_output_gradient(vec *to, int to_step, const vec *from, int step)
{
    vec even_half = from[0] + 0.5f * from[2 * step], odd_half = from[step] + 0.5f * from[3 * step];
    vec even_two = from[0] + 2.0f * from[2 * step], odd_two = from[step] + 2.0f * from[3 * step];
    to[0] = from[0];
    to[to_step] = even_half + root_half * odd_half;
    to[2 * to_step] = even_half - root_half * odd_half;
    to[3 * to_step] = even_two + root_two * odd_two;
    to[4 * to_step] = even_two - root_two * odd_two;
    to[5 * to_step] = from[3 * step];
}

/* G', 6 to 3 */
VEC_INLINE void map_weights_gradient(vec *to, int to_step, const vec *from, int step)
{
    vec even_half = (from[step] + from[2 * step]) * (-2.0f / 3), odd_half = from[step] - from[2 * step];
    vec even_two = (from[3 * step] + from[4 * step]) * (1.0f / 6), odd_two = from[3 * step] - from[4 * step];
    to[0] = from[0] + even_half + even_two;
    to[to_step] = (root_half * (-2.0f / 3)) * odd_half + (root_two * (1.0f / 6)) * odd_two;
    to[2 * to_step] = from[5 * step] + 0.5f * even_half + 2.0f * even_two;
}

/* to [n_out][n_out] from [n_in][n_in]: the map along both axes; the sizes are constants */
VEC_INLINE void map_both(vec *to, const vec *from, const int n_out, const int n_in, axis_map *map)
{
    vec half[POINTS];
#pragma GCC unroll 6
    for (int x = 0; x < n_in; x++) map(half + x, n_in, from + x, n_in);
#pragma GCC unroll 6
    for (int y = 0; y < n_out; y++) map(to + y * n_out, 1, half + y * n_in, 1);
}

/* ---- tiles: 4x4 outputs each, over the edges where the image is no multiple of 4 ---- */

typedef struct tiling {
    int64_t n, height, width, rows, columns; /* rows and columns of tiles */
} tiling;

static inline tiling tiling_of(const eff_conv_shape *s)
{
    return (tiling){s->n, s->h, s->w, eff_chunks(s->h, OUT), eff_chunks(s->w, OUT)};
}

static inline int64_t tile_count(const tiling *t) { return t->n * t->rows * t->columns; }

/* The size x size pixels of an image [n][height][width][c] that start `before` rows and columns before a tile */
static inline void find_pixels(const float **pixel, const tiling *t, int64_t tile, const float *image, int64_t c,
                               int size, int before, const float *outside)
{
    int64_t n = tile / (t->rows * t->columns);
    int64_t top = tile / t->columns % t->rows * OUT - before, left = tile % t->columns * OUT - before;
    for (int p = 0; p < size * size; p++) {
        int64_t y = top + p / size, x = left + p % size;
        bool inside = y >= 0 && y < t->height && x >= 0 && x < t->width;
        pixel[p] = inside ? image + ((n * t->height + y) * t->width + x) * c : outside;
    }
}

/* One vector of channels of a tile's pixels, transformed. `next` is the way to the next tile, whose pixels are fetched
 * ahead: rows of pixels are too short for the CPU to foresee. */
VEC_INLINE void transform_vector(float *to, int64_t point, const float *const *pixel, int64_t channel, int64_t count,
                                 int64_t next, const int size, axis_map *map)
{
    vec from[POINTS], points[POINTS];
#pragma GCC unroll 36
    for (int p = 0; p < size * size; p++)
        from[p] = count >= VL ? vec_load(pixel[p] + channel) : vec_load_some(pixel[p] + channel, count);
#pragma GCC unroll 36
    for (int p = 0; p < size * size; p++)
        if (p % size >= size - OUT) __builtin_prefetch(pixel[p] + channel + next);
    map_both(points, from, IN, size, map);
#pragma GCC unroll 36
    for (int p = 0; p < POINTS; p++) vec_store(to + p * point, points[p]);
}

/* Channels first .. end of the pixels, transformed; to[p * point] is where point p goes, whole vectors of it */
VEC_INLINE void transform_pixels(float *to, int64_t point, const float *const *pixel, int64_t first, int64_t end,
                                 int64_t next, const int size, axis_map *map)
{
    int64_t i = first;
    for (; i + VL <= end; i += VL) transform_vector(to + i - first, point, pixel, i, VL, next, size, map);
    if (i < end) transform_vector(to + i - first, point, pixel, i, end - i, next, size, map);
}

size_t ISA_NAME(eff_conv_winograd_weights_scratch)(const eff_conv_shape *s);
void ISA_NAME(eff_conv_winograd_weights)(float *dw, const float *dy, const eff_conv_input *x, const eff_conv_shape *s,
                                         void *scratch);

#endif
