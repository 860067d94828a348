/* conv2d: two-dimensional convolution of NHWC images; depthwise when groups equals the channels. */
#include "autograd/deferred.h"
#include "base/pool.h"
#include "kernels/variants.h"
#include "ops/broadcast.h"
#include "ops/conv_packing.h"
#include "ops/window.h"

#include <string.h>

enum { X, WEIGHT, BIAS, ADD };
enum { STRIDE = 3, PADDING, DILATION, GROUPS, ACTIVATION, ADD_LAST = 9, KEEP_PACKED, RECOMPUTE };

static const char *const activations[] = {"none", "relu", "silu", NULL};

static eff_status geometry(eff_conv_shape *s, const eff_call *c)
{
    const int64_t *x = c->in[X]->shape, *w = c->in[WEIGHT]->shape;
    eff_window win = {.kernel = {w[0], w[1]}};
    EFF_TRY(eff_pair_parse(win.stride, c, "stride", &c->arg[STRIDE], 1));
    EFF_TRY(eff_pair_parse(win.dilation, c, "dilation", &c->arg[DILATION], 1));
    EFF_TRY(eff_window_fit(&win, c, &c->arg[PADDING], x[1], x[2]));
    *s = (eff_conv_shape){.n = x[0], .h = x[1], .w = x[2], .c = x[3], .oh = win.out[0], .ow = win.out[1], .o = w[3],
                          .kh = w[0], .kw = w[1], .stride_h = win.stride[0], .stride_w = win.stride[1],
                          .dilation_h = win.dilation[0], .dilation_w = win.dilation[1], .pad_top = win.before[0],
                          .pad_left = win.before[1], .groups = c->arg[GROUPS].i};
    return EFF_OK;
}

static eff_status check_channels(const eff_call *c)
{
    char x[EFF_SHAPE_TEXT], w[EFF_SHAPE_TEXT];
    const eff_tensor *in = c->in[X], *weight = c->in[WEIGHT], *bias = c->in[BIAS];
    int64_t groups = c->arg[GROUPS].i;
    eff_shape_text(x, 4, in->shape);
    eff_shape_text(w, 4, weight->shape);
    if (eff_tensor_numel(weight) == 0)
        return eff_fail(EFF_E_SHAPE, "conv2d: weight is %s, wanted at least 1 along each axis", w);
    if (groups < 1 || in->shape[3] % groups || weight->shape[3] % groups)
        return eff_fail(EFF_E_ARGUMENT, "conv2d: %lld groups do not divide the channels (x %s, weight %s)",
                        (long long)groups, x, w);
    if (weight->shape[2] * groups != in->shape[3])
        return eff_fail(EFF_E_SHAPE, "conv2d: x has %lld channels, weight expects %lld (x %s, weight %s, groups %lld)%s",
                        (long long)in->shape[3], (long long)(weight->shape[2] * groups), x, w, (long long)groups,
                        weight->shape[2] * groups == in->shape[1] ? "; channels come last: x:permute { 1, 3, 4, 2 }" : "");
    if (bias && (bias->ndim != 1 || bias->shape[0] != weight->shape[3]))
        return eff_fail(EFF_E_SHAPE, "conv2d: bias needs %lld elements (weight %s)", (long long)weight->shape[3], w);
    return EFF_OK;
}

/* The activation and the residual path are for inference: backward knows nothing of them. */
static eff_status check_epilogue(const eff_call *c, const eff_conv_shape *s)
{
    char add[EFF_SHAPE_TEXT], y[EFF_SHAPE_TEXT];
    const eff_tensor *t = c->in[ADD];
    if (c->training && (t || c->arg[ACTIVATION].i))
        return eff_fail(EFF_E_STATE, "conv2d: activation and add have no gradient (use them within no_grad, or apply "
                                     "relu, silu and + to the result)");
    int64_t shape[4] = {s->n, s->oh, s->ow, s->o};
    if (!t || (t->ndim == 4 && memcmp(t->shape, shape, sizeof shape) == 0)) return EFF_OK;
    return eff_fail(EFF_E_SHAPE, "conv2d: add is %s, wanted the result's %s", eff_shape_text(add, t->ndim, t->shape),
                    eff_shape_text(y, 4, shape));
}

