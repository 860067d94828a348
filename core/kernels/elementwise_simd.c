/* elementwise.simd: element-wise functions and row-wise sums, a vector at a time. */
#include "base/parallel.h"
#include "kernels/simd/math.h"
#include "kernels/variants.h"

enum {
    CHUNK = 16384,   /* elements of a task */
    MOST_ROWS = 256, /* summed in float before a chunk's sum is handed on */
    LEAST_ROWS = 32,
    WIDE = 512, /* narrow rows are taken several at a time, up to about this many elements for binary_rows */
    FOLD = 64   /* and up to this many for dot_rows */
};

typedef struct job {
    int f;
    float *y;
    const float *a, *b, *c;
    int64_t n, rows, columns, chunk_rows, chunks;
} job;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- y = f(x) and its kin: the function is a constant of each inlined copy ---- */

VEC_INLINE void map(float *y, const float *x, int64_t n, vec (*f)(vec))
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL) vec_store(y + i, f(vec_load(x + i)));
    if (i < n) vec_store_some(y + i, f(vec_load_some(x + i, n - i)), n - i);
}

/* f(dy, x, y) */
VEC_INLINE void map_slope(float *dx, const float *dy, const float *x, const float *y, int64_t n,
                          vec (*f)(vec, vec, vec))
{
    int64_t i = 0, left;
    for (; i + VL <= n; i += VL) vec_store(dx + i, f(vec_load(dy + i), vec_load(x + i), vec_load(y + i)));
    left = n - i;
    if (left > 0)
        vec_store_some(dx + i, f(vec_load_some(dy + i, left), vec_load_some(x + i, left), vec_load_some(y + i, left)),
                       left);
}

VEC_INLINE void map2(float *y, const float *a, const float *b, int64_t n, vec (*f)(vec, vec))
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL) vec_store(y + i, f(vec_load(a + i), vec_load(b + i)));
    if (i < n) vec_store_some(y + i, f(vec_load_some(a + i, n - i), vec_load_some(b + i, n - i)), n - i);
}

VEC_INLINE vec square(vec x) { return x * x; }
VEC_INLINE vec negative(vec x) { return -x; }

static void map_sqrt(float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = sqrtf(x[i]);
}

static void unary_run(eff_unary f, float *y, const float *x, int64_t n)
{
    switch (f) {
    case EFF_UNARY_SILU: map(y, x, n, vec_silu); break;
    case EFF_UNARY_RELU: map(y, x, n, vec_relu); break;
    case EFF_UNARY_GELU: map(y, x, n, vec_gelu); break;
    case EFF_UNARY_SIGMOID: map(y, x, n, vec_sigmoid); break;
    case EFF_UNARY_TANH: map(y, x, n, vec_tanh); break;
    case EFF_UNARY_EXP: map(y, x, n, vec_exp); break;
    case EFF_UNARY_LOG: map(y, x, n, vec_log); break;
    case EFF_UNARY_SQRT: map_sqrt(y, x, n); break;
    case EFF_UNARY_SQUARE: map(y, x, n, square); break;
    case EFF_UNARY_NEG: map(y, x, n, negative); break;
    case EFF_UNARY_ABS: map(y, x, n, vec_abs); break;
    case EFF_UNARY_COUNT: break;
    }
}

#define SLOPE(name, expression)                                                                                        \
    VEC_INLINE vec name(vec dy, vec x, vec y)                                                                          \
    {                                                                                                                  \
        (void)x;                                                                                                       \
        (void)y;                                                                                                       \
        return expression;                                                                                             \
    }
SLOPE(slope_silu, dy *vec_silu_slope(x))
SLOPE(slope_relu, vec_select(y <= 0.0f, (vec){0}, dy))
SLOPE(slope_gelu, dy *vec_gelu_slope(x))
SLOPE(slope_sigmoid, dy *y *(1.0f - y))
SLOPE(slope_tanh, dy *(1.0f - y) * (1.0f + y))
SLOPE(slope_exp, dy *y)
SLOPE(slope_log, dy / x)
SLOPE(slope_sqrt, dy / (2.0f * y))
SLOPE(slope_square, dy * 2.0f * x)
SLOPE(slope_neg, -dy)
SLOPE(slope_abs, vec_select(x > 0.0f, dy, vec_select(x < 0.0f, -dy, x *dy)))

