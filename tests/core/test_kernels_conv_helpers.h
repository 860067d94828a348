/* What the tests of the convolution kernels share: every variant of a family against the reference, forwards, backwards
 * and with every epilogue, and with the same bits at any thread count. */
#ifndef TEST_KERNELS_CONV_HELPERS_H
#define TEST_KERNELS_CONV_HELPERS_H

#include "test_kernels_helpers.h"

typedef struct arrays {
    real *x, *w, *bias, *dy, *add;
    int64_t x_count, w_count, y_count;
} arrays;

static inline eff_conv_shape shape(int64_t n, int64_t h, int64_t w, int64_t c, int64_t o, int64_t k, int64_t stride)
{
    return (eff_conv_shape){.n = n, .h = h, .w = w, .c = c, .o = o, .kh = k, .kw = k, .stride_h = stride,
                            .stride_w = stride, .dilation_h = 1, .dilation_w = 1, .pad_top = (k - 1) / 2,
                            .pad_left = (k - 1) / 2, .groups = 1, .oh = (h + stride - 1) / stride,
                            .ow = (w + stride - 1) / stride};
}

static inline arrays make_arrays(const eff_conv_shape *s)
{
    arrays a = {.x_count = s->n * s->h * s->w * s->c,
                .w_count = s->kh * s->kw * s->c / s->groups * s->o,
                .y_count = s->n * s->oh * s->ow * s->o};
    a.x = normal(a.x_count, 1);
    a.w = normal(a.w_count, 2);
    a.bias = normal(s->o, 3);
    a.dy = normal(a.y_count, 4);
    a.add = normal(a.y_count, 5);
    return a;
}

static inline void free_arrays(arrays *a)
{
    free(a->x);
    free(a->w);
    free(a->bias);
    free(a->dy);
    free(a->add);
}

static inline int64_t output_count(const arrays *a, eff_pass pass)
{
    return pass == EFF_FORWARD ? a->y_count : pass == EFF_BACKWARD_DATA ? a->x_count : a->w_count;
}

/* Scratch memory, all NaN: a kernel must not read what it has not written */
static inline void *make_scratch(size_t bytes)
{
    bytes = (bytes + 63) / 64 * 64;
    void *scratch = aligned_alloc(64, bytes);
    memset(scratch, 0xff, bytes);
    return scratch;
}

static inline real *run_pass(const eff_conv_kernels *k, const eff_conv_shape *s, eff_pass pass, const real *x,
                             const real *w, eff_conv_output to, const real *dy, int64_t count)
{
    void *scratch = make_scratch(k->scratch(s, pass));
    eff_conv_input in = {.x = x};
    real *out = to.y = unset(count);
    if (pass == EFF_FORWARD) k->forward(&to, &in, w, s, scratch);
    if (pass == EFF_BACKWARD_DATA) k->backward_data(out, dy, w, s, scratch);
    if (pass == EFF_BACKWARD_WEIGHTS) k->backward_weights(out, dy, &in, s, scratch);
    free(scratch);
    return out;
}

static inline real *run_packed(const eff_conv_kernels *k, const eff_conv_shape *s, const arrays *a, eff_conv_output to)
{
    void *scratch = make_scratch(k->scratch(s, EFF_FORWARD)), *packed = make_scratch(k->packed_bytes(s));
    to.y = unset(a->y_count);
    k->pack(packed, a->w, s);
    k->forward_packed(&to, &(eff_conv_input){.x = a->x}, packed, s, scratch);
    free(scratch);
    free(packed);
    return to.y;
}

/* Terms of the longest sum of the pass */
static inline double terms(const eff_conv_shape *s, eff_pass pass)
{
    if (pass == EFF_BACKWARD_WEIGHTS) return (double)(s->n * s->oh * s->ow);
    return (double)(s->kh * s->kw * (pass == EFF_FORWARD ? s->c : s->o) / s->groups);
}

