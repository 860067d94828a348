/* conv2d.winograd: 3x3 convolution at stride 1 with a quarter of the multiplications.
 *
 * The image is cut into tiles of 4x4 outputs. The 6x6 windows of a block of tiles are transformed into 36 matrices
 * [tile][input channel], each is multiplied by the weights of its point, transformed and packed once a call, and the
 * 36 products are transformed back into the outputs while they are in the cache. The input gradient is the same with
 * the weights turned by 180 degrees and transposed.
 *
 * The error is about twice that of conv2d.direct: on normal random numbers, relative to the outputs' root mean square,
 * 6e-7 (direct 3e-7) for 32 input channels and 1.5e-6 (0.8e-6) for 256.
 */
#include "base/parallel.h"
#include "kernels/conv_direct.h"
#include "kernels/conv_epilogue.h"
#include "kernels/conv_grid.h"
#include "kernels/conv_winograd.h"
#include "kernels/variants.h"

/* Tiles of a register tile for panels of at most 2 and of 3 vectors, and tiles of a block, which
 * no register tile leaves */
#if EFF_ISA_BUILD == 2
enum { ROWS_2 = 14, ROWS_3 = 8, BLOCK = 28 };
#else
enum { ROWS_2 = 6, ROWS_3 = 4, BLOCK = 24 };
#endif
enum { LEAST_TASKS = 8, LEAST_PIXELS = 384, LEAST_PIXELS_KEPT = 128, LEAST_CHANNELS = 32 };

typedef struct job {
    const float *in; /* [n][h][w][ic] */
    const eff_conv_output *to;
    tiling tiles;
    int64_t ic, oc;
    const float *packed; /* weights [panel][point][ic][lanes] */
    float *bias, *zeros;
    float *windows;  /* [point][BLOCK][pitch], for each worker, or for each block where several tasks need one */
    float *products; /* [worker][point][BLOCK][lanes] */
    int64_t blocks, panel_groups;
} job;

/* Floats from one tile's transformed channels to the next's: a line more than they need, against cache conflicts */
static int64_t pitch_of(int64_t channels) { return (vectors_of(channels) + 1) * VL; }

static int64_t window_floats(int64_t channels) { return POINTS * BLOCK * pitch_of(channels); }

enum { PRODUCT_FLOATS = POINTS * BLOCK * 3 * VL };

/* ---- weights ---- */

typedef struct packing {
    float *packed;
    const float *w; /* [3][3][ic][oc], or [3][3][oc][ic] where it is turned by 180 degrees and transposed */
    int64_t ic, oc;
    bool turned;
} packing;

static size_t packed_size(int64_t ic, int64_t oc)
{
    return (size_t)(vectors_of(oc) * VL * POINTS * ic) * sizeof(float);
}

/* Task: VL input channels of one panel */
static void transform_weights(void *context, int64_t task, int worker)
{
    (void)worker;
    const packing *p = context;
    int64_t slices = vectors_of(p->ic), channel = task % slices * VL;
    panel part = panel_at(vectors_of(p->oc), task / slices);
    int64_t lanes = part.vectors * VL, first = part.first * VL, rows = p->ic - channel < VL ? p->ic - channel : VL;
    int64_t columns = p->oc - first < lanes ? p->oc - first : lanes;
    float taps[TAPS * TAPS][VL * 3 * VL], *to = p->packed + first * POINTS * p->ic + channel * lanes;
    for (int64_t t = 0; t < TAPS * TAPS; t++) {
        const float *w = p->w + (p->turned ? TAPS * TAPS - 1 - t : t) * p->ic * p->oc;
        if (p->turned)
            pack_transposed(taps[t], w + first * p->ic + channel, p->ic, rows, columns, lanes);
        else
            pack_straight(taps[t], w + channel * p->oc + first, p->oc, rows, columns, lanes);
    }
    for (int64_t i = 0; i < rows * lanes; i += VL) {
        vec g[TAPS * TAPS], u[POINTS];
        for (int t = 0; t < TAPS * TAPS; t++) g[t] = vec_load(taps[t] + i);
        map_both(u, g, IN, TAPS, map_weights);
        for (int k = 0; k < POINTS; k++) vec_store(to + k * p->ic * lanes + i, u[k]);
    }
}

