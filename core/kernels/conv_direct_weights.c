/* conv2d.direct, weight gradient: dw[tap][i][j] = sum over output pixels of x[pixel at tap][i] * dy[pixel][j].
 *
 * A tile of input channels x output channels stays in registers while pixels run by. The pixels go in blocks whose
 * dy is packed once a panel and then meets every tap and input channel while it is in the cache. For parallel work
 * the problem is cut over panels, over (tap, input channels) and, where that is not enough, over fixed chunks of
 * pixels whose partial sums are added in order; the cuts depend on the shape alone.
 *
 * A scaled input (1x1 only) is what gets packed, so that it is scaled once: x and dy change places, and the sum of the
 * chunks is transposed.
 */
#include "base/parallel.h"
#include "kernels/conv_direct.h"
#include "kernels/conv_grid.h"
#include "kernels/simd/scaled.h"

#if EFF_ISA_BUILD == 2
enum { ROWS = 8 }; /* input channels of a tile */
#else
enum { ROWS = 4 };
#endif
enum { BLOCK = 128 }; /* pixels */
enum { AHEAD = 16 };  /* channels: their line is fetched while this one is read, which no prefetcher foresees */
enum { LEAST_TASKS = 32, LEAST_UNITS = 8, LEAST_BLOCKS = 4, MOST_PARTIAL_FLOATS = 1 << 22 };

/* Pixels of a block that lie in one row and inside the image at the tap: x advances by a constant step */
typedef struct run {
    const float *x;
    int64_t first, count;
} run;

typedef struct job {
    const eff_conv_shape *s;
    float *dw, *partial; /* partial [chunk][tap][c][o]; dw itself when there is one chunk */
    const float *dy, *x;
    const eff_conv_input *scaled; /* in the place of dy; NULL where x and dy have not changed places */
    char *buffers; /* [worker]: a block's packed dy, then its runs */
    int64_t panels, groups, chunks, units; /* a unit is one tap of ROWS input channels */
} job;

static const size_t buffer_bytes = BLOCK * 3 * VL * sizeof(float) + BLOCK * sizeof(run);

static int64_t clamp(int64_t n, int64_t low, int64_t high) { return n < low || high < low ? low : n > high ? high : n; }

static int64_t row_tiles(const eff_conv_shape *s) { return eff_chunks(s->c, ROWS); }

static int64_t weight_count(const eff_conv_shape *s) { return s->kh * s->kw * s->c * s->o; }

static int64_t block_count(const eff_conv_shape *s)
{
    int64_t pixels = s->n * s->oh * s->ow;
    return pixels > 0 ? eff_chunks(pixels, BLOCK) : 1;
}

static job plan(const eff_conv_shape *s)
{
    job j = {.s = s};
    j.panels = panel_count(vectors_of(s->o));
    j.units = s->kh * s->kw * row_tiles(s);
    j.groups = clamp(eff_chunks(LEAST_TASKS, j.panels), 1, j.units / LEAST_UNITS);
    j.chunks = clamp(eff_chunks(LEAST_TASKS, j.panels * j.groups), 1, block_count(s) / LEAST_BLOCKS);
    j.chunks = clamp(j.chunks, 1, MOST_PARTIAL_FLOATS / weight_count(s));
    return j;
}

static size_t partial_bytes(const eff_conv_shape *s, int64_t least_chunks)
{
    int64_t chunks = plan(s).chunks;
    return chunks >= least_chunks ? (size_t)(chunks * weight_count(s)) * sizeof(float) : 0;
}

static eff_conv_shape swapped(const eff_conv_shape *s)
{
    eff_conv_shape t = *s;
    t.c = s->o;
    t.o = s->c;
    return t;
}

size_t ISA_NAME(eff_conv_direct_weights_scratch)(const eff_conv_shape *s)
{
    eff_conv_shape t = swapped(s);
    size_t straight = partial_bytes(s, 2), turned = pointwise(s) ? partial_bytes(&t, 1) : 0;
    return round_to_line(straight > turned ? straight : turned) + (size_t)eff_threads() * buffer_bytes;
}

static void pack_dy(float *to, const job *j, int64_t first, int64_t count, panel part)
{
    int64_t o = j->s->o, start = part.first * VL, whole = (o - start) / VL, rest = (o - start) % VL;
    if (j->scaled) {
        int64_t lanes = part.vectors * VL, columns = o - start < lanes ? o - start : lanes;
        scaled_rows(to, lanes, j->scaled, o, j->s->h * j->s->w, first, count, start, columns);
        return;
    }
    for (int64_t p = 0; p < count; p++) {
        const float *from = j->dy + (first + p) * o + start;
        for (int v = 0; v < part.vectors; v++, to += VL)
            vec_store(to, v < whole ? vec_load(from + v * VL) : vec_load_some(from + v * VL, rest));
    }
}

