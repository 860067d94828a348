/* Rows of a depthwise convolution's input on their way through the nearest cache: shared by depthwise.rows and
 * expand_depthwise.rows.
 *
 * A strip is some rows of one image's output and a block of channels. The input rows that it needs pass through a ring,
 * padded with zeros, so that the taps have no bounds; how they get there is the caller's.
 */
#ifndef EFF_KERNELS_DEPTHWISE_RING_H
#define EFF_KERNELS_DEPTHWISE_RING_H

#include "base/parallel.h"
#include "kernels/conv_epilogue.h"

enum {
    BLOCK = 4 * VL, /* channels of a strip */
    TILE = 8,       /* pixels in registers */
    MOST_TAPS = 5,  /* along an axis */
    LEAST_ROWS = 4  /* of a strip */
};

typedef struct strip {
    int64_t n, index, channel, channels, first_row, end_row;
    float *ring; /* [ring_rows][ring_width][BLOCK] */
    int64_t ring_rows, ring_width;
    int64_t loaded; /* input rows below this one are in the ring */
} strip;

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Strips that an image is cut into for at least `tasks` of them in all */
static inline int64_t strip_count(const eff_conv_shape *s, int64_t tasks)
{
    int64_t images = s->n * eff_chunks(s->c, BLOCK), most = s->oh / LEAST_ROWS;
    int64_t wanted = images > 0 ? eff_chunks(tasks, images) : 1;
    return most < 1 ? 1 : least(wanted, most);
}

/* Columns that the taps read, those of a last tile that hangs over the edge included */
static inline int64_t ring_columns(const eff_conv_shape *s)
{
    return (eff_chunks(s->ow, TILE) * TILE - 1) * s->stride_w + s->kw;
}

/* Strip number `task` of s->n * strips * blocks; the ring is not in it. */
static inline strip strip_at(const eff_conv_shape *s, int64_t strips, int64_t task)
{
    int64_t blocks = eff_chunks(s->c, BLOCK);
    strip p = {.channel = task % blocks * BLOCK,
               .index = task / blocks % strips,
               .n = task / blocks / strips,
               .ring_width = ring_columns(s)};
    p.channels = least(BLOCK, s->c - p.channel);
    p.first_row = p.index * s->oh / strips;
    p.end_row = (p.index + 1) * s->oh / strips;
    p.loaded = p.first_row * s->stride_h - s->pad_top;
    return p;
}

static inline float *ring_row(const strip *p, const eff_conv_shape *s, int64_t iy)
{
    return p->ring + (iy + s->pad_top) % p->ring_rows * p->ring_width * BLOCK;
}

/* The input rows that the taps of output row `oy` read */
static inline void ring_taps(const float **rows, const strip *p, const eff_conv_shape *s, int64_t oy)
{
    for (int64_t k = 0; k < s->kh; k++) rows[k] = ring_row(p, s, oy * s->stride_h - s->pad_top + k);
}

/* ---- an output row ---- */

/* TILE pixels of one vector of channels; k and stride are constants */
VEC_INLINE void tile(float *y, const float *const *rows, const float *w, const float *bias, int64_t c, int64_t pixels,
                     const int64_t lanes, const int k, const int stride)
{
    vec sum[TILE], start = bias ? vec_get(bias, lanes) : (vec){0};
#pragma GCC unroll 8
    for (int p = 0; p < TILE; p++) sum[p] = start;
#pragma GCC unroll 5
    for (int ky = 0; ky < k; ky++)
#pragma GCC unroll 5
        for (int kx = 0; kx < k; kx++) {
            vec f = vec_get(w + (ky * k + kx) * c, lanes);
            const float *x = rows[ky] + kx * BLOCK;
#pragma GCC unroll 8
            for (int p = 0; p < TILE; p++) sum[p] += f * vec_load(x + p * stride * BLOCK);
        }
#pragma GCC unroll 8
    for (int p = 0; p < TILE; p++)
        if (p < pixels) vec_put(y + p * c, sum[p], lanes);
}

/* Row `oy` of to->y and, where they are asked for, what it adds to the sums [BLOCK] of the finished pixels */
VEC_INLINE void output_row_of(const eff_conv_output *to, float *sums, const float *const *rows, const float *weights,
                              const eff_conv_shape *s, const strip *p, int64_t oy, const int k, const int stride)
{
    float *y = to->y + ((p->n * s->oh + oy) * s->ow) * s->c + p->channel;
    const float *w = weights + p->channel, *bias = to->bias ? to->bias + p->channel : NULL, *from[MOST_TAPS];
    for (int64_t ox = 0; ox < s->ow; ox += TILE, y += TILE * s->c) {
        int64_t pixels = least(TILE, s->ow - ox), i = 0;
        for (; i < p->channels; i += VL) {
            for (int ky = 0; ky < k; ky++) from[ky] = rows[ky] + ox * stride * BLOCK + i;
            const float *b = bias ? bias + i : NULL;
            if (p->channels - i >= VL)
                tile(y + i, from, w + i, b, s->c, pixels, VL, k, stride);
            else
                tile(y + i, from, w + i, b, s->c, pixels, p->channels - i, k, stride);
        }
        for (i = 0; has_epilogue(to) && i < pixels; i++) finish(to, y + i * s->c, p->channels);
        for (i = 0; sums && i < p->channels; i += VL) {
            vec sum = vec_load(sums + i);
            for (int64_t m = 0; m < pixels; m++) sum += vec_get(y + m * s->c + i, least(VL, p->channels - i));
            vec_store(sums + i, sum);
        }
    }
}

static inline void output_row(const eff_conv_output *to, float *sums, const float *const *rows, const float *weights,
                              const eff_conv_shape *s, const strip *p, int64_t oy)
{
    if (s->kw == 3 && s->stride_w == 1)
        output_row_of(to, sums, rows, weights, s, p, oy, 3, 1);
    else if (s->kw == 3)
        output_row_of(to, sums, rows, weights, s, p, oy, 3, 2);
    else if (s->stride_w == 1)
        output_row_of(to, sums, rows, weights, s, p, oy, 5, 1);
    else
        output_row_of(to, sums, rows, weights, s, p, oy, 5, 2);
}

/* The depthwise convolutions of which these rows are */
static inline bool suits_strips(const eff_conv_shape *s)
{
    return s->groups == s->c && s->o == s->c && (s->kh == 3 || s->kh == 5) && s->kw == s->kh && s->dilation_h == 1 &&
           s->dilation_w == 1 && (s->stride_h == 1 || s->stride_h == 2) && s->stride_w == s->stride_h &&
           s->pad_top >= 0 && s->pad_left >= 0;
}

#endif