static eff_status shape(eff_call *c)
{
    eff_conv_shape s;
    for (int i = 0; i < 4; i++) EFF_TRY(eff_want_dtype(c, i, EFF_REAL));
    EFF_TRY(eff_want_ndim(c, X, 4));
    EFF_TRY(eff_want_ndim(c, WEIGHT, 4));
    EFF_TRY(check_channels(c));
    EFF_TRY(geometry(&s, c));
    EFF_TRY(check_epilogue(c, &s));
    eff_spec_set(c, 0, EFF_REAL, 4, (int64_t[]){s.n, s.oh, s.ow, s.o});
    return EFF_OK;
}

static const eff_conv_kernels *kernels_for(const eff_conv_shape *s)
{
    return s->groups > 1 && s->groups == s->c ? eff_depthwise_kernels(s) : eff_conv2d_kernels(s);
}

static eff_status take_scratch(void **scratch, const eff_conv_kernels *k, const eff_conv_shape *s, eff_pass pass)
{
    size_t bytes = k->scratch(s, pass);
    *scratch = bytes ? eff_pool_alloc(bytes) : NULL;
    if (bytes && !*scratch) return eff_fail(EFF_E_MEMORY, "conv2d: no memory for %zu bytes of scratch", bytes);
    return EFF_OK;
}

/* What the pass reads: a deferred x as it is where the kernel can, else computed into *computed. */
static eff_status open_input(eff_conv_input *in, eff_tensor **computed, const eff_call *c, const eff_conv_kernels *k,
                             const eff_conv_shape *s, eff_pass pass)
{
    *computed = NULL;
    bool as_is = !eff_is_scaled(c->in[X]) || (k->reads_scaled && k->reads_scaled(s, pass));
    if (!as_is) EFF_TRY(eff_computed(computed, c->in[X]));
    *in = eff_read_input(as_is ? c->in[X] : *computed);
    return EFF_OK;
}

static eff_conv_output output(const eff_call *c)
{
    const eff_tensor *bias = c->in[BIAS], *add = c->in[ADD];
    return (eff_conv_output){.y = eff_tensor_reals(c->out[0]), .bias = bias ? eff_tensor_reals(bias) : NULL,
                             .add = add ? eff_tensor_reals(add) : NULL,
                             .act = (eff_activation)c->arg[ACTIVATION].i, .add_last = c->arg[ADD_LAST].i};
}

static eff_status forward(eff_call *c)
{
    eff_conv_shape s;
    eff_conv_input in;
    eff_tensor *computed;
    void *scratch;
    const void *packed = NULL;
    EFF_TRY(geometry(&s, c));
    s.weights_kept = c->arg[KEEP_PACKED].i;
    const eff_conv_kernels *k = kernels_for(&s);
    if (s.weights_kept && k->pack) EFF_TRY(eff_conv_packed(&packed, c->in[WEIGHT], k->packed_bytes, k->pack, &s));
    EFF_TRY(open_input(&in, &computed, c, k, &s, EFF_FORWARD));
    eff_conv_output out = output(c);
    eff_status status = take_scratch(&scratch, k, &s, EFF_FORWARD);
    if (status == EFF_OK) {
        if (packed)
            k->forward_packed(&out, &in, packed, &s, scratch);
        else
            k->forward(&out, &in, eff_tensor_reals(c->in[WEIGHT]), &s, scratch);
        eff_pool_free(scratch);
    }
    eff_tensor_release(computed);
    return status == EFF_OK && c->training && c->arg[RECOMPUTE].i ? eff_recompute_later(c) : status;
}

