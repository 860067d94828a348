/* matmul: matrix products over the last two axes; leading axes are a batch. */
#include "ops/product.h"

enum { A, B };
enum { TRANSPOSE_A = 2, TRANSPOSE_B };

typedef struct plan {
    int64_t batch; /* number of products */
    eff_gemm_shape s;
    int64_t step_a, step_b, step_c; /* elements from one product to the next; 0 shares the matrix */
} plan;

static eff_status mismatch(const eff_call *c, const char *why)
{
    char a[EFF_SHAPE_TEXT], b[EFF_SHAPE_TEXT];
    return eff_fail(EFF_E_SHAPE, "matmul: %s (a %s%s, b %s%s)", why, eff_shape_text(a, c->in[A]->ndim, c->in[A]->shape),
                    c->arg[TRANSPOSE_A].i ? " transposed" : "", eff_shape_text(b, c->in[B]->ndim, c->in[B]->shape),
                    c->arg[TRANSPOSE_B].i ? " transposed" : "");
}

static eff_status make_plan(plan *p, const eff_call *c)
{
    const eff_tensor *a = c->in[A], *b = c->in[B];
    bool ta = c->arg[TRANSPOSE_A].i, tb = c->arg[TRANSPOSE_B].i;
    if (a->ndim < 2 || b->ndim < 2) return mismatch(c, "both need at least 2 dimensions");
    int64_t rows_a = a->shape[a->ndim - 2], cols_a = a->shape[a->ndim - 1];
    int64_t rows_b = b->shape[b->ndim - 2], cols_b = b->shape[b->ndim - 1];
    p->s = (eff_gemm_shape){.m = ta ? cols_a : rows_a, .n = tb ? rows_b : cols_b, .k = ta ? rows_a : cols_a,
                            .transpose_a = ta, .transpose_b = tb};
    if (p->s.k != (tb ? cols_b : rows_b)) return mismatch(c, "the inner sizes differ");
    if (b->ndim != 2 && b->ndim != a->ndim) return mismatch(c, "b must have 2 dimensions or as many as a");
    p->batch = 1;
    for (int i = 0; i < a->ndim - 2; i++) {
        if (b->ndim != 2 && b->shape[i] != a->shape[i]) return mismatch(c, "the batch sizes differ");
        p->batch *= a->shape[i];
    }
    p->step_a = rows_a * cols_a;
    p->step_b = b->ndim == 2 ? 0 : rows_b * cols_b;
    p->step_c = p->s.m * p->s.n;
    return EFF_OK;
}

static eff_status shape(eff_call *c)
{
    plan p;
    EFF_TRY(eff_want_dtype(c, A, EFF_REAL));
    EFF_TRY(eff_want_dtype(c, B, EFF_REAL));
    EFF_TRY(make_plan(&p, c));
    eff_spec_like(c, 0, EFF_REAL, c->in[A]);
    c->spec[0].shape[c->in[A]->ndim - 2] = p.s.m;
    c->spec[0].shape[c->in[A]->ndim - 1] = p.s.n;
    return EFF_OK;
}

static eff_status forward(eff_call *c)
{
    plan p;
    EFF_TRY(make_plan(&p, c));
    const real *a = eff_tensor_reals(c->in[A]), *b = eff_tensor_reals(c->in[B]);
    for (int64_t i = 0; i < p.batch; i++)
        EFF_TRY(eff_product(eff_tensor_reals(c->out[0]) + i * p.step_c, a + i * p.step_a, b + i * p.step_b, &p.s));
    return EFF_OK;
}

/* da = dy b^T (or b dy^T when a came transposed) */
static eff_status grad_a(eff_call *c, const plan *p)
{
    real *da;
    EFF_TRY(eff_call_grad(c, A, &da));
    if (!da) return EFF_OK;
    const real *dy = eff_tensor_reals(c->dout[0]), *b = eff_tensor_reals(c->in[B]);
    for (int64_t i = 0; i < p->batch; i++) {
        const real *g = dy + i * p->step_c, *w = b + i * p->step_b;
        eff_gemm_shape s = {.m = p->s.m, .n = p->s.k, .k = p->s.n, .transpose_b = !p->s.transpose_b};
        eff_gemm_shape t = {.m = p->s.k, .n = p->s.m, .k = p->s.n, .transpose_a = p->s.transpose_b, .transpose_b = true};
        if (p->s.transpose_a) EFF_TRY(eff_product(da + i * p->step_a, w, g, &t));
        else EFF_TRY(eff_product(da + i * p->step_a, g, w, &s));
    }
    return EFF_OK;
}

/* db = a^T dy (or dy^T a when b came transposed), summed over the batch when b has none */
static eff_status grad_b(eff_call *c, const plan *p)
{
    real *db;
    EFF_TRY(eff_call_grad(c, B, &db));
    if (!db) return EFF_OK;
    const real *dy = eff_tensor_reals(c->dout[0]), *a = eff_tensor_reals(c->in[A]);
    for (int64_t i = 0; i < p->batch; i++) {
        const real *g = dy + i * p->step_c, *x = a + i * p->step_a;
        bool add = p->step_b == 0 && i > 0;
        eff_gemm_shape s = {.m = p->s.k, .n = p->s.n, .k = p->s.m, .transpose_a = !p->s.transpose_a, .accumulate = add};
        eff_gemm_shape t = {.m = p->s.n, .n = p->s.k, .k = p->s.m, .transpose_a = true, .transpose_b = p->s.transpose_a,
                            .accumulate = add};
        if (p->s.transpose_b) EFF_TRY(eff_product(db + i * p->step_b, g, x, &t));
        else EFF_TRY(eff_product(db + i * p->step_b, x, g, &s));
    }
    return EFF_OK;
}

static eff_status backward(eff_call *c)
{
    plan p;
    EFF_TRY(make_plan(&p, c));
    EFF_TRY(grad_a(c, &p));
    return grad_b(c, &p);
}

static void cost(eff_cost *cost, const eff_call *c)
{
    plan p;
    if (make_plan(&p, c) == EFF_OK) cost->flops = 2.0 * (double)p.batch * (double)p.s.m * (double)p.s.n * (double)p.s.k;
}

static const char *const samples[] = {"a=3,4 b=4,5", "a=2,3,4 b=4,5", "a=2,3,4 b=2,4,5", "a=2,4,3 b=2,4,5 transpose_a=true",
                                      "a=2,3,4 b=2,5,4 transpose_b=true",
                                      "a=2,4,3 b=5,4 transpose_a=true transpose_b=true", NULL};

const eff_op eff_op_matmul = {
    .name = "matmul",
    .doc = "matrix product over the last two axes; leading axes are a batch, which b may lack",
    .args = EFF_ARGS(EFF_IN("a", "[...][m][k]"), EFF_IN("b", "[...][k][n] or [k][n]"),
                     EFF_FLAG("transpose_a", false, "a is [...][k][m]"), EFF_FLAG("transpose_b", false, "b is [...][n][k]")),
    .saves = EFF_SAVE_IN(0) | EFF_SAVE_IN(1),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .samples = samples,
};
