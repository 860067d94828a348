/* conv2d.direct: convolution as an implicit matrix product, with no im2col.
 *
 * A tile of output pixels x output channels stays in registers while the taps and input channels run by: for each
 * tap a table holds one pointer a pixel (to a row of zeros where the tap leaves the image), so 1x1, kxk, stride,
 * dilation and padding are one loop. Weights are packed first, into panels [panel][tap][input channel][lanes].
 * The input gradient is the same product with transposed weights; for a stride above 1 it is cut into one such
 * product per phase of the stride, each with the taps that reach this phase.
 */
#include "base/parallel.h"
#include "kernels/conv_direct.h"
#include "kernels/variants.h"

/* Pixels of a register tile for panels of 1, 2 and 3 vectors, and pixels of a table (a multiple of each) */
#if EFF_ISA_BUILD == 2
enum { ROWS_1 = 14, ROWS_2 = 14, ROWS_3 = 8, PIXELS = 112 };
#else
enum { ROWS_1 = 6, ROWS_2 = 6, ROWS_3 = 4, PIXELS = 96 };
#endif
enum { LEAST_TASKS = 32 };

/* Where a tap reads, relative to the first grid position, and its place in the weights */
typedef struct tap {
    int64_t y, x, index;
} tap;

/* One product: each position of a grid [n][gh][gw] reads the input at `taps` and makes one output pixel. */
typedef struct product {
    const float *in; /* [n][ih][iw][ic] */
    int64_t n, ih, iw, ic;
    int64_t gh, gw, step_h, step_w; /* input rows and columns a grid step */
    int64_t taps;
    tap *tap;
    float *out; /* [n][out_h][out_w][oc]; grid (y, x) is pixel (first_h + y * jump_h, first_w + x * jump_w) */
    int64_t out_h, out_w, oc, first_h, first_w, jump_h, jump_w;
    const float *w; /* [kh][kw][c][o], as given */
    bool transposed; /* the input channels are w's o and the outputs its c */
    float *packed, *bias, *zeros;
    const float **tables; /* [worker][taps + 1][PIXELS]: inputs a tap, then the outputs */
    int64_t panel_groups;
} product;

static int64_t vectors_of(int64_t channels) { return eff_chunks(channels, VL); }

/* ---- packing ---- */

static void pack_straight(float *to, const float *w, int64_t rows, int64_t row_length, int64_t columns, int64_t lanes)
{
    for (int64_t i = 0; i < rows; i++) {
        memcpy(to + i * lanes, w + i * row_length, (size_t)columns * sizeof *to);
        memset(to + i * lanes + columns, 0, (size_t)(lanes - columns) * sizeof *to);
    }
}

static void pack_transposed(float *to, const float *w, int64_t rows, int64_t columns, int64_t lanes)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) to[i * lanes + j] = w[j * rows + i];
        memset(to + i * lanes + columns, 0, (size_t)(lanes - columns) * sizeof *to);
    }
}

/* Task: one panel of one tap */
static void pack(void *context, int64_t task, int worker)
{
    (void)worker;
    const product *p = context;
    panel part = panel_at(vectors_of(p->oc), task / p->taps);
    int64_t t = task % p->taps, lanes = part.vectors * VL, first = part.first * VL;
    int64_t columns = p->oc - first < lanes ? p->oc - first : lanes;
    float *to = p->packed + first * p->taps * p->ic + t * p->ic * lanes;
    const float *w = p->w + p->tap[t].index * p->ic * p->oc;
    if (p->transposed)
        pack_transposed(to, w + first * p->ic, p->ic, columns, lanes);
    else
        pack_straight(to, w + first, p->ic, p->oc, columns, lanes);
}

/* ---- tables ---- */

/* One tap for `count` positions of a grid row that starts at input (iy, ix) */
static void fill_tap(const float **slot, const product *p, int64_t n, int64_t iy, int64_t ix, int64_t count)
{
    if (iy < 0 || iy >= p->ih) {
        for (int64_t i = 0; i < count; i++) slot[i] = p->zeros;
        return;
    }
    const float *row = p->in + (n * p->ih + iy) * p->iw * p->ic;
    for (int64_t i = 0; i < count; i++) {
        int64_t x = ix + i * p->step_w;
        slot[i] = x >= 0 && x < p->iw ? row + x * p->ic : p->zeros;
    }
}

