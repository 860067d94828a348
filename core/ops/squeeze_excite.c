/* squeeze_excite: each channel of each image times a gate computed from the channels' means (Hu et al. 2018).
 *
 * gate = sigmoid(act(mean(x) reduce + reduce_bias) expand + expand_bias). Where x is deferred, so is the result, and
 * the gradient that goes back to it: no array of x's size is made in either direction.
 */
#include "autograd/deferred.h"
#include "base/pool.h"
#include "ops/broadcast.h"
#include "ops/product.h"

#include <string.h>

enum { X, REDUCE, REDUCE_BIAS, EXPAND, EXPAND_BIAS, GIVEN_MEAN };
enum { ACTIVATION = 5 };
enum { Y, MEAN, SQUEEZED, GATE };

static const char *const activations[] = {"silu", "relu", NULL};

static eff_status check_weights(const eff_call *c)
{
    int64_t channels = c->in[X]->shape[3];
    const int64_t *reduce = c->in[REDUCE]->shape, *expand = c->in[EXPAND]->shape;
    if (reduce[0] != channels || expand[1] != channels || reduce[1] != expand[0] ||
        c->in[REDUCE_BIAS]->shape[0] != reduce[1] || c->in[EXPAND_BIAS]->shape[0] != channels)
        return eff_fail(
            EFF_E_SHAPE,
            "squeeze_excite: x has %lld channels, the weights are %lldx%lld (bias %lld) and %lldx%lld (bias %lld), "
            "wanted [c][q], [q], [q][c] and [c]",
            (long long)channels, (long long)reduce[0], (long long)reduce[1], (long long)c->in[REDUCE_BIAS]->shape[0],
            (long long)expand[0], (long long)expand[1], (long long)c->in[EXPAND_BIAS]->shape[0]);
    return EFF_OK;
}

/* Whoever has computed the mean already, hands it in; backward knows nothing of that. */
static eff_status check_mean(const eff_call *c)
{
    const eff_tensor *mean = c->in[GIVEN_MEAN];
    if (!mean) return EFF_OK;
    if (c->training)
        return eff_fail(EFF_E_STATE, "squeeze_excite: with a given mean there is no gradient (use it within no_grad)");
    EFF_TRY(eff_want_dtype(c, GIVEN_MEAN, EFF_REAL));
    EFF_TRY(eff_want_ndim(c, GIVEN_MEAN, 2));
    const int64_t *x = c->in[X]->shape;
    if (mean->shape[0] == x[0] && mean->shape[1] == x[3]) return EFF_OK;
    return eff_fail(EFF_E_SHAPE, "squeeze_excite: mean is %lldx%lld, wanted %lldx%lld, images x channels",
                    (long long)mean->shape[0], (long long)mean->shape[1], (long long)x[0], (long long)x[3]);
}

static eff_status shape(eff_call *c)
{
    for (int i = X; i <= EXPAND_BIAS; i++) {
        static const int axes[] = {4, 2, 1, 2, 1};
        EFF_TRY(eff_want_dtype(c, i, EFF_REAL));
        EFF_TRY(eff_want_ndim(c, i, axes[i]));
    }
    EFF_TRY(check_weights(c));
    EFF_TRY(check_mean(c));
    const int64_t *x = c->in[X]->shape;
    if (x[1] * x[2] == 0) return eff_fail(EFF_E_SHAPE, "squeeze_excite: an image without pixels");
    eff_spec_like(c, Y, EFF_REAL, c->in[X]);
    c->spec[Y].deferred = eff_is_scaled(c->in[X]) && !eff_is_gated(c->in[X]);
    eff_spec_set(c, MEAN, EFF_REAL, 2, (int64_t[]){x[0], x[3]});
    eff_spec_set(c, SQUEEZED, EFF_REAL, 2, (int64_t[]){x[0], c->in[REDUCE]->shape[1]});
    eff_spec_set(c, GATE, EFF_REAL, 2, (int64_t[]){x[0], x[3]});
    return EFF_OK;
}

static eff_unary activation(const eff_call *c) { return c->arg[ACTIVATION].i == 0 ? EFF_UNARY_SILU : EFF_UNARY_RELU; }

