/* depthwise.rows: 3x3 and 5x5 depthwise convolution, one output a channel, stride 1 or 2.
 *
 * A task is a strip of rows of one image and a block of channels. Input rows pass through a ring of as many rows as the
 * kernel has, padded with zeros and, where the input is scaled, scaled on the way in, so that each is scaled once; the
 * taps then read the nearest cache only, without any bounds. The input gradient of stride 1 is the same with the
 * weights turned round; that of stride 2 is depthwise.direct's. The weight gradient keeps its taps in registers along a
 * row; strips give partial sums that are added in order.
 */
#include "kernels/conv_grid.h"
#include "kernels/depthwise_ring.h"
#include "kernels/simd/scaled.h"
#include "kernels/variants.h"

enum {
    LEAST_TASKS = 32,
    SLICE = 1024 /* weights summed by a task */
};

extern const eff_variant ISA_NAME(eff_variant_depthwise_direct);

typedef struct job {
    const eff_conv_shape *s;
    const eff_conv_input *in;
    const eff_conv_output *to;
    const float *w, *dy;
    float *dw, *partial; /* of the weight gradient: [n][strip][tap][c] */
    float *rings;        /* [worker][kh][ring_width][BLOCK] */
    int64_t strips, blocks;
} job;

static size_t ring_bytes(const eff_conv_shape *s) { return (size_t)(s->kh * ring_columns(s) * BLOCK) * sizeof(float); }

static job start(const eff_conv_shape *s, char **scratch)
{
    job j = {.s = s, .strips = strip_count(s, LEAST_TASKS), .blocks = eff_chunks(s->c, BLOCK)};
    j.rings = take(scratch, (size_t)eff_threads() * ring_bytes(s));
    return j;
}

/* ---- the ring of input rows ---- */

static void copy_pixels(float *to, const float *x, int64_t c, int64_t count, int64_t channels)
{
    for (int64_t p = 0; p < count; p++, to += BLOCK, x += c) {
        int64_t i = 0;
        for (; i + VL <= channels; i += VL) vec_store(to + i, vec_load(x + i));
        if (i < channels) vec_store(to + i, vec_load_some(x + i, channels - i));
    }
}

/* One padded row of the input into its place in the ring; rows outside the image are zeros. */
static void load_row(const strip *p, const job *j, int64_t iy)
{
    const eff_conv_shape *s = j->s;
    float *row = ring_row(p, s, iy);
    if (iy < 0 || iy >= s->h) {
        memset(row, 0, (size_t)(p->ring_width * BLOCK) * sizeof *row);
        return;
    }
    int64_t first = (p->n * s->h + iy) * s->w, left = least(s->pad_left, p->ring_width);
    int64_t count = least(s->w, p->ring_width - left), right = left + count;
    memset(row, 0, (size_t)(left * BLOCK) * sizeof *row);
    if (j->in->scale)
        scaled_rows(row + left * BLOCK, BLOCK, j->in, s->c, s->h * s->w, first, count, p->channel, p->channels);
    else
        copy_pixels(row + left * BLOCK, j->in->x + first * s->c + p->channel, s->c, count, p->channels);
    memset(row + right * BLOCK, 0, (size_t)((p->ring_width - right) * BLOCK) * sizeof *row);
}

static strip start_strip(const job *j, int64_t task, int worker)
{
    strip p = strip_at(j->s, j->strips, task);
    p.ring_rows = j->s->kh;
    p.ring = j->rings + worker * p.ring_rows * p.ring_width * BLOCK;
    return p;
}

/* Brings in what output row `oy` needs; rows[k] is then its input row k. */
static void turn_ring(const float **rows, strip *p, const job *j, int64_t oy)
{
    int64_t first = oy * j->s->stride_h - j->s->pad_top;
    if (p->loaded < first) p->loaded = first;
    for (; p->loaded < first + j->s->kh; p->loaded++) load_row(p, j, p->loaded);
    ring_taps(rows, p, j->s, oy);
}

/* ---- forward, and the input gradient of stride 1 ---- */

static void run_strip(void *context, int64_t task, int worker)
{
    const job *j = context;
    strip p = start_strip(j, task, worker);
    const float *rows[MOST_TAPS];
    for (int64_t oy = p.first_row; oy < p.end_row; oy++) {
        turn_ring(rows, &p, j, oy);
        output_row(j->to, NULL, rows, j->w, j->s, &p, oy);
    }
}

