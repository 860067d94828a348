/* Shared by the pooling ops; see pool.h. */
#include "ops/pool.h"

#include "base/parallel.h"

eff_status eff_pool_geometry(eff_window *w, const eff_call *c)
{
    const eff_value *kernel = &c->arg[EFF_POOL_KERNEL], *stride = &c->arg[EFF_POOL_STRIDE];
    if (kernel->i == 0) return eff_fail(EFF_E_ARGUMENT, "%s: kernel_size is missing", c->op->name);
    EFF_TRY(eff_pair_parse(w->kernel, c, "kernel_size", kernel, 1));
    EFF_TRY(eff_pair_parse(w->stride, c, "stride", stride->i ? stride : kernel, 1));
    w->dilation[0] = w->dilation[1] = 1;
    EFF_TRY(eff_window_fit(w, c, &c->arg[EFF_POOL_PADDING], c->in[0]->shape[1], c->in[0]->shape[2]));
    for (int d = 0; d < 2; d++)
        if (w->before[d] >= w->kernel[d] || w->after[d] >= w->kernel[d])
            return eff_fail(EFF_E_ARGUMENT, "%s: padding of %lld and %lld is as large as the kernel (%lld)", c->op->name,
                            (long long)w->before[d], (long long)w->after[d], (long long)w->kernel[d]);
    return EFF_OK;
}

eff_status eff_pool_shape(eff_call *c)
{
    eff_window w;
    EFF_TRY(eff_want_dtype(c, 0, EFF_REAL));
    EFF_TRY(eff_want_ndim(c, 0, 4));
    EFF_TRY(eff_pool_geometry(&w, c));
    const int64_t *x = c->in[0]->shape;
    eff_spec_set(c, 0, EFF_REAL, 4, (int64_t[]){x[0], w.out[0], w.out[1], x[3]});
    return EFF_OK;
}

typedef struct job {
    eff_call *c;
    const eff_window *w;
    eff_pool_visit_row visit_row;
    eff_pool_visit visit;
} job;

static void visit_row(void *context, int64_t i, int worker)
{
    const job *j = context;
    (void)worker;
    j->visit_row(j->c, j->w, i / j->w->out[0], i % j->w->out[0]);
}

static void visit_image(void *context, int64_t i, int worker)
{
    const job *j = context;
    (void)worker;
    j->visit(j->c, j->w, i);
}

eff_status eff_pool_forward(eff_call *c, eff_pool_visit_row visit)
{
    eff_window w;
    EFF_TRY(eff_pool_geometry(&w, c));
    eff_parallel_for(c->in[0]->shape[0] * w.out[0], visit_row, &(job){.c = c, .w = &w, .visit_row = visit});
    return EFF_OK;
}

eff_status eff_pool_backward(eff_call *c, eff_pool_visit visit)
{
    real *dx;
    eff_window w;
    EFF_TRY(eff_call_grad(c, 0, &dx));
    if (!dx) return EFF_OK;
    EFF_TRY(eff_pool_geometry(&w, c));
    eff_parallel_for(c->in[0]->shape[0], visit_image, &(job){.c = c, .w = &w, .visit = visit});
    return EFF_OK;
}
