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
    const float *gate, *level; /* of the gradient or of what is applied, or NULL */
    const float *add;
    const eff_conv_input *in;
    eff_activation act;
    int64_t rows, c, image_rows; /* a chunk lies in one image; rows, where images do not matter */
} job;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t chunk_rows(int64_t c)
{
    int64_t rows = CHUNK / (c > 0 ? c : 1);
    return rows < LEAST_ROWS ? LEAST_ROWS : least(rows, MOST_ROWS);
}

static int64_t chunk_count(const job *j)
{
    return j->rows > 0 ? j->rows / j->image_rows * eff_chunks(j->image_rows, chunk_rows(j->c)) : 0;
}

static size_t scratch_size(int64_t rows, int64_t image_rows, int64_t c)
{
    job j = {.rows = rows, .image_rows = image_rows, .c = c};
    return (size_t)(chunk_count(&j) * 2 * c) * sizeof(float);
}

typedef struct range {
    int64_t first, end;
} range;

static range chunk_at(const job *j, int64_t chunk)
{
    int64_t height = chunk_rows(j->c), in_image = eff_chunks(j->image_rows, height);
    int64_t start = chunk / in_image * j->image_rows, first = start + chunk % in_image * height;
    return (range){first, least(first + height, start + j->image_rows)};
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
    range rows = chunk_at(j, chunk);
    memset(sums, 0, (size_t)(2 * j->c) * sizeof *sums);
    walk(j, rows.first, rows.end, sums, add_rows);
    for (int64_t i = 0; i < j->c; i++) sums[i] /= (float)(rows.end - rows.first);
    walk(j, rows.first, rows.end, sums, add_squares);
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
    job j = {.out = mean, .out2 = variance, .partial = scratch, .x = x, .rows = rows, .c = c, .image_rows = rows};
    eff_parallel_for(chunk_count(&j), statistics_chunk, &j);
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
        range rows = chunk_at(j, chunk);                                                                               \
        float *sums = j->partial ? j->partial + chunk * 2 * j->c : NULL;                                               \
        if (sums) memset(sums, 0, (size_t)(2 * j->c) * sizeof *sums);                                                  \
        if (j->act == EFF_ACT_SILU)                                                                                    \
            walk(j, rows.first, rows.end, sums, name##_silu);                                                          \
        else if (j->act == EFF_ACT_RELU)                                                                               \
            walk(j, rows.first, rows.end, sums, name##_relu);                                                          \
        else                                                                                                           \
            walk(j, rows.first, rows.end, sums, name##_none);                                                          \
    }

/* ---- apply ---- */

/* Of values [image][c], those of the image that the chunk of `row` lies in */
VEC_INLINE vec of_image(const float *values, const job *j, int64_t row, int64_t i, const int64_t lanes)
{
    return values ? vec_get(values + row / j->image_rows * j->c + i, lanes) : (vec){0};
}

VEC_INLINE void apply_rows(const job *j, float *sums, int64_t row, const int64_t count, int64_t i, const int64_t lanes,
                           const eff_activation act)
{
    (void)sums;
    vec scale = vec_get(j->gamma + i, lanes), shift = vec_get(j->beta + i, lanes);
    vec gate = of_image(j->gate, j, row, i, lanes);
#pragma GCC unroll 4
    for (int64_t r = row; r < row + count; r++) {
        vec y = vec_activate(vec_get(j->x + r * j->c + i, lanes) * scale + shift, act);
        if (j->gate) y *= gate;
        if (j->add) y += vec_get(j->add + r * j->c + i, lanes);
        vec_put(j->out + r * j->c + i, y, lanes);
    }
}
FOR_EACH_ACTIVATION(apply_rows)

static void apply(float *y, const eff_conv_input *x, const float *add, int64_t images, int64_t rows, int64_t c)
{
    job j = {.out = y, .x = x->x, .gamma = x->scale, .beta = x->shift, .gate = x->gate, .add = add, .act = x->act,
             .rows = images * rows, .c = c, .image_rows = x->gate ? rows : images * rows};
    eff_parallel_for(chunk_count(&j), apply_rows_chunk, &j);
}

/* ---- gradients ---- */

/* The gradient at row r, of the image that the chunk lies in */
VEC_INLINE vec gradient_at(const job *j, int64_t r, int64_t i, vec gate, vec level, const int64_t lanes)
{
    vec dy = vec_get(j->dy + r * j->c + i, lanes);
    return j->gate ? dy * gate + level : dy;
}


VEC_INLINE void reduce_rows(const job *j, float *sums, int64_t row, const int64_t count, int64_t i, const int64_t lanes,
                            const eff_activation act)
{
    vec mean = vec_get(j->mean + i, lanes), rstd = vec_get(j->rstd + i, lanes);
    vec gamma = vec_get(j->gamma + i, lanes), beta = vec_get(j->beta + i, lanes), dgamma = {0}, dbeta = {0};
    vec gate = of_image(j->gate, j, row, i, lanes), level = of_image(j->level, j, row, i, lanes);
#pragma GCC unroll 4
    for (int64_t r = row; r < row + count; r++) {
        vec x_hat = (vec_get(j->x + r * j->c + i, lanes) - mean) * rstd;
        vec dz = vec_through_slope(gradient_at(j, r, i, gate, level, lanes), x_hat * gamma + beta, act);
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
    int64_t first = block * CHANNELS, count = least(CHANNELS, j->c - first), chunks = chunk_count(j);
    double dgamma[CHANNELS] = {0}, dbeta[CHANNELS] = {0};
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        const float *sums = j->partial + chunk * 2 * j->c + first;
        for (int64_t i = 0; i < count; i++) dgamma[i] += sums[i];
        for (int64_t i = 0; i < count; i++) dbeta[i] += sums[j->c + i];
    }
    for (int64_t i = 0; i < count; i++) j->out[first + i] = (float)dgamma[i];
    for (int64_t i = 0; i < count; i++) j->out2[first + i] = (float)dbeta[i];
}

static int64_t image_rows_of(const eff_norm_gradient *dy, int64_t rows) { return dy->gate ? dy->image_rows : rows; }

static void reduce(float *dgamma, float *dbeta, const eff_norm_gradient *dy, const float *x, const float *mean,
                   const float *rstd, const float *gamma, const float *beta, eff_activation act, int64_t rows, int64_t c,
                   void *scratch)
{
    job j = {.out = dgamma, .out2 = dbeta, .partial = scratch, .x = x, .dy = dy->dy, .gate = dy->gate, .level = dy->level,
             .mean = mean, .rstd = rstd, .gamma = gamma, .beta = beta, .act = act, .rows = rows, .c = c,
             .image_rows = image_rows_of(dy, rows)};
    eff_parallel_for(chunk_count(&j), reduce_rows_chunk, &j);
    eff_parallel_for(eff_chunks(c, CHANNELS), reduce_merge, &j);
}

VEC_INLINE void backward_rows(const job *j, float *sums, int64_t row, const int64_t count, int64_t i, const int64_t lanes,
                              const eff_activation act)
{
    (void)sums;
    vec mean = vec_get(j->mean + i, lanes), rstd = vec_get(j->rstd + i, lanes);
    vec gamma = vec_get(j->gamma + i, lanes), beta = vec_get(j->beta + i, lanes), scale = gamma * rstd;
    vec gate = of_image(j->gate, j, row, i, lanes), level = of_image(j->level, j, row, i, lanes);
    vec tilt = {0}, offset = {0};
    if (j->dgamma) {
        tilt = vec_get(j->dgamma + i, lanes) / (float)j->rows;
        offset = vec_get(j->dbeta + i, lanes) / (float)j->rows;
    }
#pragma GCC unroll 4
    for (int64_t r = row; r < row + count; r++) {
        vec x_hat = (vec_get(j->x + r * j->c + i, lanes) - mean) * rstd;
        vec dz = vec_through_slope(gradient_at(j, r, i, gate, level, lanes), x_hat * gamma + beta, act);
        vec_put(j->out + r * j->c + i, scale * (dz - (offset + x_hat * tilt)), lanes);
    }
}
FOR_EACH_ACTIVATION(backward_rows)

static void backward(float *dx, const eff_norm_gradient *dy, const float *x, const float *mean, const float *rstd,
                     const float *gamma, const float *beta, const float *dgamma, const float *dbeta,
                     eff_activation act, int64_t rows, int64_t c)
{
    job j = {.out = dx, .x = x, .dy = dy->dy, .gate = dy->gate, .level = dy->level, .mean = mean, .rstd = rstd,
             .gamma = gamma, .beta = beta, .dgamma = dgamma, .dbeta = dbeta, .act = act, .rows = rows, .c = c,
             .image_rows = image_rows_of(dy, rows)};
    eff_parallel_for(chunk_count(&j), backward_rows_chunk, &j);
}

/* ---- sums of images ---- */

VEC_INLINE vec image_term(const job *j, int64_t at, vec scale, vec shift, const int64_t lanes, const eff_activation act)
{
    vec x = vec_get(j->x + at, lanes);
    if (j->in->scale) x = vec_activate(x * scale + shift, act);
    return j->dy ? x * vec_get(j->dy + at, lanes) : x;
}

/* One vector of channels of one image; partial sums of CHUNK_ROWS rows keep the error small. */
VEC_INLINE void sum_channels(const job *j, int64_t image, int64_t i, const int64_t lanes, const eff_activation act)
{
    enum { CHUNK_ROWS = 128 };
    vec total = {0}, scale = {0}, shift = {0};
    if (j->in->scale) scale = vec_get(j->in->scale + i, lanes), shift = vec_get(j->in->shift + i, lanes);
    for (int64_t row = 0; row < j->rows; row += CHUNK_ROWS) {
        int64_t end = least(row + CHUNK_ROWS, j->rows), r = row, at = (image * j->rows + row) * j->c + i;
        vec sum[ROWS] = {{0}};
        for (; r + ROWS <= end; r += ROWS, at += ROWS * j->c)
#pragma GCC unroll 4
            for (int k = 0; k < ROWS; k++) sum[k] += image_term(j, at + k * j->c, scale, shift, lanes, act);
        for (; r < end; r++, at += j->c) sum[0] += image_term(j, at, scale, shift, lanes, act);
        total += (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
    if (j->in->gate) total *= vec_get(j->in->gate + image * j->c + i, lanes);
    vec_put(j->out + image * j->c + i, total, lanes);
}

/* Task: CHANNELS channels of one image */
static void sum_image(void *context, int64_t task, int worker)
{
    (void)worker;
    const job *j = context;
    int64_t blocks = eff_chunks(j->c, CHANNELS), image = task / blocks, i = task % blocks * CHANNELS;
    for (int64_t end = least(i + CHANNELS, j->c); i < end; i += VL) {
        bool whole = i + VL <= end;
        if (j->in->act == EFF_ACT_SILU && whole)
            sum_channels(j, image, i, VL, EFF_ACT_SILU);
        else if (j->in->act == EFF_ACT_SILU)
            sum_channels(j, image, i, end - i, EFF_ACT_SILU);
        else if (j->in->act == EFF_ACT_RELU)
            sum_channels(j, image, i, least(VL, end - i), EFF_ACT_RELU);
        else
            sum_channels(j, image, i, least(VL, end - i), EFF_ACT_NONE);
    }
}

static void image_sums(float *sums, const eff_conv_input *x, const float *dy, int64_t images, int64_t rows, int64_t c)
{
    job j = {.out = sums, .in = x, .x = x->x, .dy = dy, .rows = rows, .c = c};
    eff_parallel_for(images * eff_chunks(c, CHANNELS), sum_image, &j);
}

static const eff_norm_kernels kernels = {scratch_size, statistics, apply, reduce, backward, image_sums};

const eff_variant ISA_NAME(eff_variant_norm_simd) = {
    .name = "norm.simd." ISA_TEXT,
    .doc = "vectors of channels, statistics in one pass over memory",
    .family = EFF_FAMILY_NORM,
    .isa = ISA_ENUM,
    .kernels = &kernels};
