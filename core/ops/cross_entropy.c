/* cross_entropy: softmax cross-entropy with label smoothing, mean over the batch.
 *
 * Targets are class labels (int64, 0-based) or a distribution over the classes for each row (Mixup, multi-hot
 * labels divided by their number). Smoothing as TensorFlow has it: target * (1 - e) + e / classes.
 */
#include "ops/softmax_rows.h"

enum { LOGITS, TARGETS };
enum { SMOOTHING = 2 };
enum { LOSS, LOG_SUM };

static bool labels(const eff_call *c) { return c->in[TARGETS]->dtype == EFF_I64; }

static eff_status check_labels(const eff_call *c)
{
    if (!c->in[TARGETS]->storage) return EFF_OK;
    const int64_t *label = eff_tensor_data(c->in[TARGETS]);
    int64_t classes = c->in[LOGITS]->shape[1];
    for (int64_t i = 0; i < c->in[TARGETS]->shape[0]; i++)
        if (label[i] < 0 || label[i] >= classes)
            return eff_fail(EFF_E_ARGUMENT, "cross_entropy: label %lld of row %lld is outside 0..%lld (the logits have %lld classes)",
                            (long long)label[i], (long long)i + 1, (long long)classes - 1, (long long)classes);
    return EFF_OK;
}

static eff_status shape(eff_call *c)
{
    char a[EFF_SHAPE_TEXT], b[EFF_SHAPE_TEXT];
    const eff_tensor *x = c->in[LOGITS], *t = c->in[TARGETS];
    EFF_TRY(eff_want_dtype(c, LOGITS, EFF_REAL));
    EFF_TRY(eff_want_ndim(c, LOGITS, 2));
    if (x->shape[0] < 1 || x->shape[1] < 1)
        return eff_fail(EFF_E_SHAPE, "cross_entropy: logits are empty (%s)", eff_shape_text(a, 2, x->shape));
    bool fits = labels(c) ? t->ndim == 1 && t->shape[0] == x->shape[0]
                          : t->dtype == EFF_REAL && eff_tensor_same_shape(x, t);
    if (!fits)
        return eff_fail(EFF_E_SHAPE, "cross_entropy: targets are %s %s; wanted int64 [%lld] or %s [%lld][%lld] (logits %s)",
                        eff_dtype_name(t->dtype), eff_shape_text(b, t->ndim, t->shape), (long long)x->shape[0],
                        EFF_REAL_NAME, (long long)x->shape[0], (long long)x->shape[1], eff_shape_text(a, 2, x->shape));
    if (!(c->arg[SMOOTHING].f >= 0 && c->arg[SMOOTHING].f < 1))
        return eff_fail(EFF_E_ARGUMENT, "cross_entropy: label_smoothing is %g, must be in [0, 1)", c->arg[SMOOTHING].f);
    if (labels(c)) EFF_TRY(check_labels(c));
    eff_spec_set(c, LOSS, EFF_REAL, 0, NULL);
    eff_spec_set(c, LOG_SUM, EFF_REAL, 1, x->shape);
    return EFF_OK;
}

/* The smoothed target of class i in a row. */
static double target(const eff_call *c, int64_t row, int64_t i, int64_t classes)
{
    const eff_tensor *t = c->in[TARGETS];
    double e = c->arg[SMOOTHING].f;
    double raw = labels(c) ? ((const int64_t *)eff_tensor_data(t))[row] == i : (double)eff_tensor_reals(t)[row * classes + i];
    return raw * (1 - e) + e / (double)classes;
}

static eff_status forward(eff_call *c)
{
    int64_t rows = c->in[LOGITS]->shape[0], n = c->in[LOGITS]->shape[1];
    const real *x = eff_tensor_reals(c->in[LOGITS]);
    double loss = 0;
    for (int64_t row = 0; row < rows; row++) {
        double total = eff_log_sum_exp(x + row * n, n);
        for (int64_t i = 0; i < n; i++) {
            double t = target(c, row, i, n);
            if (t != 0) loss += t * (total - (double)x[row * n + i]);
        }
        eff_tensor_reals(c->out[LOG_SUM])[row] = (real)total;
    }
    *eff_tensor_reals(c->out[LOSS]) = (real)(loss / (double)rows);
    return EFF_OK;
}

/* dlogits = (softmax * sum(targets) - targets) / rows * dloss */
static eff_status backward(eff_call *c)
{
    real *dx;
    EFF_TRY(eff_call_grad(c, LOGITS, &dx));
    if (!dx) return EFF_OK;
    int64_t rows = c->in[LOGITS]->shape[0], n = c->in[LOGITS]->shape[1];
    const real *x = eff_tensor_reals(c->in[LOGITS]), *total = eff_tensor_reals(c->out[LOG_SUM]);
    double scale = (double)*eff_tensor_reals(c->dout[LOSS]) / (double)rows;
    for (int64_t row = 0; row < rows; row++) {
        double mass = 0;
        for (int64_t i = 0; i < n; i++) mass += target(c, row, i, n);
        for (int64_t i = 0; i < n; i++) {
            double p = (double)real_exp(x[row * n + i] - total[row]);
            dx[row * n + i] = (real)(scale * (p * mass - target(c, row, i, n)));
        }
    }
    return EFF_OK;
}

static const char *const samples[] = {"logits=4,5 targets=<5>4", "logits=3,7 targets=<7>3 label_smoothing=0.1",
                                      "logits=3,4 targets=+3,4 label_smoothing=0.2", "logits=1,1 targets=<1>1", NULL};

const eff_op eff_op_cross_entropy = {
    .name = "cross_entropy",
    .doc = "softmax cross-entropy, mean over the batch",
    .args = EFF_ARGS(EFF_IN("logits", "[n][classes]"),
                     EFF_IN("targets", "int64 [n] of 0-based labels, or [n][classes] of probabilities (a constant)"),
                     EFF_NUMBER("label_smoothing", 0, "mixes each target with the uniform distribution")),
    .hidden = 1,
    .saves = EFF_SAVE_IN(0) | EFF_SAVE_IN(1) | EFF_SAVE_OUT(1),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