static void slope_run(eff_unary f, float *dx, const float *dy, const float *x, const float *y, int64_t n)
{
    switch (f) {
    case EFF_UNARY_SILU: map_slope(dx, dy, x, y, n, slope_silu); break;
    case EFF_UNARY_RELU: map_slope(dx, dy, x, y, n, slope_relu); break;
    case EFF_UNARY_GELU: map_slope(dx, dy, x, y, n, slope_gelu); break;
    case EFF_UNARY_SIGMOID: map_slope(dx, dy, x, y, n, slope_sigmoid); break;
    case EFF_UNARY_TANH: map_slope(dx, dy, x, y, n, slope_tanh); break;
    case EFF_UNARY_EXP: map_slope(dx, dy, x, y, n, slope_exp); break;
    case EFF_UNARY_LOG: map_slope(dx, dy, x, y, n, slope_log); break;
    case EFF_UNARY_SQRT: map_slope(dx, dy, x, y, n, slope_sqrt); break;
    case EFF_UNARY_SQUARE: map_slope(dx, dy, x, y, n, slope_square); break;
    case EFF_UNARY_NEG: map_slope(dx, dy, x, y, n, slope_neg); break;
    case EFF_UNARY_ABS: map_slope(dx, dy, x, y, n, slope_abs); break;
    case EFF_UNARY_COUNT: break;
    }
}

VEC_INLINE vec add(vec a, vec b) { return a + b; }
VEC_INLINE vec sub(vec a, vec b) { return a - b; }
VEC_INLINE vec mul(vec a, vec b) { return a * b; }
VEC_INLINE vec divide(vec a, vec b) { return a / b; }

static void binary_run(eff_binary f, float *y, const float *a, const float *b, int64_t n)
{
    switch (f) {
    case EFF_BINARY_ADD: map2(y, a, b, n, add); break;
    case EFF_BINARY_SUB: map2(y, a, b, n, sub); break;
    case EFF_BINARY_MUL: map2(y, a, b, n, mul); break;
    case EFF_BINARY_DIV: map2(y, a, b, n, divide); break;
    case EFF_BINARY_COUNT: break;
    }
}

static void unary_chunk(void *context, int64_t chunk, int worker)
{
    (void)worker;
    const job *j = context;
    int64_t i = chunk * CHUNK;
    unary_run((eff_unary)j->f, j->y + i, j->a + i, least(CHUNK, j->n - i));
}

static void unary(eff_unary f, float *y, const float *x, int64_t n)
{
    job j = {.f = (int)f, .y = y, .a = x, .n = n};
    eff_parallel_for(eff_chunks(n, CHUNK), unary_chunk, &j);
}

static void slope_chunk(void *context, int64_t chunk, int worker)
{
    (void)worker;
    const job *j = context;
    int64_t i = chunk * CHUNK;
    slope_run((eff_unary)j->f, j->y + i, j->a + i, j->b + i, j->c + i, least(CHUNK, j->n - i));
}

static void unary_backward(eff_unary f, float *dx, const float *dy, const float *x, const float *y, int64_t n)
{
    job j = {.f = (int)f, .y = dx, .a = dy, .b = x, .c = y, .n = n};
    eff_parallel_for(eff_chunks(n, CHUNK), slope_chunk, &j);
}

static void binary_chunk(void *context, int64_t chunk, int worker)
{
    (void)worker;
    const job *j = context;
    int64_t i = chunk * CHUNK;
    binary_run((eff_binary)j->f, j->y + i, j->a + i, j->b + i, least(CHUNK, j->n - i));
}

static void binary(eff_binary f, float *y, const float *a, const float *b, int64_t n)
{
    job j = {.f = (int)f, .y = y, .a = a, .b = b, .n = n};
    eff_parallel_for(eff_chunks(n, CHUNK), binary_chunk, &j);
}

/* ---- rows ---- */

/* `count` rows of one outer index; b is repeated so that several narrow rows make one run */
static void binary_rows_run(eff_binary f, float *y, const float *a, const float *b, int64_t count, int64_t c)
{
    float repeated[WIDE];
    int64_t together = least(WIDE / c, count);
    if (together > 1) {
        for (int64_t r = 0; r < together; r++) memcpy(repeated + r * c, b, (size_t)c * sizeof *b);
        b = repeated;
    }
    for (int64_t r = 0; r < count; r += together) {
        together = together < 1 ? 1 : least(together, count - r);
        binary_run(f, y + r * c, a + r * c, b, together * c);
    }
}

static void binary_rows_chunk(void *context, int64_t chunk, int worker)
{
    (void)worker;
    const job *j = context;
    int64_t c = j->columns, end = least((chunk + 1) * j->chunk_rows, j->n);
    for (int64_t row = chunk * j->chunk_rows; row < end;) {
        int64_t outer = row / j->rows, count = least((outer + 1) * j->rows, end) - row;
        binary_rows_run((eff_binary)j->f, j->y + row * c, j->a + row * c, j->b + outer * c, count, c);
        row += count;
    }
}