/* The runs of one tap for pixels first .. first + count; returns their number */
static int64_t find_runs(run *runs, const job *j, int64_t tap, int64_t first, int64_t count)
{
    const eff_conv_shape *s = j->s;
    int64_t found = 0, step = s->stride_w * s->c;
    int64_t dy = tap / s->kw * s->dilation_h - s->pad_top, dx = tap % s->kw * s->dilation_w - s->pad_left;
    int64_t low = dx < 0 ? eff_chunks(-dx, s->stride_w) : 0, high = s->w > dx ? eff_chunks(s->w - dx, s->stride_w) : 0;
    for (int64_t p = first, width; p < first + count; p += width) {
        int64_t ox = p % s->ow, oy = p / s->ow % s->oh, n = p / (s->ow * s->oh), iy = oy * s->stride_h + dy;
        width = s->ow - ox < first + count - p ? s->ow - ox : first + count - p;
        int64_t from = ox > low ? ox : low, to = ox + width < high ? ox + width : high;
        if (iy < 0 || iy >= s->h || from >= to) continue;
        run next = {j->x + ((n * s->h + iy) * s->w + from * s->stride_w + dx) * s->c, p - first + from - ox, to - from};
        run *last = runs + found - 1;
        if (found > 0 && last->first + last->count == next.first && last->x + last->count * step == next.x)
            last->count += next.count;
        else
            runs[found++] = next;
    }
    return found;
}

/* dw[0 .. rows)[0 .. columns) (+)= the pixels of the runs; `rows` and `vectors` are constants */
VEC_INLINE void tile(float *dw, int64_t o, const run *runs, int64_t run_count, const float *packed, int64_t channel,
                     int64_t step, int64_t columns, bool add, const int rows, const int vectors)
{
    vec sum[ROWS][3];
#pragma GCC unroll 16
    for (int m = 0; m < rows; m++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[m][v] = (vec){0};
    for (int64_t r = 0; r < run_count; r++) {
        const float *x = runs[r].x + channel, *dy = packed + runs[r].first * vectors * VL;
#pragma GCC unroll 1
        for (int64_t i = 0; i < runs[r].count; i++, x += step, dy += vectors * VL) {
            vec b[3];
            __builtin_prefetch(x + AHEAD, 0, 2);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) b[v] = vec_load(dy + v * VL);
#pragma GCC unroll 16
            for (int m = 0; m < rows; m++) {
                vec a = vec_all(x[m]);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++) sum[m][v] += a * b[v];
            }
        }
    }
#pragma GCC unroll 16
    for (int m = 0; m < rows; m++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            float *to = dw + m * o + v * VL;
            int64_t lanes = columns - v * VL;
            if (lanes >= VL)
                vec_store(to, add ? vec_load(to) + sum[m][v] : sum[m][v]);
            else
                vec_store_some(to, add ? vec_load_some(to, lanes) + sum[m][v] : sum[m][v], lanes);
        }
}

#define TILE(rows)                                                                                                     \
    static void tile_##rows(float *dw, int64_t o, const run *runs, int64_t run_count, const float *packed,             \
                            int64_t channel, int64_t step, int64_t columns, bool add, int vectors)                     \
    {                                                                                                                  \
        if (vectors == 3)                                                                                              \
            tile(dw, o, runs, run_count, packed, channel, step, columns, add, rows, 3);                                \
        else if (vectors == 2)                                                                                         \
            tile(dw, o, runs, run_count, packed, channel, step, columns, add, rows, 2);                                \
        else                                                                                                           \
            tile(dw, o, runs, run_count, packed, channel, step, columns, add, rows, 1);                                \
    }
TILE(1)
TILE(2)
TILE(4)
#if EFF_ISA_BUILD == 2
TILE(8)
#endif

/* One unit of one block: input channels `channel` .. of one tap, in tiles of 8, 4, 2 and 1 */
static void run_unit(float *dw, const job *j, int64_t tap, int64_t channel, const run *runs, int64_t run_count,
                     const float *packed, panel part, bool add)
{
    const eff_conv_shape *s = j->s;
    int64_t end = channel + ROWS < s->c ? channel + ROWS : s->c, first = part.first * VL, step = s->stride_w * s->c;
    int rows = ROWS;
    for (; channel < end; channel += rows) {
        while (rows > end - channel) rows /= 2;
        float *to = dw + (tap * s->c + channel) * s->o + first;
        void (*run_tile)(float *, int64_t, const run *, int64_t, const float *, int64_t, int64_t, int64_t, bool, int) =
            rows == 1 ? tile_1 : rows == 2 ? tile_2 : tile_4;
#if EFF_ISA_BUILD == 2
        if (rows == 8) run_tile = tile_8;
#endif
        run_tile(to, s->o, runs, run_count, packed, channel, step, s->o - first, add, part.vectors);
    }
}

