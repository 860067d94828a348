/* norm.simd: per-channel normalisation, a vector of channels at a time.
 *
 * Sums over rows go in two steps. Chunks of rows, small enough to stay in the cache, each give two sums a channel;
 * these are then merged in double and in order. For the variance a chunk gives its mean and its squared deviations
 * from that mean (merged as Chan et al. 1983 have it), so x is read from memory once and nothing cancels.
 */
#include "base/parallel.h"
#include "kernels/simd/activation.h"
#include "kernels/variants.h"

enum {
    CHUNK = 16384, /* elements of a chunk of rows, about */
    LEAST_ROWS = 32,
    MOST_ROWS = 128,
    ROWS = 4,       /* taken together, so that memory is read in order and sums are loaded once in a while */
    CHANNELS = 64   /* of a merge */
};

typedef struct job {
    float *out, *out2, *partial; /* partial [chunk][2][c] */
    const float *x, *dy, *mean, *rstd, *gamma, *beta, *dgamma, *dbeta;
    eff_activation act;
    int64_t rows, c;
} job;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t chunk_rows(int64_t c)
{
    int64_t rows = CHUNK / (c > 0 ? c : 1);
    return rows < LEAST_ROWS ? LEAST_ROWS : least(rows, MOST_ROWS);
}

static int64_t chunk_count(int64_t rows, int64_t c) { return eff_chunks(rows, chunk_rows(c)); }

static size_t scratch_size(int64_t rows, int64_t c)
{
    return (size_t)(chunk_count(rows, c) * 2 * c) * sizeof(float);
}

/* Calls body(job, first row, rows <= ROWS, channel, lanes) for all channels of rows first .. end. The body is a
 * constant of each inlined copy, and so are rows and lanes where they are whole: the chains of arithmetic of several
 * rows then overlap. */
VEC_INLINE void walk(const job *j, int64_t first, int64_t end, float *sums,
                     void (*body)(const job *, float *, int64_t, const int64_t, int64_t, const int64_t))
{
    for (int64_t row = first; row < end; row += ROWS) {
        int64_t count = least(ROWS, end - row), i = 0;
        for (; count == ROWS && i + VL <= j->c; i += VL) body(j, sums, row, ROWS, i, VL);
        for (; i + VL <= j->c; i += VL) body(j, sums, row, count, i, VL);
        if (i < j->c) body(j, sums, row, count, i, j->c - i);
    }
}

/* ---- statistics ---- */

/* Sums are of x - origin, where the origin is the first row: nothing is lost to an offset that all rows share. */
VEC_INLINE void add_rows(const job *j, float *sums, int64_t row, const int64_t count, int64_t i, const int64_t lanes)
{
    vec sum = {0}, origin = vec_get(j->x + i, lanes);
#pragma GCC unroll 4
    for (int64_t r = row; r < row + count; r++) sum += vec_get(j->x + r * j->c + i, lanes) - origin;
    vec_put(sums + i, vec_get(sums + i, lanes) + sum, lanes);
}

/* sums = [mean of x - origin][squared deviations from it] */
VEC_INLINE void add_squares(const job *j, float *sums, int64_t row, const int64_t count, int64_t i, const int64_t lanes)
{
    vec sum = {0}, origin = vec_get(j->x + i, lanes), mean = vec_get(sums + i, lanes);
#pragma GCC unroll 4
    for (int64_t r = row; r < row + count; r++) {
        vec d = vec_get(j->x + r * j->c + i, lanes) - origin - mean;
        sum += d * d;
    }
    vec_put(sums + j->c + i, vec_get(sums + j->c + i, lanes) + sum, lanes);
}

/* Task: mean and squared deviations of one chunk */
static void statistics_chunk(void *context, int64_t chunk, int worker)
{
    (void)worker;
    const job *j = context;
    float *sums = j->partial + chunk * 2 * j->c;
    int64_t first = chunk * chunk_rows(j->c), end = least(first + chunk_rows(j->c), j->rows);
    memset(sums, 0, (size_t)(2 * j->c) * sizeof *sums);
    walk(j, first, end, sums, add_rows);
    for (int64_t i = 0; i < j->c; i++) sums[i] /= (float)(end - first);
    walk(j, first, end, sums, add_squares);
}

