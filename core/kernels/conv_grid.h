/* Where a convolution reads and writes, as tables of pointers: shared by conv2d.direct and depthwise.direct.
 *
 * Each position of a grid [n][gh][gw] reads the input at a list of taps and makes one output pixel. The forward pass
 * is one such grid; the input gradient is one per phase of the stride, with the taps that reach this phase.
 */
#ifndef EFF_KERNELS_CONV_GRID_H
#define EFF_KERNELS_CONV_GRID_H

#include "kernels/kernels.h"

/* Where a tap reads, relative to the first grid position, and its place in the weights */
typedef struct grid_tap {
    int64_t y, x, index;
} grid_tap;

typedef struct grid {
    const float *in; /* [n][ih][iw][ic] */
    int64_t n, ih, iw, ic;
    int64_t gh, gw, step_h, step_w; /* input rows and columns a grid step */
    int64_t taps;
    grid_tap *tap;    /* room for kh * kw */
    float *out;  /* [n][out_h][out_w][oc]; grid (y, x) is pixel (first_h + y * jump_h, first_w + x * jump_w) */
    int64_t out_h, out_w, oc, first_h, first_w, jump_h, jump_w;
    const float *zeros; /* [ic]: what a tap reads outside the image */
    int64_t pitch;      /* pixels of a table */
} grid;

static inline int64_t grid_positions(const grid *g) { return g->n * g->gh * g->gw; }

static inline size_t grid_table_bytes(int64_t taps, int64_t pitch)
{
    return (size_t)((taps + 1) * pitch) * sizeof(float *);
}

/* One tap for `count` positions of a grid row that starts at input (iy, ix) */
static inline void grid_fill_tap(const float **slot, const grid *g, int64_t n, int64_t iy, int64_t ix, int64_t count)
{
    if (iy < 0 || iy >= g->ih) {
        for (int64_t i = 0; i < count; i++) slot[i] = g->zeros;
        return;
    }
    const float *row = g->in + (n * g->ih + iy) * g->iw * g->ic;
    for (int64_t i = 0; i < count; i++) {
        int64_t x = ix + i * g->step_w;
        slot[i] = x >= 0 && x < g->iw ? row + x * g->ic : g->zeros;
    }
}

/* table [taps + 1][pitch] for positions first .. first + count: the inputs of each tap, then the outputs. Inputs
 * beyond count are zeros. */
static inline void grid_fill_table(const float **table, const grid *g, int64_t first, int64_t count)
{
    float **out = (float **)(table + g->taps * g->pitch);
    for (int64_t done = 0; done < count;) {
        int64_t i = first + done, x = i % g->gw, y = i / g->gw % g->gh, n = i / (g->gw * g->gh);
        int64_t run = g->gw - x < count - done ? g->gw - x : count - done;
        for (int64_t t = 0; t < g->taps; t++)
            grid_fill_tap(table + t * g->pitch + done, g, n, y * g->step_h + g->tap[t].y, x * g->step_w + g->tap[t].x,
                          run);
        int64_t pixel = (n * g->out_h + g->first_h + y * g->jump_h) * g->out_w + g->first_w + x * g->jump_w;
        for (int64_t k = 0; k < run; k++) out[done + k] = g->out + (pixel + k * g->jump_w) * g->oc;
        done += run;
    }
    for (int64_t t = 0; t < g->taps; t++)
        for (int64_t i = count; i < g->pitch; i++) table[t * g->pitch + i] = g->zeros;
}

/* ---- the two passes; the caller has set tap, zeros and pitch ---- */

static inline void grid_forward(grid *g, float *y, const float *x, const eff_conv_shape *s)
{
    g->in = x;
    g->n = s->n, g->ih = s->h, g->iw = s->w, g->ic = s->c;
    g->gh = s->oh, g->gw = s->ow, g->step_h = s->stride_h, g->step_w = s->stride_w;
    g->out = y;
    g->out_h = s->oh, g->out_w = s->ow, g->oc = s->o;
    g->first_h = g->first_w = 0, g->jump_h = g->jump_w = 1;
    g->taps = 0;
    for (int64_t ky = 0; ky < s->kh; ky++)
        for (int64_t kx = 0; kx < s->kw; kx++)
            g->tap[g->taps++] = (grid_tap){.y = ky * s->dilation_h - s->pad_top,
                                           .x = kx * s->dilation_w - s->pad_left,
                                           .index = ky * s->kw + kx};
}

/* The least position >= 0 with (position + pad) % stride == phase */
static inline int64_t grid_first_of_phase(int64_t phase, int64_t pad, int64_t stride)
{
    return (phase + stride - pad % stride) % stride;
}

/* Phase 0 .. stride_h * stride_w - 1 of the input gradient */
static inline void grid_backward(grid *g, float *dx, const float *dy, const eff_conv_shape *s, int64_t phase)
{
    g->in = dy;
    g->n = s->n, g->ih = s->oh, g->iw = s->ow, g->ic = s->o;
    g->out = dx;
    g->out_h = s->h, g->out_w = s->w, g->oc = s->c;
    g->step_h = g->step_w = 1, g->jump_h = s->stride_h, g->jump_w = s->stride_w;
    g->first_h = grid_first_of_phase(phase / s->stride_w, s->pad_top, s->stride_h);
    g->first_w = grid_first_of_phase(phase % s->stride_w, s->pad_left, s->stride_w);
    g->gh = g->first_h < s->h ? (s->h - g->first_h + s->stride_h - 1) / s->stride_h : 0;
    g->gw = g->first_w < s->w ? (s->w - g->first_w + s->stride_w - 1) / s->stride_w : 0;
    g->taps = 0;
    for (int64_t ky = 0; ky < s->kh; ky++) {
        int64_t y = g->first_h + s->pad_top - ky * s->dilation_h;
        for (int64_t kx = 0; y % s->stride_h == 0 && kx < s->kw; kx++) {
            int64_t x = g->first_w + s->pad_left - kx * s->dilation_w;
            if (x % s->stride_w == 0) g->tap[g->taps++] = (grid_tap){y / s->stride_h, x / s->stride_w, ky * s->kw + kx};
        }
    }
}

/* ---- scratch ---- */

static inline size_t round_to_line(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* Cuts `bytes` off the front of the scratch. */
static inline void *take(char **scratch, size_t bytes)
{
    char *block = *scratch;
    *scratch += round_to_line(bytes);
    return block;
}

#endif
