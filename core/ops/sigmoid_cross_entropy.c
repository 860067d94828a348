/* sigmoid_cross_entropy: one independent yes/no question per class, for multi-label targets.
 *
 * Averaged over the batch; over the classes it is averaged or summed (the later ImageNet-21k recipes sum).
 */
#include "autograd/op.h"

enum { LOGITS, TARGETS };
enum { SMOOTHING = 2, CLASSES };

static const char *const reductions[] = {"mean", "sum", NULL};
enum { MEAN };

static eff_status shape(eff_call *c)
{
    char a[EFF_SHAPE_TEXT], b[EFF_SHAPE_TEXT];
    const eff_tensor *x = c->in[LOGITS], *t = c->in[TARGETS];
    EFF_TRY(eff_want_dtype(c, LOGITS, EFF_REAL));
    EFF_TRY(eff_want_dtype(c, TARGETS, EFF_REAL));
    EFF_TRY(eff_want_ndim(c, LOGITS, 2));
    if (!eff_tensor_same_shape(x, t) || eff_tensor_numel(x) == 0)
        return eff_fail(EFF_E_SHAPE, "sigmoid_cross_entropy: targets are %s, logits %s; wanted equal, not empty shapes",
                        eff_shape_text(b, t->ndim, t->shape), eff_shape_text(a, 2, x->shape));
    eff_spec_set(c, 0, EFF_REAL, 0, NULL);
    return EFF_OK;
}

static double target(const eff_call *c, int64_t i)
{
    double e = c->arg[SMOOTHING].f;
    return (double)eff_tensor_reals(c->in[TARGETS])[i] * (1 - e) + 0.5 * e;
}

static double weight(const eff_call *c)
{
    const int64_t *s = c->in[LOGITS]->shape;
    return 1.0 / (double)(c->arg[CLASSES].i == MEAN ? s[0] * s[1] : s[0]);
}

/* max(x, 0) - x t + log(1 + exp(-|x|)) */
static eff_status forward(eff_call *c)
{
    const real *x = eff_tensor_reals(c->in[LOGITS]);
    double loss = 0;
    for (int64_t i = 0, n = eff_tensor_numel(c->in[LOGITS]); i < n; i++) {
        double v = (double)x[i];
        loss += (v > 0 || v != v ? v : 0) - v * target(c, i) + log1p(exp(-fabs(v)));
    }
    *eff_tensor_reals(c->out[0]) = (real)(loss * weight(c));
    return EFF_OK;
}

static eff_status backward(eff_call *c)
{
    real *dx;
    EFF_TRY(eff_call_grad(c, LOGITS, &dx));
    if (!dx) return EFF_OK;
    const real *x = eff_tensor_reals(c->in[LOGITS]);
    double scale = (double)*eff_tensor_reals(c->dout[0]) * weight(c);
    for (int64_t i = 0, n = eff_tensor_numel(c->in[LOGITS]); i < n; i++)
        dx[i] = (real)(scale * (1 / (1 + exp(-(double)x[i])) - target(c, i)));
    return EFF_OK;
}

static const char *const samples[] = {"logits=3,4 targets=+3,4", "logits=2,5 targets=+2,5 classes=sum label_smoothing=0.1",
                                      NULL};

const eff_op eff_op_sigmoid_cross_entropy = {
    .name = "sigmoid_cross_entropy",
    .doc = "sigmoid cross-entropy for multi-label targets, mean over the batch",
    .args = EFF_ARGS(EFF_IN("logits", "[n][classes]"), EFF_IN("targets", "[n][classes] in 0..1, a constant"),
                     EFF_NUMBER("label_smoothing", 0, "moves each target towards 1/2"),
                     EFF_CHOICE("classes", reductions, "mean or sum over the classes")),
    .saves = EFF_SAVE_IN(0) | EFF_SAVE_IN(1),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