static void forward(const eff_conv_output *y, const eff_conv_input *x, const float *w, const eff_conv_shape *s,
                    void *scratch)
{
    char *rest = scratch;
    job j = start(s, &rest);
    j.in = x;
    j.to = y;
    j.w = w;
    eff_parallel_for(s->n * j.strips * j.blocks, run_strip, &j);
}

/* The convolution of dy that makes dx, where the stride is 1 */
static eff_conv_shape turned(const eff_conv_shape *s)
{
    eff_conv_shape t = *s;
    t.h = s->oh, t.w = s->ow, t.oh = s->h, t.ow = s->w;
    t.pad_top = s->kh - 1 - s->pad_top, t.pad_left = s->kw - 1 - s->pad_left;
    return t;
}

static bool turns(const eff_conv_shape *s) { return s->stride_h == 1 && s->pad_top < s->kh && s->pad_left < s->kw; }

static const eff_conv_kernels *direct(void) { return ISA_NAME(eff_variant_depthwise_direct).kernels; }

static void backward_data(float *dx, const float *dy, const float *w, const eff_conv_shape *s, void *scratch)
{
    if (!turns(s)) {
        direct()->backward_data(dx, dy, w, s, scratch);
        return;
    }
    char *rest = scratch;
    eff_conv_shape t = turned(s);
    int64_t taps = s->kh * s->kw;
    float *round = take(&rest, (size_t)(taps * s->c) * sizeof(float));
    for (int64_t k = 0; k < taps; k++)
        memcpy(round + k * s->c, w + (taps - 1 - k) * s->c, (size_t)s->c * sizeof(float));
    eff_conv_input in = {.x = dy};
    eff_conv_output to = {.y = dx};
    forward(&to, &in, round, &t, rest);
}

/* ---- weight gradient ---- */

/* sum[ky][kx][v] += dy . x along a row, for `height` rows of taps and `vectors` vectors (constants, as k and stride) */
VEC_INLINE void weight_row(float *sums, const float *const *rows, const float *dy, int64_t c, int64_t ow, int64_t lanes,
                           const int height, const int vectors, const int k, const int stride)
{
    vec sum[15];
#pragma GCC unroll 15
    for (int t = 0; t < height * k * vectors; t++) sum[t] = vec_load(sums + t / vectors * BLOCK + t % vectors * VL);
    for (int64_t ox = 0; ox < ow; ox++) {
        vec d[3];
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++) d[v] = vec_get(dy + ox * c + v * VL, lanes);
#pragma GCC unroll 15
        for (int t = 0; t < height * k * vectors; t++)
            sum[t] += d[t % vectors] *
                      vec_load(rows[t / vectors / k] + (ox * stride + t / vectors % k) * BLOCK + t % vectors * VL);
    }
#pragma GCC unroll 15
    for (int t = 0; t < height * k * vectors; t++) vec_store(sums + t / vectors * BLOCK + t % vectors * VL, sum[t]);
}

/* One output row's share of the sums [k][k][BLOCK]. 3x3 takes all taps of one vector at a time, 5x5 a row of taps of
 * one or two vectors: enough sums to hide the latency, few enough for the registers. */
VEC_INLINE void add_row(float *sums, const job *j, const float *const *rows, const strip *p, int64_t oy, const int k,
                        const int stride)
{
    const eff_conv_shape *s = j->s;
    const float *dy = j->dy + ((p->n * s->oh + oy) * s->ow) * s->c + p->channel, *from[MOST_TAPS];
    int vectors = 1;
    for (int64_t i = 0; i < p->channels; i += vectors * VL) {
        int64_t left = p->channels - i;
        for (int ky = 0; ky < k; ky++) from[ky] = rows[ky] + i;
        vectors = k == 5 && left >= 2 * VL ? 2 : 1;
        if (k == 3 && left >= VL)
            weight_row(sums + i, from, dy + i, s->c, s->ow, VL, 3, 1, 3, stride);
        else if (k == 3)
            weight_row(sums + i, from, dy + i, s->c, s->ow, left, 3, 1, 3, stride);
        for (int ky = 0; k == 5 && ky < 5; ky++) {
            float *row_sums = sums + ky * 5 * BLOCK + i;
            if (vectors == 2)
                weight_row(row_sums, from + ky, dy + i, s->c, s->ow, VL, 1, 2, 5, stride);
            else
                weight_row(row_sums, from + ky, dy + i, s->c, s->ow, least(VL, left), 1, 1, 5, stride);
        }
    }
}

