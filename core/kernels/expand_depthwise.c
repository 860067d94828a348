/* expand_depthwise.rows: a 1x1 convolution and a 3x3 or 5x5 depthwise one on its result, which exists row by row only.
 *
 * As depthwise.rows, but the ring is filled by a matrix product, one register tile of pixels x channels after another,
 * whose activated sums go straight to their places. Rows that two strips share are computed by both, so strips are few.
 * Where a row has fewer pixels than a tile, the ring holds all rows of the strip, and tiles run on from row to row.
 */
#include "kernels/conv_grid.h"
#include "kernels/depthwise_ring.h"
#include "kernels/variants.h"

enum { LEAST_TASKS = 8, PANEL = 2 /* vectors */ };
#if EFF_ISA_BUILD == 2
enum { ROWS = 14 };
#else
enum { ROWS = 6 };
#endif

typedef struct job {
    const eff_conv_shape *s;
    const eff_expansion *from;
    const eff_conv_output *to;
    const float *w;
    float *sums, *partial; /* [n][c] and [n][strip][c] */
    float *rings;          /* [worker][ring_rows][ring_width][BLOCK] */
    int64_t strips, ring_rows;
} job;

/* Columns of a ring: all of a padded row, also those that no tap reads */
static int64_t ring_width(const eff_conv_shape *s)
{
    int64_t read = ring_columns(s), written = s->pad_left + s->w;
    return read > written ? read : written;
}

static int64_t ring_rows(const eff_conv_shape *s)
{
    int64_t all = (eff_chunks(s->oh, strip_count(s, LEAST_TASKS)) - 1) * s->stride_h + s->kh;
    return s->w < ROWS && all > s->kh ? all : s->kh;
}

/* ---- packing: panels [panel][input channel][lanes] ---- */

static int64_t lanes_of(int64_t c, int64_t first) { return least(PANEL * VL, eff_chunks(c - first, VL) * VL); }

static size_t packed_bytes(const eff_conv_shape *expand)
{
    return (size_t)(expand->c * eff_chunks(expand->o, VL) * VL) * sizeof(float);
}

static void pack(void *packed, const float *w, const eff_conv_shape *expand)
{
    float *to = packed;
    for (int64_t first = 0; first < expand->o; first += PANEL * VL) {
        int64_t lanes = lanes_of(expand->o, first), columns = least(lanes, expand->o - first);
        for (int64_t i = 0; i < expand->c; i++, to += lanes) {
            memcpy(to, w + i * expand->o + first, (size_t)columns * sizeof *to);
            memset(to + columns, 0, (size_t)(lanes - columns) * sizeof *to);
        }
    }
}

/* ---- the product that fills the ring ---- */

/* out[m][v] = act(in[m] . w + bias) for `pixels` of the `rows` (a constant, as vectors and act) */
VEC_INLINE void tile_of(float *const *out, const float *in, const float *w, const vec *bias, int64_t channels,
                        int64_t pixels, const int rows, const int vectors, const eff_activation act)
{
    vec sum[ROWS][PANEL];
    const float *x[ROWS];
#pragma GCC unroll 16
    for (int m = 0; m < rows; m++) {
        x[m] = in + (m < pixels ? m : 0) * channels;
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[m][v] = bias[v];
    }
#pragma GCC unroll 1
    for (int64_t i = 0; i < channels; i++, w += vectors * VL) {
        vec b[PANEL];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) b[v] = vec_load(w + v * VL);
#pragma GCC unroll 16
        for (int m = 0; m < rows; m++) {
            vec a = vec_all(x[m][i]);
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) sum[m][v] += a * b[v];
        }
    }
    vec block[ROWS * PANEL];
#pragma GCC unroll 16
    for (int m = 0; m < rows; m++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) block[m * vectors + v] = sum[m][v];
    for (int64_t m = 0; m < pixels; m++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) vec_store(out[m] + v * VL, vec_activate(block[m * vectors + v], act));
}

VEC_INLINE void tile_with(float *const *out, const float *in, const float *w, const vec *bias, int64_t channels,
                          int64_t pixels, int64_t vectors, const eff_activation act)
{
    if (vectors == 2 && pixels > ROWS / 2)
        tile_of(out, in, w, bias, channels, pixels, ROWS, 2, act);
    else if (vectors == 2)
        tile_of(out, in, w, bias, channels, pixels, ROWS / 2, 2, act);
    else
        tile_of(out, in, w, bias, channels, pixels, ROWS, 1, act);
}

static void expand_tile(float *const *out, const eff_expansion *from, const float *in, const float *w, const vec *bias,
                        int64_t pixels, int64_t vectors)
{
    switch (from->act) {
    case EFF_ACT_SILU: tile_with(out, in, w, bias, from->c, pixels, vectors, EFF_ACT_SILU); break;
    case EFF_ACT_RELU: tile_with(out, in, w, bias, from->c, pixels, vectors, EFF_ACT_RELU); break;
    default: tile_with(out, in, w, bias, from->c, pixels, vectors, EFF_ACT_NONE); break;
    }
}

/* One panel of channels, the one at `lane` of the strip's, for all pixels of input rows first .. end, which lie in the
 * image. Columns beyond the ring are not read. */
