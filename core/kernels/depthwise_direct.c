/* depthwise.direct: depthwise convolution with one output a channel, vectorised over channels.
 *
 * A few pixels of a few vectors of channels stay in registers while the taps run by; where taps read comes from
 * tables of pointers (conv_grid.h), which all channels of a pixel share. The weight gradient keeps a few taps in
 * registers while the pixels of a block run by; partial sums of fixed chunks of blocks are added in order.
 */
#include "base/parallel.h"
#include "kernels/conv_epilogue.h"
#include "kernels/conv_grid.h"
#include "kernels/simd/vec.h"
#include "kernels/variants.h"

enum {
    PIXELS = 32,      /* of a table */
    ROWS = 8,         /* pixels of a register tile */
    TAPS = 9,         /* held at a time for the weight gradient */
    AHEAD = 4 * VL,   /* channels fetched ahead for the weight gradient */
    MOST_CHUNKS = 32  /* of the weight gradient */
};

typedef struct job {
    grid g;
    const eff_conv_shape *s;
    const eff_conv_output *to;
    const float *w;
    const float **tables; /* one a worker */
    float *partial;       /* [chunk][tap][c], or dw itself when there is one chunk */
    float *dw;
    int64_t chunks;
} job;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- forward and input gradient ---- */

/* ROWS pixels x `vectors` (constant) vectors of channels from `channel` on; the last has `lanes` channels */
VEC_INLINE void tile(const job *j, const float *const *table, float *const *out, int64_t pixels, int64_t channel,
                     int64_t lanes, const int vectors)
{
    const grid *g = &j->g;
    vec sum[ROWS][2], b[2];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
        b[v] = !j->to->bias ? (vec){0}
               : lanes == VL ? vec_load(j->to->bias + channel + v * VL)
                             : vec_load_some(j->to->bias + channel + v * VL, lanes);
#pragma GCC unroll 8
    for (int m = 0; m < ROWS; m++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[m][v] = (vec){0};
    for (int64_t t = 0; t < g->taps; t++) {
        const float *w = j->w + g->tap[t].index * g->ic + channel;
        vec f[2];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) f[v] = lanes == VL ? vec_load(w + v * VL) : vec_load_some(w + v * VL, lanes);
#pragma GCC unroll 8
        for (int m = 0; m < ROWS; m++) {
            const float *x = table[t * PIXELS + m] + channel;
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                sum[m][v] += f[v] * (lanes == VL ? vec_load(x + v * VL) : vec_load_some(x + v * VL, lanes));
        }
    }
#pragma GCC unroll 8
    for (int m = 0; m < ROWS; m++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            if (m < pixels && lanes == VL)
                vec_store(out[m] + channel + v * VL, sum[m][v] + b[v]);
            else if (m < pixels)
                vec_store_some(out[m] + channel + v * VL, sum[m][v] + b[v], lanes);
        }
}

/* Task: the PIXELS positions of one table */
static void run_table(void *context, int64_t task, int worker)
{
    const job *j = context;
    const grid *g = &j->g;
    int64_t pixels = least(PIXELS, grid_positions(g) - task * PIXELS);
    const float **table = j->tables + worker * (g->taps + 1) * PIXELS;
    grid_fill_table(table, g, task * PIXELS, pixels);
    for (int64_t m = 0; m < pixels; m += ROWS) {
        float *const *out = (float **)(table + g->taps * PIXELS + m);
        int64_t channel = 0, left = least(ROWS, pixels - m);
        for (; channel + 2 * VL <= g->ic; channel += 2 * VL) tile(j, table + m, out, left, channel, VL, 2);
        for (; channel + VL <= g->ic; channel += VL) tile(j, table + m, out, left, channel, VL, 1);
        if (channel < g->ic) tile(j, table + m, out, left, channel, g->ic - channel, 1);
        for (int64_t i = 0; has_epilogue(j->to) && i < left; i++) finish(j->to, out[i], g->ic);
    }
}

static size_t grid_scratch(const eff_conv_shape *s)
{
    int64_t taps = s->kh * s->kw;
    return round_to_line((size_t)s->c * sizeof(float)) + round_to_line((size_t)taps * sizeof(grid_tap)) +
           (size_t)eff_threads() * grid_table_bytes(taps, PIXELS);
}

static job start(const eff_conv_shape *s, char **scratch)
{
    job j = {.s = s};
    float *zeros = take(scratch, (size_t)s->c * sizeof(float));
    memset(zeros, 0, (size_t)s->c * sizeof(float));
    j.g.zeros = zeros;
    j.g.pitch = PIXELS;
    j.g.tap = take(scratch, (size_t)(s->kh * s->kw) * sizeof(grid_tap));
    j.tables = (const float **)take(scratch, (size_t)eff_threads() * grid_table_bytes(s->kh * s->kw, PIXELS));
    return j;
}

static void forward(const eff_conv_output *y, const eff_conv_input *x, const float *w, const eff_conv_shape *s,
                    void *scratch)
{
    char *rest = scratch;
    job j = start(s, &rest);
    j.to = y;
    j.w = w;
    grid_forward(&j.g, y->y, x->x, s);
    eff_parallel_for(eff_chunks(grid_positions(&j.g), PIXELS), run_table, &j);
}