static eff_status dense(real *y, const real *x, const eff_call *c, int weight, int64_t n)
{
    const int64_t *w = c->in[weight]->shape;
    eff_gemm_shape s = {.m = n, .n = w[1], .k = w[0]};
    EFF_TRY(eff_product(y, x, eff_tensor_reals(c->in[weight]), &s));
    eff_elementwise_kernels_now()->binary_rows(EFF_BINARY_ADD, y, y, eff_tensor_reals(c->in[weight + 1]), 1, n, w[1]);
    return EFF_OK;
}

/* gate from the means; active [n][q] is scratch */
static eff_status find_gate(eff_call *c, real *active)
{
    const eff_elementwise_kernels *k = eff_elementwise_kernels_now();
    int64_t n = c->in[X]->shape[0], channels = c->in[X]->shape[3], q = c->in[REDUCE]->shape[1];
    real *squeezed = eff_tensor_reals(c->out[SQUEEZED]), *gate = eff_tensor_reals(c->out[GATE]);
    EFF_TRY(dense(squeezed, eff_tensor_reals(c->out[MEAN]), c, REDUCE, n));
    k->unary(activation(c), active, squeezed, n * q);
    EFF_TRY(dense(gate, active, c, EXPAND, n));
    k->unary(EFF_UNARY_SIGMOID, gate, gate, n * channels);
    return EFF_OK;
}

static eff_status apply_gate(eff_call *c)
{
    const int64_t *s = c->in[X]->shape;
    eff_tensor *x;
    EFF_TRY(eff_computed(&x, c->in[X]));
    eff_elementwise_kernels_now()->binary_rows(EFF_BINARY_MUL, eff_tensor_reals(c->out[Y]), eff_tensor_reals(x),
                                               eff_tensor_reals(c->out[GATE]), s[0], s[1] * s[2], s[3]);
    eff_tensor_release(x);
    return EFF_OK;
}

static void find_mean(eff_call *c)
{
    const int64_t *x = c->in[X]->shape, pixels = x[1] * x[2], count = x[0] * x[3];
    real *mean = eff_tensor_reals(c->out[MEAN]);
    if (c->in[GIVEN_MEAN]) {
        memcpy(mean, eff_tensor_reals(c->in[GIVEN_MEAN]), (size_t)count * sizeof *mean);
        return;
    }
    eff_conv_input in = eff_read_input(c->in[X]);
    eff_norm_kernels_now()->image_sums(mean, &in, NULL, x[0], pixels, x[3]);
    for (int64_t i = 0; i < count; i++) mean[i] /= (real)pixels;
}

static eff_status forward(eff_call *c)
{
    find_mean(c);
    real *active = eff_pool_alloc((size_t)eff_tensor_numel(c->out[SQUEEZED]) * sizeof *active);
    if (!active) return eff_fail(EFF_E_MEMORY, "squeeze_excite: no memory for scratch");
    eff_status status = find_gate(c, active);
    eff_pool_free(active);
    if (status != EFF_OK) return status;
    return c->spec[Y].deferred ? eff_defer_gated(c->out[Y], c->in[X], c->out[GATE]) : apply_gate(c);
}

/* ---- backward ---- */

/* dw and db of y = x w + b, and dx = dy w^T where dx is not NULL */
static eff_status dense_backward(eff_call *c, int weight, real *dx, const real *dy, const real *x, int64_t n)
{
    const int64_t *w = c->in[weight]->shape, flat[2] = {n, w[1]};
    real *dw, *db;
    EFF_TRY(eff_call_grad(c, weight, &dw));
    EFF_TRY(eff_call_grad(c, weight + 1, &db));
    eff_gemm_shape for_x = {.m = n, .n = w[0], .k = w[1], .transpose_b = true};
    eff_gemm_shape for_w = {.m = w[0], .n = w[1], .k = n, .transpose_a = true};
    if (dw) EFF_TRY(eff_product(dw, x, dy, &for_w));
    if (db) EFF_TRY(eff_sum_axes(db, dy, 2, flat, 1u));
    return eff_product(dx, dy, eff_tensor_reals(c->in[weight]), &for_x);
}