static void run_weights(void *context, int64_t task, int worker)
{
    const job *j = context;
    const eff_conv_shape *s = j->s;
    strip p = start_strip(j, task, worker);
    const float *rows[MOST_TAPS];
    float sums[MOST_TAPS * MOST_TAPS * BLOCK] = {0};
    for (int64_t oy = p.first_row; oy < p.end_row; oy++) {
        turn_ring(rows, &p, j, oy);
        if (s->kw == 3 && s->stride_w == 1)
            add_row(sums, j, rows, &p, oy, 3, 1);
        else if (s->kw == 3)
            add_row(sums, j, rows, &p, oy, 3, 2);
        else if (s->stride_w == 1)
            add_row(sums, j, rows, &p, oy, 5, 1);
        else
            add_row(sums, j, rows, &p, oy, 5, 2);
    }
    int64_t taps = s->kh * s->kw;
    float *to = j->partial + (p.n * j->strips + p.index) * taps * s->c + p.channel;
    for (int64_t t = 0; t < taps; t++) memcpy(to + t * s->c, sums + t * BLOCK, (size_t)p.channels * sizeof *to);
}

/* Task: one slice of dw as the sum of the strips' partial sums, in order */
static void add_partial(void *context, int64_t slice, int worker)
{
    (void)worker;
    const job *j = context;
    int64_t count = j->s->kh * j->s->kw * j->s->c, first = slice * SLICE, end = least(first + SLICE, count);
    for (int64_t i = first; i < end; i++) j->dw[i] = 0;
    for (int64_t chunk = 0; chunk < j->s->n * j->strips; chunk++)
        for (int64_t i = first; i < end; i++) j->dw[i] += j->partial[chunk * count + i];
}

static void backward_weights(float *dw, const float *dy, const eff_conv_input *x, const eff_conv_shape *s,
                             void *scratch)
{
    char *rest = scratch;
    int64_t count = s->kh * s->kw * s->c;
    job j = start(s, &rest);
    j.in = x;
    j.dy = dy;
    j.dw = dw;
    j.partial = (float *)rest;
    eff_parallel_for(s->n * j.strips * j.blocks, run_weights, &j);
    eff_parallel_for(eff_chunks(count, SLICE), add_partial, &j);
}

/* ---- the variant ---- */

static size_t rings_bytes(const eff_conv_shape *s) { return round_to_line((size_t)eff_threads() * ring_bytes(s)); }

static size_t scratch_size(const eff_conv_shape *s, eff_pass pass)
{
    size_t weights = round_to_line((size_t)(s->kh * s->kw * s->c) * sizeof(float));
    if (pass == EFF_FORWARD) return rings_bytes(s);
    if (pass == EFF_BACKWARD_WEIGHTS) return rings_bytes(s) + (size_t)(s->n * strip_count(s, LEAST_TASKS)) * weights;
    if (!turns(s)) return direct()->scratch(s, pass);
    eff_conv_shape t = turned(s);
    return weights + rings_bytes(&t);
}

static bool reads_scaled(const eff_conv_shape *s, eff_pass pass)
{
    (void)s;
    (void)pass;
    return true;
}

static bool supports(const void *problem) { return suits_strips(problem); }

static const eff_conv_kernels kernels = {.scratch = scratch_size,
                                         .reads_scaled = reads_scaled,
                                         .forward = forward,
                                         .backward_data = backward_data,
                                         .backward_weights = backward_weights};

const eff_variant ISA_NAME(eff_variant_depthwise_rows) = {
    .name = "depthwise.rows." ISA_TEXT,
    .doc = "3x3 and 5x5, stride 1 and 2: rows of a block of channels pass through a ring in the cache",
    .family = EFF_FAMILY_DEPTHWISE,
    .isa = ISA_ENUM,
    .supports = supports,
    .kernels = &kernels};