static void run_packing(packing *p)
{
    eff_parallel_for(panel_count(vectors_of(p->oc)) * vectors_of(p->ic), transform_weights, p);
}

/* ---- inputs ---- */

/* to [point][BLOCK][pitch]: tiles first .. end of the block that they lie in */
static void read_windows(float *to, const job *j, int64_t first, int64_t end)
{
    const float *pixel[POINTS];
    int64_t pitch = pitch_of(j->ic);
    for (int64_t tile = first; tile < end && tile < tile_count(&j->tiles); tile++) {
        find_pixels(pixel, &j->tiles, tile, j->in, j->ic, IN, PAD, j->zeros);
        transform_pixels(to + tile % BLOCK * pitch, BLOCK * pitch, pixel, 0, j->ic, OUT * j->ic, IN, map_input);
    }
}

enum { SHARE = ROWS_2 }; /* tiles of a task; BLOCK is a multiple */

/* Task: a share of the windows, where they are transformed before the products */
static void share_windows(void *context, int64_t task, int worker)
{
    (void)worker;
    const job *j = context;
    int64_t first = task * SHARE;
    read_windows(j->windows + first / BLOCK * window_floats(j->ic), j, first, first + SHARE);
}

/* ---- products ---- */

/* m [rows][vectors * VL] = v [rows][channels] u [channels][vectors * VL]; `rows` and `vectors` are constants */
VEC_INLINE void multiply(float *m, const float *v, int64_t pitch, const float *u, int64_t channels, const int rows,
                         const int vectors)
{
    vec sum[ROWS_2][3];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int k = 0; k < vectors; k++) sum[r][k] = (vec){0};
#pragma GCC unroll 1
    for (int64_t i = 0; i < channels; i++, u += vectors * VL) {
        vec b[3];
#pragma GCC unroll 4
        for (int k = 0; k < vectors; k++) b[k] = vec_load(u + k * VL);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            vec a = vec_all(v[r * pitch + i]);
#pragma GCC unroll 4
            for (int k = 0; k < vectors; k++) sum[r][k] += a * b[k];
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int k = 0; k < vectors; k++) vec_store(m + (r * vectors + k) * VL, sum[r][k]);
}

/* The next of `left` tiles; returns how many, or more where the register tile hangs over */
static int multiply_some(float *m, const float *v, int64_t pitch, const float *u, int64_t channels, int64_t left,
                         int vectors)
{
    const int most = vectors == 3 ? ROWS_3 : ROWS_2, rows = left > most / 2 ? most : left > 2 ? most / 2 : 2;
    if (vectors == 1)
        multiply(m, v, pitch, u, channels, ROWS_2, 1);
    else if (vectors == 2 && rows == ROWS_2)
        multiply(m, v, pitch, u, channels, ROWS_2, 2);
    else if (vectors == 2 && rows == ROWS_2 / 2)
        multiply(m, v, pitch, u, channels, ROWS_2 / 2, 2);
    else if (vectors == 2)
        multiply(m, v, pitch, u, channels, 2, 2);
    else if (rows == ROWS_3)
        multiply(m, v, pitch, u, channels, ROWS_3, 3);
    else if (rows == ROWS_3 / 2)
        multiply(m, v, pitch, u, channels, ROWS_3 / 2, 3);
    else
        multiply(m, v, pitch, u, channels, 2, 3);
    return vectors == 1 ? ROWS_2 : rows;
}