/* Task: CHANNELS channels of all chunks */
static void statistics_merge(void *context, int64_t block, int worker)
{
    (void)worker;
    const job *j = context;
    int64_t first = block * CHANNELS, count = least(CHANNELS, j->c - first), height = chunk_rows(j->c);
    double mean[CHANNELS] = {0}, squares[CHANNELS] = {0}, rows = (double)j->rows;
    for (int64_t row = 0; row < j->rows; row += height) {
        const float *sums = j->partial + row / height * 2 * j->c + first;
        double weight = (double)least(height, j->rows - row);
        for (int64_t i = 0; i < count; i++) mean[i] += weight * sums[i];
    }
    for (int64_t i = 0; i < count; i++) mean[i] /= rows;
    for (int64_t row = 0; row < j->rows; row += height) {
        const float *sums = j->partial + row / height * 2 * j->c + first;
        double weight = (double)least(height, j->rows - row);
        for (int64_t i = 0; i < count; i++)
            squares[i] += sums[j->c + i] + weight * (sums[i] - mean[i]) * (sums[i] - mean[i]);
    }
    for (int64_t i = 0; i < count; i++) {
        j->out[first + i] = (float)(j->x[first + i] + mean[i]);
        j->out2[first + i] = (float)(squares[i] / rows);
    }
}

static void statistics(float *mean, float *variance, const float *x, int64_t rows, int64_t c, void *scratch)
{
    job j = {.out = mean, .out2 = variance, .partial = scratch, .x = x, .rows = rows, .c = c};
    eff_parallel_for(chunk_count(rows, c), statistics_chunk, &j);
    eff_parallel_for(eff_chunks(c, CHANNELS), statistics_merge, &j);
}