static void binary_rows(eff_binary f, float *y, const float *a, const float *b, int64_t outer, int64_t rows, int64_t c)
{
    if (c == 0) return;
    job j = {.f = (int)f, .y = y, .a = a, .b = b, .n = outer * rows, .rows = rows, .columns = c,
             .chunk_rows = eff_chunks(CHUNK, c)};
    eff_parallel_for(eff_chunks(j.n, j.chunk_rows), binary_rows_chunk, &j);
}

static int64_t dot_chunk_rows(int64_t c)
{
    int64_t rows = CHUNK / (c > 0 ? c : 1), most = c > 0 && c < FOLD ? MOST_ROWS * (FOLD / c) : MOST_ROWS;
    return rows < LEAST_ROWS ? LEAST_ROWS : least(rows, most);
}

static int64_t dot_chunks(int64_t rows, int64_t c) { return rows > 0 ? eff_chunks(rows, dot_chunk_rows(c)) : 1; }

/* sum[0 .. lanes) of `count` rows of a, or of a * b */
VEC_INLINE vec dot_some(const float *a, const float *b, int64_t count, int64_t c, const int64_t lanes)
{
    vec sum = {0};
    for (int64_t r = 0; r < count; r++) {
        vec x = lanes == VL ? vec_load(a + r * c) : vec_load_some(a + r * c, lanes);
        if (b) x *= lanes == VL ? vec_load(b + r * c) : vec_load_some(b + r * c, lanes);
        sum += x;
    }
    return sum;
}

/* sum [c] of `rows` rows, four at a time so that memory is read in order */
static void dot_run(float *sum, const float *a, const float *b, int64_t rows, int64_t c)
{
    memset(sum, 0, (size_t)c * sizeof *sum);
    for (int64_t r = 0; r < rows; r += 4) {
        int64_t i = 0, count = least(4, rows - r);
        const float *x = a + r * c, *w = b ? b + r * c : NULL;
        for (; i + VL <= c; i += VL)
            vec_store(sum + i, vec_load(sum + i) + dot_some(x + i, w ? w + i : NULL, count, c, VL));
        if (i < c)
            vec_store_some(sum + i, vec_load_some(sum + i, c - i) + dot_some(x + i, w ? w + i : NULL, count, c, c - i),
                           c - i);
    }
}

/* The same for narrow rows: several in a line make one wide row, whose sums are folded */
static void dot_run_narrow(float *sum, const float *a, const float *b, int64_t rows, int64_t c)
{
    int64_t together = FOLD / c, wide = rows / together, done = wide * together;
    float folds[FOLD];
    dot_run(sum, a + done * c, b ? b + done * c : NULL, rows - done, c);
    dot_run(folds, a, b, wide, together * c);
    for (int64_t r = 0; r < together; r++)
        for (int64_t i = 0; i < c; i++) sum[i] += folds[r * c + i];
}

/* Task: one chunk of the rows of one outer index; y is partial [outer][chunk][c] */
static void dot_chunk(void *context, int64_t task, int worker)
{
    (void)worker;
    const job *j = context;
    int64_t outer = task / j->chunks, row = task % j->chunks * j->chunk_rows, c = j->columns;
    int64_t first = (outer * j->rows + row) * c;
    void (*run)(float *, const float *, const float *, int64_t, int64_t) = c * 2 <= FOLD ? dot_run_narrow : dot_run;
    run(j->y + task * c, j->a + first, j->b ? j->b + first : NULL, least(j->chunk_rows, j->rows - row), c);
}

static void dot_rows(float *y, const float *a, const float *b, int64_t outer, int64_t rows, int64_t c, void *scratch)
{
    if (c == 0) return;
    job j = {.a = a, .b = b, .rows = rows, .columns = c, .chunk_rows = dot_chunk_rows(c)};
    j.chunks = dot_chunks(rows, c);
    j.y = j.chunks > 1 ? scratch : y;
    eff_parallel_for(outer * j.chunks, dot_chunk, &j);
    for (int64_t o = 0; j.chunks > 1 && o < outer; o++) dot_run(y + o * c, j.y + o * j.chunks * c, NULL, j.chunks, c);
}

static size_t dot_rows_scratch(int64_t outer, int64_t rows, int64_t c)
{
    int64_t chunks = dot_chunks(rows, c);
    return chunks > 1 ? (size_t)(outer * chunks * c) * sizeof(float) : 0;
}

static const eff_elementwise_kernels kernels = {unary, unary_backward, binary, binary_rows, dot_rows, dot_rows_scratch};

const eff_variant ISA_NAME(eff_variant_elementwise_simd) = {
    .name = "elementwise.simd." ISA_TEXT,
    .doc = "vectors, with own exp, log, tanh and erf",
    .family = EFF_FAMILY_ELEMENTWISE,
    .isa = ISA_ENUM,
    .kernels = &kernels};