/* m [point][BLOCK][lanes]: all points of a block's `tiles` times one panel */
static void multiply_panel(float *m, const float *v, const job *j, int64_t tiles, panel part)
{
    int64_t lanes = part.vectors * VL, pitch = pitch_of(j->ic);
    const float *u = j->packed + part.first * VL * POINTS * j->ic;
    for (int p = 0; p < POINTS; p++, m += BLOCK * lanes, v += BLOCK * pitch, u += j->ic * lanes)
        for (int64_t t = 0; t < tiles;)
            t += multiply_some(m + t * lanes, v + t * pitch, pitch, u, j->ic, tiles - t, part.vectors);
}

/* ---- outputs ---- */

/* One vector of a tile's outputs at output channel `channel`; m is its first point */
static void transform_products(const job *j, const float *const *pixel, int64_t channel, const float *m, int64_t point)
{
    vec from[POINTS], y[OUT * OUT], bias = vec_load(j->bias + channel);
#pragma GCC unroll 36
    for (int p = 0; p < POINTS; p++) from[p] = vec_load(m + p * point);
    map_both(y, from, OUT, IN, map_output);
    for (int p = 0; p < OUT * OUT; p++)
        if (pixel[p] && channel + VL <= j->oc)
            vec_store((float *)pixel[p] + channel, y[p] + bias);
        else if (pixel[p])
            vec_store_some((float *)pixel[p] + channel, y[p] + bias, j->oc - channel);
}

/* Writes one panel of a tile; m is the tile's first point */
static void write_tile(const job *j, int64_t tile, panel part, const float *m)
{
    const float *pixel[OUT * OUT];
    int64_t lanes = part.vectors * VL, first = part.first * VL, columns = j->oc - first < lanes ? j->oc - first : lanes;
    find_pixels(pixel, &j->tiles, tile, j->to->y, j->oc, OUT, 0, NULL);
    for (int k = 0; k < part.vectors; k++) transform_products(j, pixel, first + k * VL, m + k * VL, BLOCK * lanes);
    for (int p = 0; has_epilogue(j->to) && p < OUT * OUT; p++)
        if (pixel[p]) finish(j->to, (float *)pixel[p] + first, columns);
}

/* Task: a block of tiles times one group of panels */
static void run_task(void *context, int64_t task, int worker)
{
    const job *j = context;
    int64_t vectors = vectors_of(j->oc), panels = panel_count(vectors), group = task % j->panel_groups;
    int64_t block = task / j->panel_groups, first = block * BLOCK, left = tile_count(&j->tiles) - first;
    int64_t tiles = left < BLOCK ? left : BLOCK;
    bool shared = j->panel_groups > 1;
    float *windows = j->windows + (shared ? block : worker) * window_floats(j->ic);
    float *products = j->products + worker * PRODUCT_FLOATS;
    if (!shared) read_windows(windows, j, first, first + tiles);
    for (int64_t i = group * panels / j->panel_groups; i < (group + 1) * panels / j->panel_groups; i++) {
        panel part = panel_at(vectors, i);
        multiply_panel(products, windows, j, tiles, part);
        for (int64_t t = 0; t < tiles; t++) write_tile(j, first + t, part, products + t * part.vectors * VL);
    }
}

/* ---- the passes ---- */

static job plan(const eff_conv_shape *s, int64_t ic, int64_t oc)
{
    job j = {.tiles = tiling_of(s), .ic = ic, .oc = oc};
    int64_t panels = panel_count(vectors_of(oc));
    j.blocks = eff_chunks(tile_count(&j.tiles), BLOCK);
    j.panel_groups = eff_chunks(LEAST_TASKS, j.blocks) < panels ? eff_chunks(LEAST_TASKS, j.blocks) : panels;
    return j;
}

static size_t floats(int64_t count) { return round_to_line((size_t)count * sizeof(float)); }

static int64_t window_blocks(const job *j) { return j->panel_groups > 1 ? j->blocks : eff_threads(); }

static size_t job_scratch(const job *j)
{
    int64_t lanes = vectors_of(j->oc) * VL;
    return round_to_line(packed_size(j->ic, j->oc)) + floats(lanes) + floats(j->ic) +
           floats(window_blocks(j) * window_floats(j->ic)) + floats(eff_threads() * PRODUCT_FLOATS);
}

