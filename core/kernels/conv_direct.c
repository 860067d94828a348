/* conv2d.direct: convolution as an implicit matrix product, with no im2col.
 *
 * A tile of output pixels x output channels stays in registers while the taps and input channels run by: for each
 * tap a table holds one pointer a pixel (to a row of zeros where the tap leaves the image), so 1x1, kxk, stride,
 * dilation and padding are one loop. Weights are packed first, into panels [panel][tap][input channel][lanes].
 * A panel is cut into segments that stay in the second cache while all pixels of a table pass; the sums wait in the
 * output meanwhile, and the next segment is fetched, which few pixels would otherwise wait for.
 * The input gradient is the same product with transposed weights; for a stride above 1 it is cut into one such
 * product per phase of the stride, each with the taps that reach this phase.
 */
#include "base/parallel.h"
#include "kernels/conv_direct.h"
#include "kernels/conv_epilogue.h"
#include "kernels/conv_grid.h"
#include "kernels/simd/scaled.h"
#include "kernels/variants.h"

/* Pixels of a register tile for panels of at most 2 and of 3 vectors, and pixels of a table (a multiple of each) */
#if EFF_ISA_BUILD == 2
enum { ROWS_2 = 14, ROWS_3 = 8, PIXELS = 112 };
#else
enum { ROWS_2 = 6, ROWS_3 = 4, PIXELS = 96 };
#endif
/* Taps x input channels of a segment, at most 96 KiB of weights; tables from which panels stay whole */
enum { DEPTH = 512, WHOLE_FROM = 4 };
/* Tasks wanted; of those that scale their input, which every group of panels does again, and pixels from which it pays */
enum { LEAST_TASKS = 32, LEAST_SCALING_TASKS = 8, LEAST_SCALED = 4 * PIXELS };

typedef struct product {
    grid g;
    const eff_conv_output *to;
    const eff_conv_input *scaled; /* NULL: the input is read as it is */
    int64_t image_pixels;         /* of a scaled input */
    const float *packed;
    float *bias;
    const float **tables; /* one a worker */
    float *rows;          /* [worker][PIXELS][row_pitch]: the rows of a scaled input */
    int64_t row_pitch;
    int64_t panel_groups;
    int64_t depth; /* most taps x input channels of a segment */
} product;

/* ---- packing ---- */

typedef struct packing {
    float *packed;
    const float *w; /* [kh][kw][c][o] */
    int64_t ic, oc, taps;
    const grid_tap *tap; /* NULL: all, in order */
    bool transposed;     /* ic is w's o, and oc its c */
} packing;

static size_t packed_size(int64_t ic, int64_t oc, int64_t taps)
{
    return (size_t)(vectors_of(oc) * VL * ic * taps) * sizeof(float);
}

/* Task: one panel of one tap */
static void pack_panel(void *context, int64_t task, int worker)
{
    (void)worker;
    const packing *p = context;
    panel part = panel_at(vectors_of(p->oc), task / p->taps);
    int64_t t = task % p->taps, lanes = part.vectors * VL, first = part.first * VL;
    int64_t columns = p->oc - first < lanes ? p->oc - first : lanes;
    float *to = p->packed + first * p->taps * p->ic + t * p->ic * lanes;
    const float *w = p->w + (p->tap ? p->tap[t].index : t) * p->ic * p->oc;
    if (p->transposed)
        pack_transposed(to, w + first * p->ic, p->ic, p->ic, columns, lanes);
    else
        pack_straight(to, w + first, p->oc, p->ic, columns, lanes);
}

static void run_packing(packing *p) { eff_parallel_for(panel_count(vectors_of(p->oc)) * p->taps, pack_panel, p); }

/* ---- the register tile ---- */

/* A part of a panel: whole taps, or some input channels of one tap. Panels and segments lie in memory as they run. */
typedef struct segment {
    int64_t tap, taps, channel, channels;
} segment;

static inline bool is_first(segment s) { return s.tap == 0 && s.channel == 0; }

static inline bool is_last(const grid *g, segment s)
{
    return s.tap + s.taps == g->taps && s.channel + s.channels == g->ic;
}