static void expand_panel(const strip *p, const job *j, int64_t first, int64_t end, int64_t lane)
{
    const eff_conv_shape *s = j->s;
    int64_t channel = p->channel + lane, lanes = lanes_of(s->c, channel), pixels = (end - first) * s->w;
    const float *w = (const float *)j->from->w + channel * j->from->c;
    const float *in = j->from->x + (p->n * s->h + first) * s->w * j->from->c;
    vec bias[PANEL] = {0};
    for (int64_t v = 0; j->from->bias && v < lanes / VL; v++)
        bias[v] = vec_load_some(j->from->bias + channel + v * VL, least(VL, s->c - channel - v * VL));
    float *out[ROWS], *row = ring_row(p, s, first);
    int64_t y = first, x = 0;
    for (int64_t done = 0; done < pixels; done += ROWS) {
        int64_t count = least(ROWS, pixels - done);
        for (int64_t m = 0; m < count; m++) {
            out[m] = row + (s->pad_left + x) * BLOCK + lane;
            if (++x < s->w) continue;
            x = 0;
            if (++y < end) row = ring_row(p, s, y);
        }
        expand_tile(out, j->from, in + done * j->from->c, w, bias, count, lanes / VL);
    }
}

/* Input rows p->loaded .. end into the ring, those outside the image as zeros. */
static void load_rows(strip *p, const job *j, int64_t end)
{
    const eff_conv_shape *s = j->s;
    int64_t left = s->pad_left * BLOCK, right = (s->pad_left + s->w) * BLOCK, all = p->ring_width * BLOCK;
    int64_t first = p->loaded < 0 ? 0 : p->loaded, last = least(end, s->h);
    for (; p->loaded < end; p->loaded++) {
        float *row = ring_row(p, s, p->loaded);
        bool inside = p->loaded >= 0 && p->loaded < s->h;
        memset(row, 0, (size_t)(inside ? left : all) * sizeof *row);
        if (inside) memset(row + right, 0, (size_t)(all - right) * sizeof *row);
    }
    for (int64_t lane = 0; first < last && lane < p->channels; lane += PANEL * VL)
        expand_panel(p, j, first, last, lane);
}

/* ---- a strip ---- */

/* Task: the rows of a strip, and their sums */
static void run_strip(void *context, int64_t task, int worker)
{
    const job *j = context;
    const eff_conv_shape *s = j->s;
    const float *rows[MOST_TAPS];
    float sums[BLOCK] = {0};
    strip p = strip_at(s, j->strips, task);
    p.ring_width = ring_width(s);
    p.ring_rows = j->ring_rows;
    p.ring = j->rings + worker * p.ring_rows * p.ring_width * BLOCK;
    bool all_at_once = p.ring_rows > s->kh;
    for (int64_t oy = p.first_row; oy < p.end_row; oy++) {
        int64_t ahead = all_at_once ? p.end_row - 1 : oy, end = ahead * s->stride_h - s->pad_top + s->kh;
        if (p.loaded < oy * s->stride_h - s->pad_top) p.loaded = oy * s->stride_h - s->pad_top;
        if (p.loaded < end) load_rows(&p, j, end);
        ring_taps(rows, &p, s, oy);
        output_row(j->to, sums, rows, j->w, s, &p, oy);
    }
    memcpy(j->partial + (p.n * j->strips + p.index) * s->c + p.channel, sums, (size_t)p.channels * sizeof *sums);
}

/* Task: the sums of an image, strip after strip */
static void add_strips(void *context, int64_t n, int worker)
{
    (void)worker;
    const job *j = context;
    int64_t c = j->s->c;
    const float *partial = j->partial + n * j->strips * c;
    memcpy(j->sums + n * c, partial, (size_t)c * sizeof *partial);
    for (int64_t k = 1; k < j->strips; k++)
        for (int64_t i = 0; i < c; i++) j->sums[n * c + i] += partial[k * c + i];
}

/* ---- the variant ---- */

static size_t scratch_size(const eff_expand_shape *s)
{
    const eff_conv_shape *d = &s->depthwise;
    size_t partial = (size_t)(d->n * strip_count(d, LEAST_TASKS) * d->c) * sizeof(float);
    return round_to_line((size_t)(eff_threads() * ring_rows(d) * ring_width(d) * BLOCK) * sizeof(float)) + partial;
}

static void forward(const eff_conv_output *y, float *sums, const eff_expansion *x, const float *w,
                    const eff_expand_shape *s, void *scratch)
{
    const eff_conv_shape *d = &s->depthwise;
    char *rest = scratch;
    job j = {.s = d,
             .from = x,
             .to = y,
             .w = w,
             .sums = sums,
             .strips = strip_count(d, LEAST_TASKS),
             .ring_rows = ring_rows(d)};
    j.rings = take(&rest, (size_t)(eff_threads() * j.ring_rows * ring_width(d) * BLOCK) * sizeof(float));
    j.partial = (float *)rest;
    eff_parallel_for(d->n * j.strips * eff_chunks(d->c, BLOCK), run_strip, &j);
    eff_parallel_for(d->n, add_strips, &j);
}

static bool supports(const void *problem) { return suits_strips(&((const eff_expand_shape *)problem)->depthwise); }

static const eff_expand_kernels kernels = {
    .scratch = scratch_size, .packed_bytes = packed_bytes, .pack = pack, .forward = forward};

const eff_variant ISA_NAME(eff_variant_expand_depthwise_rows) = {
    .name = "expand_depthwise.rows." ISA_TEXT,
    .doc = "3x3 and 5x5, stride 1 and 2: the rows of the expanded input exist in the cache only",
    .family = EFF_FAMILY_EXPAND_DEPTHWISE,
    .isa = ISA_ENUM,
    .supports = supports,
    .kernels = &kernels};
