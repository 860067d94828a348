/* one_hot: labels to rows of zeros and a one. */
#include "autograd/op.h"

#include <string.h>

enum { LABELS, CLASSES };

static eff_status shape(eff_call *c)
{
    int64_t classes = c->arg[CLASSES].i;
    EFF_TRY(eff_want_dtype(c, LABELS, EFF_I64));
    EFF_TRY(eff_want_ndim(c, LABELS, 1));
    if (classes < 1) return eff_fail(EFF_E_ARGUMENT, "one_hot: classes is %lld, must be at least 1", (long long)classes);
    eff_spec_set(c, 0, EFF_REAL, 2, (int64_t[]){c->in[LABELS]->shape[0], classes});
    return EFF_OK;
}

static eff_status forward(eff_call *c)
{
    const int64_t *label = eff_tensor_data(c->in[LABELS]);
    int64_t n = c->in[LABELS]->shape[0], classes = c->arg[CLASSES].i;
    real *y = eff_tensor_reals(c->out[0]);
    memset(y, 0, (size_t)(n * classes) * sizeof *y);
    for (int64_t i = 0; i < n; i++) {
        if (label[i] < 0 || label[i] >= classes)
            return eff_fail(EFF_E_ARGUMENT, "one_hot: label %lld is outside 0..%lld", (long long)label[i],
                            (long long)classes - 1);
        y[i * classes + label[i]] = 1;
    }
    return EFF_OK;
}

static const char *const samples[] = {"labels=<4>5 classes=4", NULL};

const eff_op eff_op_one_hot = {
    .name = "one_hot",
    .doc = "rows of zeros with a one at the label",
    .args = EFF_ARGS(EFF_IN("labels", "int64 [n], 0-based"), EFF_INT("classes", 0, "length of the rows")),
    .shape = shape,
    .forward = forward,
    .backward = eff_no_grad,
    .samples = samples,
};
