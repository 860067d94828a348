/* Normalisation per channel as the definition has it: two passes for the variance, sums in double. */
#include "base/parallel.h"
#include "kernels/reference/scalar.h"
#include "kernels/variants.h"

/* Channels summed, and rows mapped, at a time */
enum { CHANNELS = 16, ROWS = 64 };

typedef struct problem {
    real *out, *out2;
    const eff_norm_gradient *dy;
    const eff_conv_input *in;
    const real *x, *extra, *mean, *rstd, *gamma, *beta, *dgamma, *dbeta;
    eff_activation act;
    int64_t rows, all, c;
} problem;

static size_t no_scratch(int64_t rows, int64_t image_rows, int64_t c)
{
    (void)rows;
    (void)image_rows;
    (void)c;
    return 0;
}

static void statistics_of_channel(real *mean, real *variance, const problem *p, int64_t channel)
{
    double sum = 0, squares = 0;
    for (int64_t r = 0; r < p->rows; r++) sum += p->x[r * p->c + channel];
    double m = sum / (double)p->rows;
    for (int64_t r = 0; r < p->rows; r++) {
        double d = p->x[r * p->c + channel] - m;
        squares += d * d;
    }
    mean[channel] = (real)m;
    variance[channel] = (real)(squares / (double)p->rows);
}

static void statistics_of_channels(void *context, int64_t block, int worker)
{
    (void)worker;
    const problem *p = context;
    for (int64_t j = block * CHANNELS; j < (block + 1) * CHANNELS && j < p->c; j++)
        statistics_of_channel(p->out, p->out2, p, j);
}

static void statistics(real *mean, real *variance, const real *x, int64_t rows, int64_t c, void *scratch)
{
    (void)scratch;
    problem p = {.out = mean, .out2 = variance, .x = x, .rows = rows, .c = c};
    eff_parallel_for(eff_chunks(c, CHANNELS), statistics_of_channels, &p);
}

static real scaled(const eff_conv_input *in, int64_t at, int64_t j)
{
    return in->scale ? scalar_activation(in->act, in->x[at] * in->scale[j] + in->shift[j]) : in->x[at];
}

/* Task: ROWS rows; p->rows are those of an image, p->all of all images */
static void apply_rows(void *context, int64_t chunk, int worker)
{
    (void)worker;
    const problem *p = context;
    for (int64_t r = chunk * ROWS; r < (chunk + 1) * ROWS && r < p->all; r++)
        for (int64_t j = 0; j < p->c; j++) {
            int64_t at = r * p->c + j;
            real y = scaled(p->in, at, j);
            if (p->in->gate) y *= p->in->gate[r / p->rows * p->c + j];
            p->out[at] = p->extra ? y + p->extra[at] : y;
        }
}

static void apply(real *y, const eff_conv_input *x, const real *add, int64_t images, int64_t rows, int64_t c)
{
    problem p = {.out = y, .in = x, .extra = add, .rows = rows, .all = images * rows, .c = c};
    eff_parallel_for(eff_chunks(p.all, ROWS), apply_rows, &p);
}

static real normalised(const problem *p, int64_t r, int64_t j)
{
    return (p->x[r * p->c + j] - p->mean[j]) * p->rstd[j];
}

static real dz_at(const problem *p, real x_hat, int64_t r, int64_t j)
{
    const eff_norm_gradient *g = p->dy;
    real dy = g->dy[r * p->c + j];
    int64_t of_image = g->gate ? r / g->image_rows * p->c + j : 0;
    if (g->gate) dy *= g->gate[of_image];
    if (g->level) dy += g->level[of_image];
    return dy * scalar_activation_slope(p->act, x_hat * p->gamma[j] + p->beta[j]);
}

static void reduce_channels(void *context, int64_t block, int worker)
{
    (void)worker;
    const problem *p = context;
    for (int64_t j = block * CHANNELS; j < (block + 1) * CHANNELS && j < p->c; j++) {
        double dgamma = 0, dbeta = 0;
        for (int64_t r = 0; r < p->rows; r++) {
            real x_hat = normalised(p, r, j), dz = dz_at(p, x_hat, r, j);
            dgamma += (double)dz * x_hat;
            dbeta += dz;
        }
        p->out[j] = (real)dgamma;
        p->out2[j] = (real)dbeta;
    }
}

static void reduce(real *dgamma, real *dbeta, const eff_norm_gradient *dy, const real *x, const real *mean, const real *rstd,
                   const real *gamma, const real *beta, eff_activation act, int64_t rows, int64_t c, void *scratch)
{
    (void)scratch;
    problem p = {.out = dgamma, .out2 = dbeta, .x = x, .dy = dy, .mean = mean, .rstd = rstd, .gamma = gamma,
                 .beta = beta, .act = act, .rows = rows, .c = c};
    eff_parallel_for(eff_chunks(c, CHANNELS), reduce_channels, &p);
}

static void backward_rows(void *context, int64_t chunk, int worker)
{
    (void)worker;
    const problem *p = context;
    for (int64_t r = chunk * ROWS; r < (chunk + 1) * ROWS && r < p->rows; r++)
        for (int64_t j = 0; j < p->c; j++) {
            real x_hat = normalised(p, r, j), dz = dz_at(p, x_hat, r, j);
            if (p->dgamma) dz -= (p->dbeta[j] + x_hat * p->dgamma[j]) / (real)p->rows;
            p->out[r * p->c + j] = p->gamma[j] * p->rstd[j] * dz;
        }
}

static void backward(real *dx, const eff_norm_gradient *dy, const real *x, const real *mean, const real *rstd, const real *gamma,
                     const real *beta, const real *dgamma, const real *dbeta, eff_activation act, int64_t rows,
                     int64_t c)
{
    problem p = {.out = dx, .x = x, .dy = dy, .mean = mean, .rstd = rstd, .gamma = gamma, .beta = beta,
                 .dgamma = dgamma, .dbeta = dbeta, .act = act, .rows = rows, .c = c};
    eff_parallel_for(eff_chunks(rows, ROWS), backward_rows, &p);
}

/* Task: one image; p->rows are its rows */
static void sum_image(void *context, int64_t image, int worker)
{
    (void)worker;
    const problem *p = context;
    const eff_conv_input *in = p->in;
    for (int64_t j = 0; j < p->c; j++) {
        double sum = 0;
        for (int64_t r = 0; r < p->rows; r++) {
            int64_t at = (image * p->rows + r) * p->c + j;
            sum += (double)scaled(in, at, j) * (p->extra ? p->extra[at] : 1);
        }
        p->out[image * p->c + j] = (real)(in->gate ? sum * in->gate[image * p->c + j] : sum);
    }
}

static void image_sums(real *sums, const eff_conv_input *x, const real *dy, int64_t images, int64_t rows, int64_t c)
{
    problem p = {.out = sums, .in = x, .extra = dy, .rows = rows, .c = c};
    eff_parallel_for(images, sum_image, &p);
}

static const eff_norm_kernels kernels = {no_scratch, statistics, apply, reduce, backward, image_sums};

const eff_variant eff_variant_norm_reference = {
    .name = "norm.reference", .doc = "the definition, in loops", .family = EFF_FAMILY_NORM, .kernels = &kernels};
