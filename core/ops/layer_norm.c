/* layer_norm: normalisation of each row (the last axis), as vision transformers use it. */
#include "base/parallel.h"
#include "base/pool.h"
#include "ops/broadcast.h"

enum { X, GAMMA, BETA };
enum { EPS = 3 };
enum { Y, MEAN, RSTD };
enum { ROWS_A_CHUNK = 64 };

typedef struct rows_job {
    real *y, *mean, *rstd, *dx;
    const real *x, *dy, *gamma, *beta;
    int64_t rows, n;
    double eps;
} rows_job;

static eff_status shape(eff_call *c)
{
    char x[EFF_SHAPE_TEXT], v[EFF_SHAPE_TEXT];
    for (int i = 0; i < 3; i++) EFF_TRY(eff_want_dtype(c, i, EFF_REAL));
    const eff_tensor *t = c->in[X];
    if (t->ndim < 1 || t->shape[t->ndim - 1] < 1) return eff_fail(EFF_E_SHAPE, "layer_norm: x has no features");
    for (int i = GAMMA; i <= BETA; i++)
        if (c->in[i]->ndim != 1 || c->in[i]->shape[0] != t->shape[t->ndim - 1])
            return eff_fail(EFF_E_SHAPE, "layer_norm: %s is %s, wanted the last size of x (%s)", eff_input_name(c, i),
                            eff_shape_text(v, c->in[i]->ndim, c->in[i]->shape), eff_shape_text(x, t->ndim, t->shape));
    eff_spec_like(c, Y, EFF_REAL, t);
    eff_spec_set(c, MEAN, EFF_REAL, t->ndim - 1, t->shape);
    eff_spec_set(c, RSTD, EFF_REAL, t->ndim - 1, t->shape);
    return EFF_OK;
}

static rows_job make_job(const eff_call *c)
{
    int64_t n = c->in[X]->shape[c->in[X]->ndim - 1];
    return (rows_job){.mean = eff_tensor_reals(c->out[MEAN]), .rstd = eff_tensor_reals(c->out[RSTD]),
                      .x = eff_tensor_reals(c->in[X]), .gamma = eff_tensor_reals(c->in[GAMMA]),
                      .rows = eff_tensor_numel(c->in[X]) / n, .n = n, .eps = c->arg[EPS].f};
}

static void forward_row(const rows_job *j, int64_t row)
{
    const real *x = j->x + row * j->n;
    real *y = j->y + row * j->n;
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < j->n; i++) sum += (double)x[i];
    double mean = sum / (double)j->n;
    for (int64_t i = 0; i < j->n; i++) squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    double rstd = 1.0 / sqrt(squares / (double)j->n + j->eps);
    for (int64_t i = 0; i < j->n; i++) y[i] = (real)(((double)x[i] - mean) * rstd) * j->gamma[i] + j->beta[i];
    j->mean[row] = (real)mean;
    j->rstd[row] = (real)rstd;
}

/* dx = rstd * (g - mean(g) - x_hat * mean(g * x_hat)), g = dy * gamma */
static void backward_row(const rows_job *j, int64_t row)
{
    const real *x = j->x + row * j->n, *dy = j->dy + row * j->n;
    double mean = (double)j->mean[row], rstd = (double)j->rstd[row], sum = 0, dot = 0;
    for (int64_t i = 0; i < j->n; i++) {
        double g = (double)dy[i] * (double)j->gamma[i];
        sum += g;
        dot += g * ((double)x[i] - mean) * rstd;
    }
    for (int64_t i = 0; i < j->n; i++) {
        double g = (double)dy[i] * (double)j->gamma[i], x_hat = ((double)x[i] - mean) * rstd;
        j->dx[row * j->n + i] = (real)(rstd * (g - (sum + x_hat * dot) / (double)j->n));
    }
}

static void each_chunk(const rows_job *j, int64_t chunk, void (*visit)(const rows_job *, int64_t))
{
    int64_t stop = (chunk + 1) * ROWS_A_CHUNK;
    for (int64_t row = chunk * ROWS_A_CHUNK; row < stop && row < j->rows; row++) visit(j, row);
}

static void forward_chunk(void *context, int64_t i, int worker)
{
    (void)worker;
    each_chunk(context, i, forward_row);
}

static void backward_chunk(void *context, int64_t i, int worker)
{
    (void)worker;
    each_chunk(context, i, backward_row);
}

static eff_status forward(eff_call *c)
{
    rows_job j = make_job(c);
    j.y = eff_tensor_reals(c->out[Y]);
    j.beta = eff_tensor_reals(c->in[BETA]);
    eff_parallel_for(eff_chunks(j.rows, ROWS_A_CHUNK), forward_chunk, &j);
    return EFF_OK;
}

/* dgamma = sum over rows of dy * x_hat, through a tensor of the products */
static eff_status grad_gamma(real *dgamma, const rows_job *j)
{
    real *product = eff_pool_alloc((size_t)(j->rows * j->n) * sizeof *product);
    if (!product) return eff_fail(EFF_E_MEMORY, "layer_norm: no memory for scratch");
    for (int64_t row = 0; row < j->rows; row++)
        for (int64_t i = row * j->n; i < (row + 1) * j->n; i++)
            product[i] = j->dy[i] * (j->x[i] - j->mean[row]) * j->rstd[row];
    eff_status status = eff_sum_axes(dgamma, product, 2, (int64_t[]){j->rows, j->n}, 1u);
    eff_pool_free(product);
    return status;
}

static eff_status backward(eff_call *c)
{
    rows_job j = make_job(c);
    real *dgamma, *dbeta;
    j.dy = eff_tensor_reals(c->dout[Y]);
    EFF_TRY(eff_call_grad(c, X, &j.dx));
    EFF_TRY(eff_call_grad(c, GAMMA, &dgamma));
    EFF_TRY(eff_call_grad(c, BETA, &dbeta));
    if (j.dx) eff_parallel_for(eff_chunks(j.rows, ROWS_A_CHUNK), backward_chunk, &j);
    if (dgamma) EFF_TRY(grad_gamma(dgamma, &j));
    return dbeta ? eff_sum_axes(dbeta, j.dy, 2, (int64_t[]){j.rows, j.n}, 1u) : EFF_OK;
}

static const char *const samples[] = {"x=3,7 gamma=+7 beta=7", "x=2,3,5 gamma=+5 beta=5 eps=0.01", NULL};

const eff_op eff_op_layer_norm = {
    .name = "layer_norm",
    .doc = "(x - mean) / sqrt(variance + eps) * gamma + beta over the last axis",
    .args = EFF_ARGS(EFF_IN("x", "[...][n]"), EFF_IN("gamma", "[n]"), EFF_IN("beta", "[n]"),
                     EFF_NUMBER("eps", 1e-6, "added to the variance")),
    .hidden = 2,
    .saves = EFF_SAVE_IN(0) | EFF_SAVE_IN(1) | EFF_SAVE_OUT(1) | EFF_SAVE_OUT(2),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