/* From the gate's gradient to the weights' and to the level that the mean sends to every pixel */
static eff_status gate_backward(eff_call *c, real *level, real *dgate, real *active, real *dsqueezed)
{
    const eff_elementwise_kernels *k = eff_elementwise_kernels_now();
    const int64_t *x = c->in[X]->shape, n = x[0], q = c->in[REDUCE]->shape[1];
    const real *squeezed = eff_tensor_reals(c->out[SQUEEZED]), *gate = eff_tensor_reals(c->out[GATE]);
    k->unary_backward(EFF_UNARY_SIGMOID, dgate, dgate, gate, gate, n * x[3]);
    k->unary(activation(c), active, squeezed, n * q);
    EFF_TRY(dense_backward(c, EXPAND, dsqueezed, dgate, active, n));
    k->unary_backward(activation(c), dsqueezed, dsqueezed, squeezed, active, n * q);
    EFF_TRY(dense_backward(c, REDUCE, level, dsqueezed, eff_tensor_reals(c->out[MEAN]), n));
    for (int64_t i = 0; i < n * x[3]; i++) level[i] /= (real)(x[1] * x[2]);
    return EFF_OK;
}

/* dx = dy * gate + level, deferred where x was */
static eff_status hand_gradient_on(eff_call *c, eff_tensor *level)
{
    if (!c->wants[X]) return EFF_OK;
    EFF_TRY(eff_tensor_shape_only(&c->din[X], c->in[X]));
    EFF_TRY(eff_defer_gradient(c->din[X], c->dout[Y], c->out[GATE], level));
    return eff_is_scaled(c->in[X]) ? EFF_OK : eff_settle(c->din[X]);
}

static eff_status backward(eff_call *c)
{
    const int64_t *x = c->in[X]->shape, squeezed = eff_tensor_numel(c->out[SQUEEZED]), gates = x[0] * x[3];
    eff_conv_input in = eff_read_input(c->in[X]);
    eff_tensor *level = NULL;
    EFF_TRY(eff_tensor_like(&level, c->out[GATE]));
    real *scratch = eff_pool_alloc((size_t)(gates + 2 * squeezed) * sizeof *scratch);
    eff_status status = scratch ? EFF_OK : eff_fail(EFF_E_MEMORY, "squeeze_excite: no memory for scratch");
    if (status == EFF_OK) {
        eff_norm_kernels_now()->image_sums(scratch, &in, eff_tensor_reals(c->dout[Y]), x[0], x[1] * x[2], x[3]);
        status = gate_backward(c, eff_tensor_reals(level), scratch, scratch + gates, scratch + gates + squeezed);
    }
    if (status == EFF_OK) status = hand_gradient_on(c, level);
    eff_pool_free(scratch);
    eff_tensor_release(level);
    return status;
}

static const char *const samples[] = {
    "x=2,3,4,5 reduce_weight=5,2 reduce_bias=2 expand_weight=2,5 expand_bias=5",
    "x=3,2,2,17 reduce_weight=17,4 reduce_bias=4 expand_weight=4,17 expand_bias=17 activation=relu",
    "x=1,1,1,3 reduce_weight=3,1 reduce_bias=1 expand_weight=1,3 expand_bias=3", NULL};

const eff_op eff_op_squeeze_excite = {
    .name = "squeeze_excite",
    .doc = "x times the gate sigmoid(act(mean over the pixels reduce + bias) expand + bias) of its image and channel",
    .args = EFF_ARGS(EFF_IN("x", "[n][h][w][c]"), EFF_IN("reduce_weight", "[c][q]"), EFF_IN("reduce_bias", "[q]"),
                     EFF_IN("expand_weight", "[q][c]"), EFF_IN("expand_bias", "[c]"),
                     EFF_CHOICE("activation", activations, "silu or relu, after the first product"),
                     EFF_IN_OPTIONAL("mean", "[n][c]: the mean over the pixels, where it is known; has no gradient")),
    .hidden = 3,
    .flags = EFF_READS_DEFERRED,
    .saves = EFF_SAVE_IN(0) | EFF_SAVE_IN(1) | EFF_SAVE_IN(3) | EFF_SAVE_OUT(1) | EFF_SAVE_OUT(2) | EFF_SAVE_OUT(3),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .samples = samples,
};