static segment segment_from(const product *p, int64_t tap, int64_t channel)
{
    const grid *g = &p->g;
    int64_t left = g->ic - channel, taps = left > p->depth || channel > 0 ? 1 : p->depth / g->ic;
    return (segment){.tap = tap, .taps = taps < g->taps - tap ? taps : g->taps - tap,
                     .channel = channel, .channels = left < p->depth ? left : p->depth};
}

static segment next_segment(const product *p, segment s)
{
    bool tap_ends = s.channel + s.channels == p->g.ic;
    return segment_from(p, tap_ends ? s.tap + s.taps : s.tap, tap_ends ? 0 : s.channel + s.channels);
}

/* What a register tile reads and where it writes */
typedef struct place {
    const float *const *table; /* of its first pixel */
    const float *w;            /* of the segment */
    const float *ahead;        /* what to fetch meanwhile, `stride` bytes a step */
    int64_t stride;
    const float *bias;
    float *const *out;
    int64_t pixels, columns;
} place;

VEC_INLINE vec load_columns(const float *from, int64_t columns)
{
    return columns >= VL ? vec_load(from) : columns > 0 ? vec_load_some(from, columns) : (vec){0};
}

VEC_INLINE void store_columns(float *to, vec x, int64_t columns)
{
    if (columns >= VL)
        vec_store(to, x);
    else if (columns > 0)
        vec_store_some(to, x, columns);
}

/* out[0 .. pixels) += sums over the segment's taps and input channels, or = for the first segment; finished with the
 * last. For `rows` x `vectors` (both constants) */
VEC_INLINE void tile(const product *p, segment s, const place *at, const int rows, const int vectors)
{
    vec sum[ROWS_2][3];
#pragma GCC unroll 16
    for (int m = 0; m < rows; m++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sum[m][v] = is_first(s) || m >= at->pixels ? (vec){0}
                                                       : load_columns(at->out[m] + v * VL, at->columns - v * VL);
    const float *w = at->w;
    const char *ahead = (const char *)at->ahead;
    const float *const *table = at->table + s.tap * PIXELS;
    for (int64_t t = 0; t < s.taps; t++, table += PIXELS) {
        const float *in[ROWS_2];
#pragma GCC unroll 16
        for (int m = 0; m < rows; m++) in[m] = table[m] + s.channel;
#pragma GCC unroll 1
        for (int64_t i = 0; i < s.channels; i++, w += vectors * VL, ahead += at->stride) {
            vec b[3];
            __builtin_prefetch(ahead, 0, 2);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) b[v] = vec_load(w + v * VL);
#pragma GCC unroll 16
            for (int m = 0; m < rows; m++) {
                vec a = vec_all(in[m][i]);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++) sum[m][v] += a * b[v];
            }
        }
    }
    bool last = is_last(&p->g, s);
    if (last && has_epilogue(p->to)) {
        vec block[ROWS_2 * 3];
#pragma GCC unroll 16
        for (int m = 0; m < rows; m++)
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) block[m * vectors + v] = sum[m][v] + vec_load(at->bias + v * VL);
        finish_tile(p->to, at->out, block, at->pixels, at->columns, vectors);
        return;
    }
#pragma GCC unroll 16
    for (int m = 0; m < rows; m++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            vec y = last ? sum[m][v] + vec_load(at->bias + v * VL) : sum[m][v];
            if (m < at->pixels) store_columns(at->out[m] + v * VL, y, at->columns - v * VL);
        }
}

/* A register tile of up to `rows` pixels; a half or a single row where that is enough */
VEC_INLINE void fitting_tile(const product *p, segment s, const place *at, const int rows, const int vectors)
{
    if (at->pixels > rows / 2)
        tile(p, s, at, rows, vectors);
    else if (at->pixels > 1)
        tile(p, s, at, rows / 2, vectors);
    else
        tile(p, s, at, 1, vectors);
}

