/* Element-wise functions as the definitions have them, with the C library's functions. */
#include "base/parallel.h"
#include "kernels/reference/scalar.h"
#include "kernels/variants.h"

/* Elements mapped, and channels summed, at a time */
enum { CHUNK = 4096, CHANNELS = 16 };

typedef struct problem {
    int f;
    real *y;
    const real *a, *b, *dy, *fx;
    int64_t n, rows, c;
} problem;

static real gelu_cdf(real x) { return (real)(0.5 * erfc(-(double)x * M_SQRT1_2)); }

static real gelu_slope(real x)
{
    double t = scalar_clamp(x), density = 0.3989422804014327 * exp(-0.5 * t * t);
    return (real)(gelu_cdf(x) + t * density);
}

static real unary_at(eff_unary f, real x)
{
    switch (f) {
    case EFF_UNARY_SILU: return scalar_silu(x);
    case EFF_UNARY_RELU: return scalar_relu(x);
    case EFF_UNARY_GELU: return x < -EFF_SATURATED ? 0 : x * gelu_cdf(x);
    case EFF_UNARY_SIGMOID: return scalar_sigmoid(x);
    case EFF_UNARY_TANH: return real_tanh(x);
    case EFF_UNARY_EXP: return real_exp(x);
    case EFF_UNARY_LOG: return real_log(x);
    case EFF_UNARY_SQRT: return real_sqrt(x);
    case EFF_UNARY_SQUARE: return x * x;
    case EFF_UNARY_NEG: return -x;
    case EFF_UNARY_ABS: return real_abs(x);
    case EFF_UNARY_COUNT: break;
    }
    return x;
}

/* f'(x) dy */
static real unary_slope_at(eff_unary f, real dy, real x, real y)
{
    switch (f) {
    case EFF_UNARY_SILU: return dy * scalar_silu_slope(x);
    case EFF_UNARY_RELU: return y <= 0 ? 0 : dy;
    case EFF_UNARY_GELU: return dy * gelu_slope(x);
    case EFF_UNARY_SIGMOID: return dy * y * (1 - y);
    case EFF_UNARY_TANH: return dy * (1 - y) * (1 + y);
    case EFF_UNARY_EXP: return dy * y;
    case EFF_UNARY_LOG: return dy / x;
    case EFF_UNARY_SQRT: return dy / (2 * y);
    case EFF_UNARY_SQUARE: return dy * 2 * x;
    case EFF_UNARY_NEG: return -dy;
    case EFF_UNARY_ABS: return x > 0 ? dy : x < 0 ? -dy : x * dy;
    case EFF_UNARY_COUNT: break;
    }
    return dy;
}

static real binary_at(eff_binary f, real a, real b)
{
    switch (f) {
    case EFF_BINARY_ADD: return a + b;
    case EFF_BINARY_SUB: return a - b;
    case EFF_BINARY_MUL: return a * b;
    case EFF_BINARY_DIV: return a / b;
    case EFF_BINARY_COUNT: break;
    }
    return a;
}

static int64_t chunk_end(int64_t chunk, int64_t n) { return (chunk + 1) * CHUNK < n ? (chunk + 1) * CHUNK : n; }

static void unary_chunk(void *context, int64_t chunk, int worker)
{
    (void)worker;
    const problem *p = context;
    for (int64_t i = chunk * CHUNK; i < chunk_end(chunk, p->n); i++) p->y[i] = unary_at((eff_unary)p->f, p->a[i]);
}

static void unary(eff_unary f, real *y, const real *x, int64_t n)
{
    problem p = {.f = (int)f, .y = y, .a = x, .n = n};
    eff_parallel_for(eff_chunks(n, CHUNK), unary_chunk, &p);
}

static void unary_backward_chunk(void *context, int64_t chunk, int worker)
{
    (void)worker;
    const problem *p = context;
    for (int64_t i = chunk * CHUNK; i < chunk_end(chunk, p->n); i++)
        p->y[i] = unary_slope_at((eff_unary)p->f, p->dy[i], p->a[i], p->fx[i]);
}

static void unary_backward(eff_unary f, real *dx, const real *dy, const real *x, const real *y, int64_t n)
{
    problem p = {.f = (int)f, .y = dx, .dy = dy, .a = x, .fx = y, .n = n};
    eff_parallel_for(eff_chunks(n, CHUNK), unary_backward_chunk, &p);
}

static void binary_chunk(void *context, int64_t chunk, int worker)
{
    (void)worker;
    const problem *p = context;
    for (int64_t i = chunk * CHUNK; i < chunk_end(chunk, p->n); i++)
        p->y[i] = binary_at((eff_binary)p->f, p->a[i], p->b[i]);
}

static void binary(eff_binary f, real *y, const real *a, const real *b, int64_t n)
{
    problem p = {.f = (int)f, .y = y, .a = a, .b = b, .n = n};
    eff_parallel_for(eff_chunks(n, CHUNK), binary_chunk, &p);
}

static void binary_row(void *context, int64_t row, int worker)
{
    (void)worker;
    const problem *p = context;
    const real *b = p->b + row / p->rows * p->c;
    for (int64_t j = 0; j < p->c; j++)
        p->y[row * p->c + j] = binary_at((eff_binary)p->f, p->a[row * p->c + j], b[j]);
}

static void binary_rows(eff_binary f, real *y, const real *a, const real *b, int64_t outer, int64_t rows, int64_t c)
{
    problem p = {.f = (int)f, .y = y, .a = a, .b = b, .rows = rows, .c = c};
    eff_parallel_for(outer * rows, binary_row, &p);
}

static void dot_channels(void *context, int64_t block, int worker)
{
    (void)worker;
    const problem *p = context;
    int64_t blocks = eff_chunks(p->c, CHANNELS), o = block / blocks, first = block % blocks * CHANNELS;
    for (int64_t j = first; j < first + CHANNELS && j < p->c; j++) {
        double sum = 0;
        for (int64_t i = o * p->rows; i < (o + 1) * p->rows; i++)
            sum += (double)p->a[i * p->c + j] * (p->b ? p->b[i * p->c + j] : 1);
        p->y[o * p->c + j] = (real)sum;
    }
}

static void dot_rows(real *y, const real *a, const real *b, int64_t outer, int64_t rows, int64_t c, void *scratch)
{
    (void)scratch;
    problem p = {.y = y, .a = a, .b = b, .rows = rows, .c = c};
    eff_parallel_for(outer * eff_chunks(c, CHANNELS), dot_channels, &p);
}

static size_t no_scratch(int64_t outer, int64_t rows, int64_t c)
{
    (void)outer;
    (void)rows;
    (void)c;
    return 0;
}

static const eff_elementwise_kernels kernels = {unary, unary_backward, binary, binary_rows, dot_rows, no_scratch};

const eff_variant eff_variant_elementwise_reference = {.name = "elementwise.reference",
                                                       .doc = "the definitions, with the C library's functions",
                                                       .family = EFF_FAMILY_ELEMENTWISE,
                                                       .kernels = &kernels};