static eff_status weight_gradient(real *dw, const eff_call *c, const eff_conv_kernels *k, const eff_conv_shape *s)
{
    eff_conv_input in;
    eff_tensor *computed;
    void *scratch;
    EFF_TRY(open_input(&in, &computed, c, k, s, EFF_BACKWARD_WEIGHTS));
    eff_status status = take_scratch(&scratch, k, s, EFF_BACKWARD_WEIGHTS);
    if (status == EFF_OK) {
        k->backward_weights(dw, eff_tensor_reals(c->dout[0]), &in, s, scratch);
        eff_pool_free(scratch);
    }
    eff_tensor_release(computed);
    return status;
}

static eff_status backward(eff_call *c)
{
    eff_conv_shape s;
    void *scratch;
    real *dx, *dw, *db = NULL;
    const real *dy = eff_tensor_reals(c->dout[0]);
    EFF_TRY(geometry(&s, c));
    const eff_conv_kernels *k = kernels_for(&s);
    EFF_TRY(eff_call_grad(c, X, &dx));
    EFF_TRY(eff_call_grad(c, WEIGHT, &dw));
    if (c->in[BIAS]) EFF_TRY(eff_call_grad(c, BIAS, &db));
    if (dx) {
        EFF_TRY(take_scratch(&scratch, k, &s, EFF_BACKWARD_DATA));
        k->backward_data(dx, dy, eff_tensor_reals(c->in[WEIGHT]), &s, scratch);
        eff_pool_free(scratch);
    }
    if (dw) EFF_TRY(weight_gradient(dw, c, k, &s));
    return db ? eff_sum_axes(db, dy, 4, c->dout[0]->shape, 7u) : EFF_OK;
}

static void cost(eff_cost *cost, const eff_call *c)
{
    eff_conv_shape s;
    if (geometry(&s, c) == EFF_OK)
        cost->flops = 2.0 * (double)(s.n * s.oh * s.ow * s.o) * (double)(s.kh * s.kw * (s.c / s.groups));
}

static const char *const samples[] = {
    "x=2,5,6,3 weight=3,3,3,4 bias=4 padding=1",
    "x=2,6,5,3 weight=3,3,3,4 stride=2 padding=same",
    "x=1,7,7,4 weight=5,5,1,4 groups=4 stride=2 padding=same",
    "x=2,4,5,6 weight=3,2,3,4 groups=2 padding=0,1,1,0",
    "x=1,7,8,2 weight=3,3,2,3 dilation=2 padding=2 stride=1,2",
    "x=3,4,4,5 weight=1,1,5,7",
    "x=1,1,1,1 weight=1,1,1,1 bias=1",
    "x=2,6,6,3 weight=3,3,1,6 groups=3 padding=1",
    NULL};

const eff_op eff_op_conv2d = {
    .name = "conv2d",
    .doc = "two-dimensional convolution (cross-correlation) of NHWC images",
    .args = EFF_ARGS(EFF_IN("x", "[n][h][w][c]"), EFF_IN("weight", "[kh][kw][c / groups][o]"),
                     EFF_IN_OPTIONAL("bias", "[o]"), EFF_INTS("stride", "one number or {vertical, horizontal}; default 1"),
                     EFF_INTS_OR_WORD("padding", eff_padding_words, EFF_PADDING_DOC),
                     EFF_INTS("dilation", "one number or {vertical, horizontal}; default 1"),
                     EFF_INT("groups", 1, "groups of channels that do not mix; equal to c: depthwise"),
                     EFF_CHOICE("activation", activations, "none, relu or silu, on the way out; has no gradient"),
                     EFF_IN_OPTIONAL("add", "as the result: added before the activation; has no gradient"),
                     EFF_FLAG("add_last", false, "add after the activation"),
                     EFF_FLAG("keep_packed", false, "keep the weight in the kernels' order too, until it is written to: "
                                                    "for weights that stay the same from call to call"),
                     EFF_FLAG("recompute", false, "let backward compute the result again rather than keep it")),
    .flags = EFF_READS_DEFERRED,
    .saves = EFF_SAVE_IN(0) | EFF_SAVE_IN(1),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .samples = samples,
};