/* A variant against what the reference wants, at one thread; then its bits at more, and with packed weights */
static inline void check_variant(const eff_variant *v, const eff_conv_shape *s, const arrays *a, eff_pass pass,
                                 eff_conv_output to, const real *want, const real *scale, double factor)
{
    static const char *const names[] = {"forward", "backward_data", "backward_weights"};
    const eff_conv_kernels *k = v->kernels;
    char what[256];
    snprintf(what, sizeof what, "%s %s n%d %dx%d c%d o%d k%dx%d s%dx%d d%d g%d", v->name, names[pass], (int)s->n,
             (int)s->h, (int)s->w, (int)s->c, (int)s->o, (int)s->kh, (int)s->kw, (int)s->stride_h, (int)s->stride_w,
             (int)s->dilation_h, (int)s->groups);
    int64_t count = output_count(a, pass);
    eff_set_threads(1);
    real *first = run_pass(k, s, pass, a->x, a->w, to, a->dy, count);
    assert_close(first, want, scale, factor, count, what);
    for (int threads = 2; threads <= MOST_TEST_THREADS; threads++) {
        eff_set_threads(threads);
        real *got = run_pass(k, s, pass, a->x, a->w, to, a->dy, count);
        assert_same_bits(got, first, count, what);
        free(got);
    }
    if (pass == EFF_FORWARD && k->pack) {
        real *got = run_packed(k, s, a, to);
        assert_same_bits(got, first, count, "packed weights");
        free(got);
    }
    free(first);
}

/* Bounds grow with the sums of magnitudes, and with the activation's own error */
static inline void check_pass(eff_family family, const eff_conv_shape *s, const arrays *a, eff_pass pass,
                              eff_conv_output to)
{
    int index = 0;
    int64_t count = output_count(a, pass);
    real *x = magnitudes(a->x, a->x_count), *w = magnitudes(a->w, a->w_count), *dy = magnitudes(a->dy, a->y_count);
    const eff_conv_kernels *reference = next_variant(&index, family, s)->kernels;
    eff_set_threads(1);
    real *want = run_pass(reference, s, pass, a->x, a->w, to, a->dy, count);
    real *scale = run_pass(reference, s, pass, x, w, (eff_conv_output){0}, dy, count);
    double factor = (to.act == EFF_ACT_NONE ? 1 : 4) + sqrt(terms(s, pass)) / 2;
    for (int64_t i = 0; i < count; i++)
        scale[i] += (to.bias ? real_abs(to.bias[i % s->o]) : 0) + (to.add ? real_abs(to.add[i]) : 0);
    index = 0;
    for (const eff_variant *v; (v = next_variant(&index, family, s));)
        check_variant(v, s, a, pass, to, want, scale, factor);
    free(want);
    free(scale);
    free(x);
    free(w);
    free(dy);
}

static inline void check(eff_family family, const eff_conv_shape *s)
{
    arrays a = make_arrays(s);
    check_pass(family, s, &a, EFF_FORWARD, (eff_conv_output){.bias = a.bias});
    check_pass(family, s, &a, EFF_FORWARD, (eff_conv_output){0});
    check_pass(family, s, &a, EFF_BACKWARD_DATA, (eff_conv_output){0});
    check_pass(family, s, &a, EFF_BACKWARD_WEIGHTS, (eff_conv_output){0});
    free_arrays(&a);
}

static inline void check_epilogues(eff_family family, const eff_conv_shape *s)
{
    arrays a = make_arrays(s);
    for (eff_activation act = EFF_ACT_NONE; act <= EFF_ACT_SILU; act++) {
        check_pass(family, s, &a, EFF_FORWARD, (eff_conv_output){.bias = a.bias, .act = act});
        check_pass(family, s, &a, EFF_FORWARD, (eff_conv_output){.bias = a.bias, .add = a.add, .act = act});
        check_pass(family, s, &a, EFF_FORWARD, (eff_conv_output){.add = a.add, .act = act, .add_last = true});
    }
    free_arrays(&a);
}

#endif