/* The scratch begins with room for packed weights. */
static void run(job *j, void *scratch)
{
    int64_t lanes = vectors_of(j->oc) * VL;
    char *rest = (char *)scratch + round_to_line(packed_size(j->ic, j->oc));
    j->bias = memset(take(&rest, floats(lanes)), 0, floats(lanes));
    j->zeros = memset(take(&rest, floats(j->ic)), 0, floats(j->ic));
    j->windows = take(&rest, floats(window_blocks(j) * window_floats(j->ic)));
    j->products = (float *)rest;
    if (j->to->bias) memcpy(j->bias, j->to->bias, (size_t)j->oc * sizeof(float));
    if (j->panel_groups > 1) eff_parallel_for(eff_chunks(tile_count(&j->tiles), SHARE), share_windows, j);
    eff_parallel_for(j->blocks * j->panel_groups, run_task, j);
}

static size_t scratch_size(const eff_conv_shape *s, eff_pass pass)
{
    if (pass == EFF_BACKWARD_WEIGHTS) return ISA_NAME(eff_conv_winograd_weights_scratch)(s);
    job j = pass == EFF_FORWARD ? plan(s, s->c, s->o) : plan(s, s->o, s->c);
    return job_scratch(&j);
}

static size_t packed_bytes(const eff_conv_shape *s) { return packed_size(s->c, s->o); }

static void pack(void *packed, const float *w, const eff_conv_shape *s)
{
    packing p = {.packed = packed, .w = w, .ic = s->c, .oc = s->o};
    run_packing(&p);
}

static void forward_packed(const eff_conv_output *y, const eff_conv_input *x, const void *packed,
                           const eff_conv_shape *s, void *scratch)
{
    job j = plan(s, s->c, s->o);
    j.in = x->x;
    j.to = y;
    j.packed = packed;
    run(&j, scratch);
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
    packing weights = {.packed = scratch, .w = w, .ic = s->o, .oc = s->c, .turned = true};
    job j = plan(s, s->o, s->c);
    j.in = dy;
    j.to = &to;
    j.packed = scratch;
    run_packing(&weights);
    run(&j, scratch);
}

/* Where it is faster than conv2d.direct: enough pixels to be worth transforming the weights, or reading four times as
 * many, and tiles that do not hang over the edges by too much. With fewer channels the gain is smaller, and single
 * errors beside few terms are larger. The padding must keep the size: rounding errors are those of the whole window,
 * too large beside an output that sees one corner of it. */
static bool supports(const void *problem)
{
    const eff_conv_shape *s = problem;
    int64_t tiles = eff_chunks(s->h, OUT) * eff_chunks(s->w, OUT), pixels = s->h * s->w;
    return s->kh == TAPS && s->kw == TAPS && s->stride_h == 1 && s->stride_w == 1 && s->dilation_h == 1 &&
           s->dilation_w == 1 && s->groups == 1 && s->pad_top == PAD && s->pad_left == PAD && s->oh == s->h &&
           s->ow == s->w && s->c >= LEAST_CHANNELS && s->o >= LEAST_CHANNELS && 8 * tiles <= pixels &&
           s->n * pixels >= (s->weights_kept ? LEAST_PIXELS_KEPT : LEAST_PIXELS);
}

static const eff_conv_kernels kernels = {
    .scratch = scratch_size, .forward = forward, .backward_data = backward_data,
    .backward_weights = ISA_NAME(eff_conv_winograd_weights), .packed_bytes = packed_bytes, .pack = pack,
    .forward_packed = forward_packed};

const eff_variant ISA_NAME(eff_variant_conv2d_winograd) = {
    .name = "conv2d.winograd." ISA_TEXT,
    .doc = "Winograd's F(4x4, 3x3): a quarter of the multiplications; 3x3, stride 1, one group, enough channels",
    .family = EFF_FAMILY_CONV2D,
    .isa = ISA_ENUM,
    .supports = supports,
    .kernels = &kernels};