/* Task: the blocks of one chunk, for one panel and one group of units */
static void run_task(void *context, int64_t task, int worker)
{
    const job *j = context;
    const eff_conv_shape *s = j->s;
    int64_t chunk = task % j->chunks, group = task / j->chunks % j->groups, blocks = block_count(s);
    panel part = panel_at(vectors_of(s->o), task / j->chunks / j->groups);
    float *packed = (float *)(j->buffers + (size_t)worker * buffer_bytes), *dw = j->partial + chunk * weight_count(s);
    run *runs = (run *)(packed + BLOCK * 3 * VL);
    int64_t unit_end = (group + 1) * j->units / j->groups, block_start = chunk * blocks / j->chunks;
    for (int64_t block = block_start; block < (chunk + 1) * blocks / j->chunks; block++) {
        int64_t first = block * BLOCK, left = s->n * s->oh * s->ow - first, count = left < BLOCK ? left : BLOCK;
        int64_t tap = -1, run_count = 0;
        pack_dy(packed, j, first, count, part);
        for (int64_t unit = group * j->units / j->groups; unit < unit_end; unit++) {
            if (unit / row_tiles(s) != tap) {
                tap = unit / row_tiles(s);
                run_count = find_runs(runs, j, tap, first, count);
            }
            run_unit(dw, j, tap, unit % row_tiles(s) * ROWS, runs, run_count, packed, part, block > block_start);
        }
    }
}

/* ---- sums of chunks ---- */

enum { SLICE = 4096 };

typedef struct chunk_sum {
    float *to;
    const float *partial;
    int64_t count, chunks;
} chunk_sum;

static void add_slice(void *context, int64_t slice, int worker)
{
    (void)worker;
    const chunk_sum *c = context;
    int64_t end = (slice + 1) * SLICE < c->count ? (slice + 1) * SLICE : c->count;
    for (int64_t i = slice * SLICE; i < end; i++) c->to[i] = c->partial[i];
    for (int64_t chunk = 1; chunk < c->chunks; chunk++)
        for (int64_t i = slice * SLICE; i < end; i++) c->to[i] += c->partial[chunk * c->count + i];
}

void ISA_NAME(eff_conv_add_chunks)(float *to, const float *partial, int64_t count, int64_t chunks)
{
    chunk_sum c = {to, partial, count, chunks};
    eff_parallel_for(eff_chunks(count, SLICE), add_slice, &c);
}

/* Task: VL rows of dw [c][o] from the chunks' sums [o][c] */
static void add_turned(void *context, int64_t task, int worker)
{
    (void)worker;
    const job *j = context;
    int64_t c = j->s->o, o = j->s->c, i = task * VL, rows = c - i < VL ? c - i : VL;
    for (int64_t k = 0; k < o; k += VL) {
        vec block[VL];
        int64_t columns = o - k < VL ? o - k : VL;
        for (int64_t m = 0; m < VL; m++) {
            block[m] = (vec){0};
            for (int64_t chunk = 0; m < columns && chunk < j->chunks; chunk++)
                block[m] += vec_load_some(j->partial + (chunk * o + k + m) * c + i, rows);
        }
        vec_transpose(block);
        for (int64_t m = 0; m < rows; m++) vec_store_some(j->dw + (i + m) * o + k, block[m], columns);
    }
}

static void turned_weights(float *dw, const float *dy, const eff_conv_input *x, const eff_conv_shape *s, void *scratch)
{
    eff_conv_shape turned = swapped(s);
    job j = plan(&turned);
    char *rest = scratch;
    j.dw = dw;
    j.x = dy;
    j.scaled = x;
    j.partial = take(&rest, partial_bytes(&turned, 1));
    j.buffers = rest;
    eff_parallel_for(j.panels * j.groups * j.chunks, run_task, &j);
    eff_parallel_for(eff_chunks(s->c, VL), add_turned, &j);
}

void ISA_NAME(eff_conv_direct_weights)(float *dw, const float *dy, const eff_conv_input *x, const eff_conv_shape *s,
                                       void *scratch)
{
    if (x->scale) {
        turned_weights(dw, dy, x, s, scratch);
        return;
    }
    job j = plan(s);
    char *rest = scratch;
    j.dy = dy;
    j.x = x->x;
    j.partial = j.chunks > 1 ? take(&rest, (size_t)(j.chunks * weight_count(s)) * sizeof(float)) : dw;
    j.buffers = rest;
    eff_parallel_for(j.panels * j.groups * j.chunks, run_task, &j);
    if (j.chunks > 1) ISA_NAME(eff_conv_add_chunks)(dw, j.partial, weight_count(s), j.chunks);
}