/* All pixels of a table times one segment of a panel; `w` is the segment's, and the next lies behind it */
static void run_segment(const product *p, const float **table, int64_t pixels, panel part, segment s, const float *w)
{
    const grid *g = &p->g;
    int64_t first = part.first * VL, rows = part.vectors == 3 ? ROWS_3 : ROWS_2, tiles = eff_chunks(pixels, rows);
    int64_t steps = s.taps * s.channels, length = steps * part.vectors * VL;
    float *out[ROWS_2];
    place at = {.bias = p->bias + first, .out = out, .columns = g->oc - first, .w = w, .ahead = w + length};
    at.stride = (int64_t)sizeof(float) * part.vectors * VL / tiles;
    for (int64_t m = 0; m < pixels; m += rows) {
        at.pixels = pixels - m < rows ? pixels - m : rows;
        at.table = table + m;
        for (int64_t i = 0; i < at.pixels; i++) out[i] = (float *)table[g->taps * PIXELS + m + i] + first;
        if (part.vectors == 3)
            fitting_tile(p, s, &at, ROWS_3, 3);
        else if (part.vectors == 2)
            fitting_tile(p, s, &at, ROWS_2, 2);
        else
            fitting_tile(p, s, &at, ROWS_2, 1);
        at.ahead += steps * at.stride / (int64_t)sizeof(float);
    }
}

/* All pixels of a table times one panel */
static void run_panel(const product *p, const float **table, int64_t pixels, panel part)
{
    const grid *g = &p->g;
    const float *w = p->packed + part.first * VL * g->taps * g->ic;
    segment s = segment_from(p, 0, 0);
    do {
        run_segment(p, table, pixels, part, s, w);
        w += s.taps * s.channels * part.vectors * VL;
        s = next_segment(p, s);
    } while (s.tap < g->taps);
}

/* Points the only tap of a table at scaled copies of its rows. */
static void scale_input(const product *p, const float **table, int64_t first, int64_t pixels, int worker)
{
    float *rows = p->rows + worker * PIXELS * p->row_pitch;
    scaled_rows(rows, p->row_pitch, p->scaled, p->g.ic, p->image_pixels, first, pixels, 0, p->g.ic);
    for (int64_t i = 0; i < pixels; i++) table[i] = rows + i * p->row_pitch;
}

/* Task: PIXELS positions of the grid times one group of panels */
static void run_task(void *context, int64_t task, int worker)
{
    const product *p = context;
    const grid *g = &p->g;
    int64_t vectors = vectors_of(g->oc), panels = panel_count(vectors), group = task % p->panel_groups;
    int64_t first = task / p->panel_groups * PIXELS, left = grid_positions(g) - first;
    int64_t pixels = left < PIXELS ? left : PIXELS;
    const float **table = p->tables + worker * (g->taps + 1) * PIXELS;
    grid_fill_table(table, g, first, pixels);
    if (p->scaled) scale_input(p, table, first, pixels, worker);
    for (int64_t i = group * panels / p->panel_groups; i < (group + 1) * panels / p->panel_groups; i++)
        run_panel(p, table, pixels, panel_at(vectors, i));
}

static void run_product(product *p)
{
    int64_t chunks = eff_chunks(grid_positions(&p->g), PIXELS), panels = panel_count(vectors_of(p->g.oc));
    if (chunks == 0) return;
    int64_t groups = eff_chunks(p->scaled ? LEAST_SCALING_TASKS : LEAST_TASKS, chunks);
    p->panel_groups = groups < panels ? groups : panels;
    p->depth = chunks < WHOLE_FROM || p->g.taps == 0 ? DEPTH : p->g.taps * p->g.ic;
    eff_parallel_for(chunks * p->panel_groups, run_task, p);
}

/* ---- the passes ---- */

/* Pitch of scaled rows: a vector more than they need, so that rows of a power of two do not share cache sets */
static int64_t row_pitch(int64_t channels) { return (vectors_of(channels) + 1) * VL; }

static size_t product_scratch(int64_t ic, int64_t oc, int64_t taps)
{
    size_t lanes = (size_t)(vectors_of(oc) * VL);
    return round_to_line(packed_size(ic, oc, taps)) + round_to_line(lanes * sizeof(float)) +
           round_to_line((size_t)ic * sizeof(float)) + round_to_line((size_t)taps * sizeof(grid_tap)) +
           round_to_line((size_t)eff_threads() * grid_table_bytes(taps, PIXELS));
}

