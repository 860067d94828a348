/* in_top_k: whether the label's logit is among the k largest of its row; for top-1 and top-5 accuracy. */
#include "autograd/op.h"

enum { LOGITS, LABELS, K };

static eff_status shape(eff_call *c)
{
    char a[EFF_SHAPE_TEXT], b[EFF_SHAPE_TEXT];
    EFF_TRY(eff_want_dtype(c, LOGITS, EFF_REAL));
    EFF_TRY(eff_want_dtype(c, LABELS, EFF_I64));
    EFF_TRY(eff_want_ndim(c, LOGITS, 2));
    if (c->in[LABELS]->ndim != 1 || c->in[LABELS]->shape[0] != c->in[LOGITS]->shape[0])
        return eff_fail(EFF_E_SHAPE, "in_top_k: labels are %s, logits %s",
                        eff_shape_text(b, c->in[LABELS]->ndim, c->in[LABELS]->shape),
                        eff_shape_text(a, 2, c->in[LOGITS]->shape));
    eff_spec_like(c, 0, EFF_U8, c->in[LABELS]);
    return EFF_OK;
}

/* Ties go to the lower class, a NaN is never in the top. */
static bool row_hit(const real *x, int64_t classes, int64_t label, int64_t k)
{
    if (label < 0 || label >= classes || x[label] != x[label]) return false;
    int64_t before = 0;
    for (int64_t i = 0; i < classes; i++)
        if (x[i] > x[label] || (x[i] == x[label] && i < label)) before++;
    return before < k;
}

static eff_status forward(eff_call *c)
{
    int64_t n = c->in[LOGITS]->shape[0], classes = c->in[LOGITS]->shape[1];
    const int64_t *label = eff_tensor_data(c->in[LABELS]);
    uint8_t *hit = eff_tensor_data(c->out[0]);
    for (int64_t i = 0; i < n; i++)
        hit[i] = row_hit(eff_tensor_reals(c->in[LOGITS]) + i * classes, classes, label[i], c->arg[K].i);
    return EFF_OK;
}

static const char *const samples[] = {"logits=6,7 labels=<7>6 k=2", "logits=1,1 labels=<1>1", NULL};

const eff_op eff_op_in_top_k = {
    .name = "in_top_k",
    .doc = "1 where the label's logit is among the k largest of its row, else 0",
    .args = EFF_ARGS(EFF_IN("logits", "[n][classes]"), EFF_IN("labels", "int64 [n], 0-based"),
                     EFF_INT("k", 1, "how many count as right")),
    .shape = shape,
    .forward = forward,
    .backward = eff_no_grad,
    .samples = samples,
};