static void backward_data(float *dx, const float *dy, const float *w, const eff_conv_shape *s, void *scratch)
{
    char *rest = scratch;
    job j = start(s, &rest);
    j.to = &(eff_conv_output){.y = dx};
    j.w = w;
    for (int64_t phase = 0; phase < s->stride_h * s->stride_w; phase++) {
        grid_backward(&j.g, dx, dy, s, phase);
        eff_parallel_for(eff_chunks(grid_positions(&j.g), PIXELS), run_table, &j);
    }
}

/* ---- weight gradient ---- */

static int64_t block_count(const eff_conv_shape *s) { return eff_chunks(s->n * s->oh * s->ow, PIXELS); }

static int64_t chunk_count(const eff_conv_shape *s)
{
    int64_t blocks = block_count(s);
    return blocks < 1 ? 1 : least(blocks, MOST_CHUNKS);
}

/* dw of `taps` <= TAPS taps from `first` on, for one vector of channels: (+)= the pixels of a table */
VEC_INLINE void weight_tile(float *dw, const job *j, const float *const *table, int64_t pixels, int64_t first,
                            int64_t taps, int64_t channel, bool add, const int64_t lanes)
{
    const grid *g = &j->g;
    const float *const *rows[TAPS], *const *dy = table + g->taps * PIXELS;
    vec sum[TAPS];
#pragma GCC unroll 9
    for (int t = 0; t < TAPS; t++) {
        rows[t] = table + (first + (t < taps ? t : 0)) * PIXELS;
        sum[t] = (vec){0};
    }
    for (int64_t p = 0; p < pixels; p++) {
        __builtin_prefetch(dy[p] + channel + AHEAD);
        __builtin_prefetch(rows[TAPS - 1][p] + channel + AHEAD);
        vec d = lanes == VL ? vec_load(dy[p] + channel) : vec_load_some(dy[p] + channel, lanes);
#pragma GCC unroll 9
        for (int t = 0; t < TAPS; t++) {
            const float *x = rows[t][p] + channel;
            sum[t] += d * (lanes == VL ? vec_load(x) : vec_load_some(x, lanes));
        }
    }
#pragma GCC unroll 9
    for (int t = 0; t < TAPS; t++) {
        float *to = dw + (first + t) * g->ic + channel;
        if (t < taps && lanes == VL)
            vec_store(to, add ? vec_load(to) + sum[t] : sum[t]);
        else if (t < taps)
            vec_store_some(to, add ? vec_load_some(to, lanes) + sum[t] : sum[t], lanes);
    }
}

/* Task: the blocks of one chunk */
static void run_chunk(void *context, int64_t chunk, int worker)
{
    const job *j = context;
    const grid *g = &j->g;
    int64_t blocks = block_count(j->s), block_start = chunk * blocks / j->chunks;
    const float **table = j->tables + worker * (g->taps + 1) * PIXELS;
    float *dw = j->partial + chunk * g->taps * g->ic;
    for (int64_t block = block_start; block < (chunk + 1) * blocks / j->chunks; block++) {
        int64_t pixels = least(PIXELS, grid_positions(g) - block * PIXELS), channel;
        bool add = block > block_start;
        grid_fill_table(table, g, block * PIXELS, pixels);
        for (int64_t first = 0; first < g->taps; first += TAPS) {
            int64_t taps = least(TAPS, g->taps - first);
            for (channel = 0; channel + VL <= g->ic; channel += VL)
                weight_tile(dw, j, table, pixels, first, taps, channel, add, VL);
            if (channel < g->ic) weight_tile(dw, j, table, pixels, first, taps, channel, add, g->ic - channel);
        }
    }
}

/* The grid of the forward pass, whose "output" is only read: dy */
static void backward_weights(float *dw, const float *dy, const eff_conv_input *x, const eff_conv_shape *s,
                             void *scratch)
{
    char *rest = scratch;
    int64_t count = s->kh * s->kw * s->c;
    job j = start(s, &rest);
    j.chunks = chunk_count(s);
    j.partial = j.chunks > 1 ? (float *)rest : dw;
    if (block_count(s) == 0) memset(dw, 0, (size_t)count * sizeof *dw);
    grid_forward(&j.g, (float *)dy, x->x, s);
    eff_parallel_for(j.chunks, run_chunk, &j);
    if (j.chunks == 1) return;
    for (int64_t i = 0; i < count; i++) dw[i] = j.partial[i];
    for (int64_t chunk = 1; chunk < j.chunks; chunk++)
        for (int64_t i = 0; i < count; i++) dw[i] += j.partial[chunk * count + i];
}

static size_t scratch_size(const eff_conv_shape *s, eff_pass pass)
{
    size_t partial = (size_t)(chunk_count(s) * s->kh * s->kw * s->c) * sizeof(float);
    return grid_scratch(s) + 64 + (pass == EFF_BACKWARD_WEIGHTS ? partial : 0);
}

static bool supports(const void *problem)
{
    const eff_conv_shape *s = problem;
    return s->groups == s->c && s->o == s->c;
}

static const eff_conv_kernels kernels = {.scratch = scratch_size, .forward = forward, .backward_data = backward_data,
                                         .backward_weights = backward_weights};

const eff_variant ISA_NAME(eff_variant_depthwise_direct) = {
    .name = "depthwise.direct." ISA_TEXT,
    .doc = "vectors of channels, a few pixels in registers; one output a channel",
    .family = EFF_FAMILY_DEPTHWISE,
    .isa = ISA_ENUM,
    .supports = supports,
    .kernels = &kernels};