/* The scratch begins with room for packed weights. */
static product start_product(const eff_conv_output *to, int64_t ic, int64_t oc, int64_t taps, void *scratch)
{
    product p = {.to = to, .packed = scratch};
    char *rest = (char *)scratch + round_to_line(packed_size(ic, oc, taps));
    size_t lanes = (size_t)(vectors_of(oc) * VL);
    p.bias = take(&rest, lanes * sizeof(float));
    float *zeros = take(&rest, (size_t)ic * sizeof(float));
    p.g.tap = take(&rest, (size_t)taps * sizeof(grid_tap));
    p.tables = (const float **)take(&rest, (size_t)eff_threads() * grid_table_bytes(taps, PIXELS));
    p.rows = (float *)rest;
    p.g.zeros = zeros;
    p.g.pitch = PIXELS;
    memset(p.bias, 0, lanes * sizeof(float));
    memset(zeros, 0, (size_t)ic * sizeof(float));
    return p;
}

static size_t scratch_size(const eff_conv_shape *s, eff_pass pass)
{
    if (pass == EFF_BACKWARD_WEIGHTS) return ISA_NAME(eff_conv_direct_weights_scratch)(s);
    int64_t taps = s->kh * s->kw;
    if (pass == EFF_BACKWARD_DATA) return product_scratch(s->o, s->c, taps);
    size_t rows = (size_t)(eff_threads() * PIXELS * row_pitch(s->c)) * sizeof(float);
    return product_scratch(s->c, s->o, taps) + (pointwise(s) ? rows : 0);
}

/* Each pixel is read by one output pixel, so its scaling is computed once for a task. */
static bool reads_scaled(const eff_conv_shape *s, eff_pass pass)
{
    return pointwise(s) && (pass != EFF_FORWARD || s->n * s->oh * s->ow >= LEAST_SCALED);
}

static size_t packed_bytes(const eff_conv_shape *s) { return packed_size(s->c, s->o, s->kh * s->kw); }

static void pack(void *packed, const float *w, const eff_conv_shape *s)
{
    packing p = {.packed = packed, .w = w, .ic = s->c, .oc = s->o, .taps = s->kh * s->kw};
    run_packing(&p);
}

static void forward_packed(const eff_conv_output *y, const eff_conv_input *x, const void *packed,
                           const eff_conv_shape *s, void *scratch)
{
    product p = start_product(y, s->c, s->o, s->kh * s->kw, scratch);
    p.packed = packed;
    if (y->bias) memcpy(p.bias, y->bias, (size_t)s->o * sizeof(float));
    if (x->scale) {
        p.scaled = x;
        p.image_pixels = s->h * s->w;
        p.row_pitch = row_pitch(s->c);
    }
    grid_forward(&p.g, y->y, x->x, s);
    run_product(&p);
}

static void forward(const eff_conv_output *y, const eff_conv_input *x, const float *w, const eff_conv_shape *s,
                    void *scratch)
{
    pack(scratch, w, s);
    forward_packed(y, x, scratch, s, scratch);
}

static void backward_data(float *dx, const float *dy, const float *w, const eff_conv_shape *s, void *scratch)
{
    eff_conv_output to = {.y = dx};
    product p = start_product(&to, s->o, s->c, s->kh * s->kw, scratch);
    for (int64_t phase = 0; phase < s->stride_h * s->stride_w; phase++) {
        grid_backward(&p.g, dx, dy, s, phase);
        packing weights = {.packed = scratch, .w = w, .ic = s->o, .oc = s->c, .taps = p.g.taps, .tap = p.g.tap,
                           .transposed = true};
        run_packing(&weights);
        run_product(&p);
    }
}

static bool supports(const void *problem) { return ((const eff_conv_shape *)problem)->groups == 1; }

static const eff_conv_kernels kernels = {
    .scratch = scratch_size, .reads_scaled = reads_scaled, .forward = forward, .backward_data = backward_data,
    .backward_weights = ISA_NAME(eff_conv_direct_weights), .packed_bytes = packed_bytes, .pack = pack,
    .forward_packed = forward_packed};

const eff_variant ISA_NAME(eff_variant_conv2d_direct) = {
    .name = "conv2d.direct." ISA_TEXT,
    .doc = "implicit matrix product on packed weights; one group",
    .family = EFF_FAMILY_CONV2D,
    .isa = ISA_ENUM,
    .supports = supports,
    .kernels = &kernels};
