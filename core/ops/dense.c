/* dense: x w + bias over the last axis. */
#include "ops/product.h"

#include "ops/broadcast.h"

enum { X, WEIGHT, BIAS };

static eff_gemm_shape sizes(const eff_call *c)
{
    int64_t in = c->in[WEIGHT]->shape[0], out = c->in[WEIGHT]->shape[1], rows = 1;
    for (int i = 0; i < c->in[X]->ndim - 1; i++) rows *= c->in[X]->shape[i];
    return (eff_gemm_shape){.m = rows, .n = out, .k = in};
}

static eff_status shape(eff_call *c)
{
    char x[EFF_SHAPE_TEXT], w[EFF_SHAPE_TEXT], b[EFF_SHAPE_TEXT];
    const eff_tensor *in = c->in[X], *weight = c->in[WEIGHT], *bias = c->in[BIAS];
    for (int i = 0; i < 3; i++) EFF_TRY(eff_want_dtype(c, i, EFF_REAL));
    EFF_TRY(eff_want_ndim(c, WEIGHT, 2));
    if (in->ndim < 1 || in->shape[in->ndim - 1] != weight->shape[0])
        return eff_fail(EFF_E_SHAPE, "dense: x has %lld features, weight expects %lld (x %s, weight %s)",
                        in->ndim ? (long long)in->shape[in->ndim - 1] : 0, (long long)weight->shape[0],
                        eff_shape_text(x, in->ndim, in->shape), eff_shape_text(w, 2, weight->shape));
    if (bias && (bias->ndim != 1 || bias->shape[0] != weight->shape[1]))
        return eff_fail(EFF_E_SHAPE, "dense: bias is %s, wanted %lld", eff_shape_text(b, bias->ndim, bias->shape),
                        (long long)weight->shape[1]);
    eff_spec_like(c, 0, EFF_REAL, in);
    c->spec[0].shape[in->ndim - 1] = weight->shape[1];
    return EFF_OK;
}

static eff_status forward(eff_call *c)
{
    eff_gemm_shape s = sizes(c);
    real *y = eff_tensor_reals(c->out[0]);
    EFF_TRY(eff_product(y, eff_tensor_reals(c->in[X]), eff_tensor_reals(c->in[WEIGHT]), &s));
    if (c->in[BIAS])
        eff_elementwise_kernels_now()->binary_rows(EFF_BINARY_ADD, y, y, eff_tensor_reals(c->in[BIAS]), 1, s.m, s.n);
    return EFF_OK;
}

static eff_status backward(eff_call *c)
{
    eff_gemm_shape s = sizes(c);
    const real *dy = eff_tensor_reals(c->dout[0]);
    real *dx, *dw, *db = NULL;
    EFF_TRY(eff_call_grad(c, X, &dx));
    EFF_TRY(eff_call_grad(c, WEIGHT, &dw));
    if (c->in[BIAS]) EFF_TRY(eff_call_grad(c, BIAS, &db));
    eff_gemm_shape for_x = {.m = s.m, .n = s.k, .k = s.n, .transpose_b = true};
    eff_gemm_shape for_w = {.m = s.k, .n = s.n, .k = s.m, .transpose_a = true};
    int64_t flat[2] = {s.m, s.n};
    if (dx) EFF_TRY(eff_product(dx, dy, eff_tensor_reals(c->in[WEIGHT]), &for_x));
    if (dw) EFF_TRY(eff_product(dw, eff_tensor_reals(c->in[X]), dy, &for_w));
    if (db) EFF_TRY(eff_sum_axes(db, dy, 2, flat, 1u));
    return EFF_OK;
}

static void cost(eff_cost *cost, const eff_call *c)
{
    eff_gemm_shape s = sizes(c);
    cost->flops = 2.0 * (double)s.m * (double)s.n * (double)s.k;
}

static const char *const samples[] = {"x=3,5 weight=5,4 bias=4", "x=2,3,7 weight=7,1", NULL};

const eff_op eff_op_dense = {
    .name = "dense",
    .doc = "x weight + bias over the last axis",
    .args = EFF_ARGS(EFF_IN("x", "[...][in]"), EFF_IN("weight", "[in][out]"), EFF_IN_OPTIONAL("bias", "[out]")),
    .saves = EFF_SAVE_IN(0) | EFF_SAVE_IN(1),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .samples = samples,
};
