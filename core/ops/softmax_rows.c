/* Rows of a softmax; see softmax_rows.h. */
#include "ops/softmax_rows.h"

#include "base/parallel.h"

enum { ROWS_A_CHUNK = 64 };

double eff_log_sum_exp(const real *x, int64_t n)
{
    real largest = x[0];
    for (int64_t i = 1; i < n; i++)
        if (x[i] > largest || x[i] != x[i]) largest = x[i];
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)real_exp(x[i] - largest);
    return (double)largest + log(sum);
}

eff_status eff_softmax_shape(eff_call *c)
{
    EFF_TRY(eff_want_dtype(c, 0, EFF_REAL));
    if (c->in[0]->ndim < 1 || c->in[0]->shape[c->in[0]->ndim - 1] < 1)
        return eff_fail(EFF_E_SHAPE, "%s: x has no classes in its last axis", c->op->name);
    eff_spec_like(c, 0, EFF_REAL, c->in[0]);
    return EFF_OK;
}

typedef struct rows_job {
    eff_call *c;
    void (*visit)(eff_call *c, int64_t row, int64_t n);
    int64_t rows, n;
} rows_job;

static void visit_chunk(void *context, int64_t chunk, int worker)
{
    const rows_job *j = context;
    (void)worker;
    for (int64_t row = chunk * ROWS_A_CHUNK; row < (chunk + 1) * ROWS_A_CHUNK && row < j->rows; row++)
        j->visit(j->c, row, j->n);
}

void eff_each_row(eff_call *c, void (*visit)(eff_call *c, int64_t row, int64_t n))
{
    int64_t n = c->in[0]->shape[c->in[0]->ndim - 1];
    rows_job j = {c, visit, eff_tensor_numel(c->in[0]) / n, n};
    eff_parallel_for(eff_chunks(j.rows, ROWS_A_CHUNK), visit_chunk, &j);
}
