/* Sums and means over axes; see reduce.h. */
#include "ops/reduce.h"

#include "ops/broadcast.h"

const char *const eff_reduce_samples[] = {"x=3,4", "x=2,3,4,5 axes=2,3 keep=true", "x=2,3,4,5 axes=1,3", "x=2,3,4 axes=-1",
                                          NULL};

static eff_status reduced_axes(unsigned *axes, const eff_call *c)
{
    return eff_axes_parse(axes, c, &c->arg[EFF_REDUCE_AXES], c->in[0]->ndim);
}

eff_status eff_reduce_shape(eff_call *c)
{
    unsigned axes;
    EFF_TRY(eff_want_dtype(c, 0, EFF_REAL));
    EFF_TRY(reduced_axes(&axes, c));
    eff_spec_reduced(c, EFF_REAL, axes, c->arg[EFF_REDUCE_KEEP].i);
    return EFF_OK;
}

/* 1 for a sum, 1 / elements for a mean */
static real weight(const eff_call *c, int64_t outputs, bool mean)
{
    return mean ? (real)outputs / (real)eff_tensor_numel(c->in[0]) : 1;
}

eff_status eff_reduce_forward(eff_call *c, bool mean)
{
    unsigned axes;
    int64_t n = eff_tensor_numel(c->out[0]);
    real *y = eff_tensor_reals(c->out[0]), w = weight(c, n, mean);
    EFF_TRY(reduced_axes(&axes, c));
    EFF_TRY(eff_sum_axes(y, eff_tensor_reals(c->in[0]), c->in[0]->ndim, c->in[0]->shape, axes));
    for (int64_t i = 0; mean && i < n; i++) y[i] *= w;
    return EFF_OK;
}

/* dx repeats dy (times the weight) along the reduced axes. */
eff_status eff_reduce_backward(eff_call *c, bool mean)
{
    unsigned axes;
    real *dx;
    EFF_TRY(reduced_axes(&axes, c));
    EFF_TRY(eff_call_grad(c, 0, &dx));
    if (!dx) return EFF_OK;
    int64_t kept[EFF_MAX_DIMS], n = eff_tensor_numel(c->dout[0]);
    for (int i = 0; i < c->in[0]->ndim; i++) kept[i] = axes & 1u << i ? 1 : c->in[0]->shape[i];
    eff_tensor *scaled = NULL, *shaped = NULL, *view = NULL;
    eff_status status = eff_tensor_like(&scaled, c->dout[0]);
    if (status == EFF_OK) {
        real w = weight(c, n, mean), *s = eff_tensor_reals(scaled);
        const real *dy = eff_tensor_reals(c->dout[0]);
        for (int64_t i = 0; i < n; i++) s[i] = dy[i] * w;
        status = eff_tensor_reshape(&shaped, scaled, c->in[0]->ndim, kept);
    }
    if (status == EFF_OK) status = eff_tensor_expand(&view, shaped, c->in[0]->ndim, c->in[0]->shape);
    if (status == EFF_OK) status = eff_tensor_copy(c->din[0], view);
    eff_tensor_release(scaled);
    eff_tensor_release(shaped);
    eff_tensor_release(view);
    return status;
}