/* Defines name_none, name_relu and name_silu for walk, from name(..., act). */
#define FOR_EACH_ACTIVATION(name)                                                                                      \
    VEC_INLINE void name##_none(const job *j, float *sums, int64_t row, const int64_t count, int64_t i, const int64_t lanes) \
    {                                                                                                                  \
        name(j, sums, row, count, i, lanes, EFF_ACT_NONE);                                                             \
    }                                                                                                                  \
    VEC_INLINE void name##_relu(const job *j, float *sums, int64_t row, const int64_t count, int64_t i, const int64_t lanes) \
    {                                                                                                                  \
        name(j, sums, row, count, i, lanes, EFF_ACT_RELU);                                                             \
    }                                                                                                                  \
    VEC_INLINE void name##_silu(const job *j, float *sums, int64_t row, const int64_t count, int64_t i, const int64_t lanes) \
    {                                                                                                                  \
        name(j, sums, row, count, i, lanes, EFF_ACT_SILU);                                                             \
    }                                                                                                                  \
    static void name##_chunk(void *context, int64_t chunk, int worker)                                                 \
    {                                                                                                                  \
        (void)worker;                                                                                                  \
        const job *j = context;                                                                                        \
        int64_t first = chunk * chunk_rows(j->c), end = least(first + chunk_rows(j->c), j->rows);                      \
        float *sums = j->partial ? j->partial + chunk * 2 * j->c : NULL;                                               \
        if (sums) memset(sums, 0, (size_t)(2 * j->c) * sizeof *sums);                                                  \
        if (j->act == EFF_ACT_SILU)                                                                                    \
            walk(j, first, end, sums, name##_silu);                                                                    \
        else if (j->act == EFF_ACT_RELU)                                                                               \
            walk(j, first, end, sums, name##_relu);                                                                    \
        else                                                                                                           \
            walk(j, first, end, sums, name##_none);                                                                    \
    }

/* ---- apply ---- */

VEC_INLINE void apply_rows(const job *j, float *sums, int64_t row, const int64_t count, int64_t i, const int64_t lanes,
                           const eff_activation act)
{
    (void)sums;
    vec scale = vec_get(j->gamma + i, lanes), shift = vec_get(j->beta + i, lanes);
#pragma GCC unroll 4
    for (int64_t r = row; r < row + count; r++)
        vec_put(j->out + r * j->c + i, vec_activate(vec_get(j->x + r * j->c + i, lanes) * scale + shift, act), lanes);
}
FOR_EACH_ACTIVATION(apply_rows)

static void apply(float *y, const float *x, const float *scale, const float *shift, eff_activation act, int64_t rows,
                  int64_t c)
{
    job j = {.out = y, .x = x, .gamma = scale, .beta = shift, .act = act, .rows = rows, .c = c};
    eff_parallel_for(chunk_count(rows, c), apply_rows_chunk, &j);
}

/* ---- gradients ---- */

VEC_INLINE void reduce_rows(const job *j, float *sums, int64_t row, const int64_t count, int64_t i, const int64_t lanes,
                            const eff_activation act)
{
    vec mean = vec_get(j->mean + i, lanes), rstd = vec_get(j->rstd + i, lanes);
    vec gamma = vec_get(j->gamma + i, lanes), beta = vec_get(j->beta + i, lanes), dgamma = {0}, dbeta = {0};
#pragma GCC unroll 4
    for (int64_t r = row; r < row + count; r++) {
        vec x_hat = (vec_get(j->x + r * j->c + i, lanes) - mean) * rstd;
        vec dz = vec_through_slope(vec_get(j->dy + r * j->c + i, lanes), x_hat * gamma + beta, act);
        dgamma += dz * x_hat;
        dbeta += dz;
    }
    vec_put(sums + i, vec_get(sums + i, lanes) + dgamma, lanes);
    vec_put(sums + j->c + i, vec_get(sums + j->c + i, lanes) + dbeta, lanes);
}
FOR_EACH_ACTIVATION(reduce_rows)

/* Task: CHANNELS channels of all chunks */
static void reduce_merge(void *context, int64_t block, int worker)
{
    (void)worker;
    const job *j = context;
    int64_t first = block * CHANNELS, count = least(CHANNELS, j->c - first), chunks = chunk_count(j->rows, j->c);
    double dgamma[CHANNELS] = {0}, dbeta[CHANNELS] = {0};
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        const float *sums = j->partial + chunk * 2 * j->c + first;
        for (int64_t i = 0; i < count; i++) dgamma[i] += sums[i];
        for (int64_t i = 0; i < count; i++) dbeta[i] += sums[j->c + i];
    }
    for (int64_t i = 0; i < count; i++) j->out[first + i] = (float)dgamma[i];
    for (int64_t i = 0; i < count; i++) j->out2[first + i] = (float)dbeta[i];
}

static void reduce(float *dgamma, float *dbeta, const float *dy, const float *x, const float *mean, const float *rstd,
                   const float *gamma, const float *beta, eff_activation act, int64_t rows, int64_t c, void *scratch)
{
    job j = {.out = dgamma, .out2 = dbeta, .partial = scratch, .x = x, .dy = dy, .mean = mean, .rstd = rstd,
             .gamma = gamma, .beta = beta, .act = act, .rows = rows, .c = c};
    eff_parallel_for(chunk_count(rows, c), reduce_rows_chunk, &j);
    eff_parallel_for(eff_chunks(c, CHANNELS), reduce_merge, &j);
}

VEC_INLINE void backward_rows(const job *j, float *sums, int64_t row, const int64_t count, int64_t i, const int64_t lanes,
                              const eff_activation act)
{
    (void)sums;
    vec mean = vec_get(j->mean + i, lanes), rstd = vec_get(j->rstd + i, lanes);
    vec gamma = vec_get(j->gamma + i, lanes), beta = vec_get(j->beta + i, lanes), scale = gamma * rstd;
    vec slope = {0}, level = {0};
    if (j->dgamma) {
        slope = vec_get(j->dgamma + i, lanes) / (float)j->rows;
        level = vec_get(j->dbeta + i, lanes) / (float)j->rows;
    }
#pragma GCC unroll 4
    for (int64_t r = row; r < row + count; r++) {
        vec x_hat = (vec_get(j->x + r * j->c + i, lanes) - mean) * rstd;
        vec dz = vec_through_slope(vec_get(j->dy + r * j->c + i, lanes), x_hat * gamma + beta, act);
        vec_put(j->out + r * j->c + i, scale * (dz - (level + x_hat * slope)), lanes);
    }
}
FOR_EACH_ACTIVATION(backward_rows)

static void backward(float *dx, const float *dy, const float *x, const float *mean, const float *rstd,
                     const float *gamma, const float *beta, const float *dgamma, const float *dbeta,
                     eff_activation act, int64_t rows, int64_t c)
{
    job j = {.out = dx, .x = x, .dy = dy, .mean = mean, .rstd = rstd, .gamma = gamma, .beta = beta, .dgamma = dgamma,
             .dbeta = dbeta, .act = act, .rows = rows, .c = c};
    eff_parallel_for(chunk_count(rows, c), backward_rows_chunk, &j);
}

static const eff_norm_kernels kernels = {scratch_size, statistics, apply, reduce, backward};

const eff_variant ISA_NAME(eff_variant_norm_simd) = {
    .name = "norm.simd." ISA_TEXT,
    .doc = "vectors of channels, statistics in one pass over memory",
    .family = EFF_FAMILY_NORM,
    .isa = ISA_ENUM,
    .kernels = &kernels};
