/* Flat updates; see update.h. */
#include "optim/update.h"

#include "base/parallel.h"

enum { CHUNK = 1 << 15, MAX_CHUNKS = 1 << 12 };

typedef struct job {
    real *w, *a, *b;
    const real *g;
    const eff_update *u;
    double p, q, eps, correction1, correction2;
    bool nesterov;
    double *partial;
    int64_t chunk;
    void (*update)(void *context, int64_t chunk, int worker);
} job;

static int64_t chunk_stop(const job *j, int64_t i, int64_t n)
{
    return (i + 1) * j->chunk < n ? (i + 1) * j->chunk : n;
}

/* Scaled gradient with coupled decay */
static real coupled(const job *j, int64_t i)
{
    real g = j->g[i] * (real)j->u->gradient_scale;
    return i < j->u->decayed ? g + (real)j->u->decay * j->w[i] : g;
}

static void move_average(const job *j, int64_t i)
{
    real *average = j->u->average, rest = (real)(1 - j->u->average_decay);
    for (int64_t k = i * j->chunk, stop = chunk_stop(j, i, j->u->n); k < stop; k++)
        average[k] += rest * (j->w[k] - average[k]);
}

/* A chunk's average follows while the chunk is in the cache. */
static void update_chunk(void *context, int64_t i, int worker)
{
    const job *j = context;
    if (j->update) j->update(context, i, worker);
    if (j->u->average) move_average(j, i);
}

static void run(job *j)
{
    j->chunk = CHUNK;
    eff_parallel_for(eff_chunks(j->u->n, CHUNK), update_chunk, j);
}

static void rmsprop_chunk(void *context, int64_t i, int worker)
{
    const job *j = context;
    real rest = (real)(1 - j->p), momentum = (real)j->q, eps = (real)j->eps, lr = (real)j->u->lr;
    (void)worker;
    for (int64_t k = i * j->chunk, stop = chunk_stop(j, i, j->u->n); k < stop; k++) {
        real g = coupled(j, k);
        j->a[k] += rest * (g * g - j->a[k]);
        j->b[k] = momentum * j->b[k] + lr * g / real_sqrt(j->a[k] + eps);
        j->w[k] -= j->b[k];
    }
}

void eff_update_rmsprop(real *w, real *ms, real *mom, const real *g, const eff_update *u, double rho, double momentum,
                        double eps)
{
    job j = {.w = w, .a = ms, .b = mom, .g = g, .u = u, .p = rho, .q = momentum, .eps = eps};
    j.update = rmsprop_chunk;
    run(&j);
}

static void sgd_chunk(void *context, int64_t i, int worker)
{
    const job *j = context;
    real momentum = (real)j->q, lr = (real)j->u->lr;
    (void)worker;
    for (int64_t k = i * j->chunk, stop = chunk_stop(j, i, j->u->n); k < stop; k++) {
        real g = coupled(j, k);
        j->a[k] = momentum * j->a[k] + g;
        j->w[k] -= lr * (j->nesterov ? g + momentum * j->a[k] : j->a[k]);
    }
}

void eff_update_sgd(real *w, real *v, const real *g, const eff_update *u, double momentum, bool nesterov)
{
    job j = {.w = w, .a = v, .g = g, .u = u, .q = momentum, .nesterov = nesterov};
    j.update = sgd_chunk;
    run(&j);
}

static void adamw_chunk(void *context, int64_t i, int worker)
{
    const job *j = context;
    real beta1 = (real)j->p, beta2 = (real)j->q, eps = (real)j->eps, lr = (real)j->u->lr, decay = (real)j->u->decay;
    real rest1 = (real)(1 - j->p), rest2 = (real)(1 - j->q); /* 1 - 0.999f would be off by 1e-5 of itself */
    real scale1 = (real)(1 / j->correction1), scale2 = (real)(1 / j->correction2);
    (void)worker;
    for (int64_t k = i * j->chunk, stop = chunk_stop(j, i, j->u->n); k < stop; k++) {
        real g = j->g[k] * (real)j->u->gradient_scale;
        if (k < j->u->decayed) j->w[k] -= lr * decay * j->w[k];
        j->a[k] = beta1 * j->a[k] + rest1 * g;
        j->b[k] = beta2 * j->b[k] + rest2 * g * g;
        j->w[k] -= lr * (j->a[k] * scale1) / (real_sqrt(j->b[k] * scale2) + eps);
    }
}

void eff_update_adamw(real *w, real *m, real *v, const real *g, const eff_update *u, double beta1, double beta2,
                      double eps, int64_t step)
{
    job j = {.w = w, .a = m, .b = v, .g = g, .u = u, .p = beta1, .q = beta2, .eps = eps};
    j.correction1 = 1 - pow(beta1, (double)step);
    j.correction2 = 1 - pow(beta2, (double)step);
    j.update = adamw_chunk;
    run(&j);
}

void eff_update_average(real *average, real *w, int64_t n, double decay)
{
    eff_update u = {.n = n, .average = average, .average_decay = decay};
    job j = {.w = w, .u = &u};
    run(&j);
}

static void square_chunk(void *context, int64_t i, int worker)
{
    const job *j = context;
    double sum = 0;
    (void)worker;
    for (int64_t k = i * j->chunk, stop = chunk_stop(j, i, j->u->n); k < stop; k++)
        sum += (double)j->g[k] * (double)j->g[k];
    j->partial[i] = sum;
}

double eff_norm_of(const real *g, int64_t n)
{
    double partial[MAX_CHUNKS], sum = 0;
    eff_update u = {.n = n};
    job j = {.g = g, .u = &u, .partial = partial, .chunk = CHUNK};
    while (eff_chunks(n, j.chunk) > MAX_CHUNKS) j.chunk *= 2;
    int64_t chunks = eff_chunks(n, j.chunk);
    eff_parallel_for(chunks, square_chunk, &j);
    for (int64_t i = 0; i < chunks; i++) sum += partial[i];
    return sqrt(sum);
}