static void fill_table(const float **table, const product *p, int64_t first, int64_t count)
{
    float **out = (float **)(table + p->taps * PIXELS);
    for (int64_t done = 0; done < count;) {
        int64_t g = first + done, x = g % p->gw, y = g / p->gw % p->gh, n = g / (p->gw * p->gh);
        int64_t run = p->gw - x < count - done ? p->gw - x : count - done;
        for (int64_t t = 0; t < p->taps; t++)
            fill_tap(table + t * PIXELS + done, p, n, y * p->step_h + p->tap[t].y, x * p->step_w + p->tap[t].x, run);
        int64_t pixel = (n * p->out_h + p->first_h + y * p->jump_h) * p->out_w + p->first_w + x * p->jump_w;
        for (int64_t i = 0; i < run; i++) out[done + i] = p->out + (pixel + i * p->jump_w) * p->oc;
        done += run;
    }
    for (int64_t t = 0; t < p->taps; t++)
        for (int64_t i = count; i < PIXELS; i++) table[t * PIXELS + i] = p->zeros;
}

/* ---- the register tile ---- */

/* out[0 .. pixels) = sums over taps and input channels, plus bias, for `rows` x `vectors` (both constants) */
VEC_INLINE void tile(const product *p, const float *const *table, const float *w, const float *bias, float *const *out,
                     int64_t pixels, int64_t columns, const int rows, const int vectors)
{
    vec sum[ROWS_2][3];
#pragma GCC unroll 16
    for (int m = 0; m < rows; m++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[m][v] = (vec){0};
    for (int64_t t = 0; t < p->taps; t++, table += PIXELS) {
        const float *in[ROWS_2];
#pragma GCC unroll 16
        for (int m = 0; m < rows; m++) in[m] = table[m];
#pragma GCC unroll 1
        for (int64_t i = 0; i < p->ic; i++, w += vectors * VL) {
            vec b[3];
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
#pragma GCC unroll 16
    for (int m = 0; m < rows; m++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            vec y = sum[m][v] + vec_load(bias + v * VL);
            if (m < pixels && (v + 1) * VL <= columns)
                vec_store(out[m] + v * VL, y);
            else if (m < pixels)
                vec_store_some(out[m] + v * VL, y, columns - v * VL);
        }
}

/* All pixels of a table times one panel */
static void run_panel(const product *p, const float **table, int64_t pixels, panel part)
{
    int64_t first = part.first * VL, columns = p->oc - first, rows = 0;
    const float *w = p->packed + first * p->taps * p->ic, *bias = p->bias + first;
    float *out[ROWS_2];
    for (int64_t m = 0; m < pixels; m += rows) {
        rows = part.vectors == 3 ? ROWS_3 : part.vectors == 2 ? ROWS_2 : ROWS_1;
        int64_t left = pixels - m < rows ? pixels - m : rows;
        for (int64_t i = 0; i < left; i++) out[i] = (float *)table[p->taps * PIXELS + m + i] + first;
        if (part.vectors == 3)
            tile(p, table + m, w, bias, out, left, columns, ROWS_3, 3);
        else if (part.vectors == 2)
            tile(p, table + m, w, bias, out, left, columns, ROWS_2, 2);
        else
            tile(p, table + m, w, bias, out, left, columns, ROWS_1, 1);
    }
}

/* Task: PIXELS positions of the grid times one group of panels */
static void run_task(void *context, int64_t task, int worker)
{
    const product *p = context;
    int64_t positions = p->n * p->gh * p->gw, vectors = vectors_of(p->oc), panels = panel_count(vectors);
    int64_t first = task / p->panel_groups * PIXELS, group = task % p->panel_groups;
    int64_t pixels = positions - first < PIXELS ? positions - first : PIXELS;
    const float **table = p->tables + worker * (p->taps + 1) * PIXELS;
    fill_table(table, p, first, pixels);
    for (int64_t i = group * panels / p->panel_groups; i < (group + 1) * panels / p->panel_groups; i++)
        run_panel(p, table, pixels, panel_at(vectors, i));
}

static void run_product(product *p)
{
    int64_t chunks = eff_chunks(p->n * p->gh * p->gw, PIXELS), panels = panel_count(vectors_of(p->oc));
    if (chunks == 0) return;
    p->panel_groups = eff_chunks(LEAST_TASKS, chunks) < panels ? eff_chunks(LEAST_TASKS, chunks) : panels;
    eff_parallel_for(panels * p->taps, pack, p);
    eff_parallel_for(chunks * p->panel_groups, run_task, p);
}

/* ---- scratch ---- */

static size_t product_scratch(int64_t ic, int64_t oc, int64_t taps)
{
    size_t lanes = (size_t)(vectors_of(oc) * VL), tables = (size_t)eff_threads() * (size_t)(taps + 1) * PIXELS;
    return round_to_line(lanes * (size_t)(ic * taps) * sizeof(float)) + round_to_line(lanes * sizeof(float)) +
           round_to_line((size_t)ic * sizeof(float)) + round_to_line((size_t)taps * sizeof(tap)) +
           round_to_line(tables * sizeof(float *));
}

static void use_scratch(product *p, int64_t taps, const float *bias, void *scratch)
{
    char *rest = scratch;
    size_t lanes = (size_t)(vectors_of(p->oc) * VL);
    p->packed = take(&rest, lanes * (size_t)(p->ic * taps) * sizeof(float));
    p->bias = take(&rest, lanes * sizeof(float));
    p->zeros = take(&rest, (size_t)p->ic * sizeof(float));
    p->tap = take(&rest, (size_t)taps * sizeof(tap));
    p->tables = (const float **)rest;
    memset(p->bias, 0, lanes * sizeof(float));
    memset(p->zeros, 0, (size_t)p->ic * sizeof(float));
    if (bias) memcpy(p->bias, bias, (size_t)p->oc * sizeof(float));
}

static size_t scratch_size(const eff_conv_shape *s, eff_pass pass)
{
    if (pass == EFF_BACKWARD_WEIGHTS) return ISA_NAME(eff_conv_direct_weights_scratch)(s);
    return pass == EFF_FORWARD ? product_scratch(s->c, s->o, s->kh * s->kw) : product_scratch(s->o, s->c, s->kh * s->kw);
}

/* ---- the passes ---- */

static void forward(float *y, const float *x, const float *w, const float *bias, const eff_conv_shape *s, void *scratch)
{
    product p = {.in = x, .n = s->n, .ih = s->h, .iw = s->w, .ic = s->c,
                 .gh = s->oh, .gw = s->ow, .step_h = s->stride_h, .step_w = s->stride_w,
                 .out = y, .out_h = s->oh, .out_w = s->ow, .oc = s->o, .jump_h = 1, .jump_w = 1, .w = w};
    use_scratch(&p, s->kh * s->kw, bias, scratch);
    for (int64_t ky = 0; ky < s->kh; ky++)
        for (int64_t kx = 0; kx < s->kw; kx++)
            p.tap[p.taps++] = (tap){ky * s->dilation_h - s->pad_top, kx * s->dilation_w - s->pad_left, ky * s->kw + kx};
    run_product(&p);
}

/* The least position >= 0 with (position + pad) % stride == phase */
static int64_t first_of_phase(int64_t phase, int64_t pad, int64_t stride)
{
    return (phase + stride - pad % stride) % stride;
}

static void backward_phase(product *p, const eff_conv_shape *s, int64_t phase_h, int64_t phase_w)
{
    p->first_h = first_of_phase(phase_h, s->pad_top, s->stride_h);
    p->first_w = first_of_phase(phase_w, s->pad_left, s->stride_w);
    p->gh = p->first_h < s->h ? eff_chunks(s->h - p->first_h, s->stride_h) : 0;
    p->gw = p->first_w < s->w ? eff_chunks(s->w - p->first_w, s->stride_w) : 0;
    p->taps = 0;
    for (int64_t ky = 0; ky < s->kh; ky++) {
        int64_t y = p->first_h + s->pad_top - ky * s->dilation_h;
        for (int64_t kx = 0; y % s->stride_h == 0 && kx < s->kw; kx++) {
            int64_t x = p->first_w + s->pad_left - kx * s->dilation_w;
            if (x % s->stride_w == 0) p->tap[p->taps++] = (tap){y / s->stride_h, x / s->stride_w, ky * s->kw + kx};
        }
    }
    run_product(p);
}

static void backward_data(float *dx, const float *dy, const float *w, const eff_conv_shape *s, void *scratch)
{
    product p = {.in = dy, .n = s->n, .ih = s->oh, .iw = s->ow, .ic = s->o, .step_h = 1, .step_w = 1,
                 .out = dx, .out_h = s->h, .out_w = s->w, .oc = s->c, .jump_h = s->stride_h, .jump_w = s->stride_w,
                 .w = w, .transposed = true};
    use_scratch(&p, s->kh * s->kw, NULL, scratch);
    for (int64_t phase_h = 0; phase_h < s->stride_h; phase_h++)
        for (int64_t phase_w = 0; phase_w < s->stride_w; phase_w++) backward_phase(&p, s, phase_h, phase_w);
}

static bool supports(const void *problem) { return ((const eff_conv_shape *)problem)->groups == 1; }

static const eff_conv_kernels kernels = {scratch_size, forward, backward_data, ISA_NAME(eff_conv_direct_weights)};

const eff_variant ISA_NAME(eff_variant_conv2d_direct) = {
    .name = "conv2d.direct." ISA_TEXT,
    .doc = "implicit matrix product on packed weights; one group",
    .family = EFF_FAMILY_CONV2D,
    .isa = ISA_ENUM,
    .supports = supports,
    .kernels = &kernels};
