/* expand_depthwise: every variant against the reference, on sizes that leave ragged edges everywhere, and with the same
 * bits at any thread count. */
#include "test_kernels_helpers.h"

typedef struct arrays {
    real *x, *expand, *expand_bias, *w, *bias;
    int64_t x_count, expand_count, w_count, y_count, sum_count;
} arrays;

static eff_expand_shape shape(int64_t n, int64_t h, int64_t w, int64_t c, int64_t d, int64_t k, int64_t stride)
{
    return (eff_expand_shape){.c = c,
                              .depthwise = {.n = n,
                                            .h = h,
                                            .w = w,
                                            .c = d,
                                            .o = d,
                                            .kh = k,
                                            .kw = k,
                                            .stride_h = stride,
                                            .stride_w = stride,
                                            .dilation_h = 1,
                                            .dilation_w = 1,
                                            .pad_top = (k - 1) / 2,
                                            .pad_left = (k - 1) / 2,
                                            .groups = d,
                                            .oh = (h + stride - 1) / stride,
                                            .ow = (w + stride - 1) / stride}};
}

static arrays make_arrays(const eff_expand_shape *s)
{
    const eff_conv_shape *d = &s->depthwise;
    arrays a = {.x_count = d->n * d->h * d->w * s->c,
                .expand_count = s->c * d->c,
                .w_count = d->kh * d->kw * d->c,
                .y_count = d->n * d->oh * d->ow * d->c,
                .sum_count = d->n * d->c};
    a.x = normal(a.x_count, 1);
    a.expand = normal(a.expand_count, 2);
    a.expand_bias = normal(d->c, 3);
    a.w = normal(a.w_count, 4);
    a.bias = normal(d->c, 5);
    return a;
}

static void free_arrays(arrays *a)
{
    free(a->x);
    free(a->expand);
    free(a->expand_bias);
    free(a->w);
    free(a->bias);
}

static void run(const eff_expand_kernels *k, const eff_expand_shape *s, const arrays *a, eff_activation act, real *y,
                real *sums)
{
    size_t bytes = (k->scratch(s) + 63) / 64 * 64;
    void *scratch = aligned_alloc(64, bytes), *packed = NULL;
    memset(scratch, 0xff, bytes);
    eff_conv_shape expand = {.c = s->c, .o = s->depthwise.c, .kh = 1, .kw = 1};
    if (k->pack) {
        packed = aligned_alloc(64, (k->packed_bytes(&expand) + 63) / 64 * 64);
        k->pack(packed, a->expand, &expand);
    }
    eff_expansion from = {
        .x = a->x, .w = packed ? packed : a->expand, .bias = act ? a->expand_bias : NULL, .c = s->c, .act = act};
    k->forward(&(eff_conv_output){.y = y, .bias = act ? a->bias : NULL, .act = act}, sums, &from, a->w, s, scratch);
    free(scratch);
    free(packed);
}

/* What sums of magnitudes give bounds the rounding, also that of the activations, whose slopes are below 1.1 */
static void bounds(const eff_expand_kernels *reference, const eff_expand_shape *s, const arrays *a, real *y, real *sums)
{
    arrays b = {.x = magnitudes(a->x, a->x_count),
                .expand = magnitudes(a->expand, a->expand_count),
                .expand_bias = magnitudes(a->expand_bias, s->depthwise.c),
                .w = magnitudes(a->w, a->w_count),
                .bias = magnitudes(a->bias, s->depthwise.c)};
    run(reference, s, &b, EFF_ACT_RELU, y, sums);
    free_arrays(&b);
}

static void check_activation(const eff_expand_shape *s, const arrays *a, eff_activation act)
{
    int index = 0;
    real *want = unset(a->y_count), *want_sums = unset(a->sum_count), *scale = unset(a->y_count),
         *sum_scale = unset(a->sum_count);
    const eff_expand_kernels *reference = next_variant(&index, EFF_FAMILY_EXPAND_DEPTHWISE, s)->kernels;
    eff_set_threads(1);
    run(reference, s, a, act, want, want_sums);
    bounds(reference, s, a, scale, sum_scale);
    double factor = 4 + sqrt((double)(s->c + s->depthwise.kh * s->depthwise.kw));
    index = 0;
    for (const eff_variant *v; (v = next_variant(&index, EFF_FAMILY_EXPAND_DEPTHWISE, s));) {
        char what[256];
        const eff_conv_shape *d = &s->depthwise;
        snprintf(what, sizeof what, "%s n%d %dx%d c%d d%d k%d s%d act%d", v->name, (int)d->n, (int)d->h, (int)d->w,
                 (int)s->c, (int)d->c, (int)d->kh, (int)d->stride_h, (int)act);
        real *first = NULL, *first_sums = NULL;
        for (int threads = 1; threads <= MOST_TEST_THREADS; threads++) {
            real *y = unset(a->y_count), *sums = unset(a->sum_count);
            eff_set_threads(threads);
            run(v->kernels, s, a, act, y, sums);
            if (!first) {
                first = y, first_sums = sums;
                assert_close(y, want, scale, factor, a->y_count, what);
                assert_close(sums, want_sums, sum_scale, factor, a->sum_count, what);
                continue;
            }
            assert_same_bits(y, first, a->y_count, what);
            assert_same_bits(sums, first_sums, a->sum_count, what);
            free(y);
            free(sums);
        }
        free(first);
        free(first_sums);
    }
    free(want);
    free(want_sums);
    free(scale);
    free(sum_scale);
}

static void check(const eff_expand_shape *s)
{
    arrays a = make_arrays(s);
    for (eff_activation act = EFF_ACT_NONE; act <= EFF_ACT_SILU; act++) check_activation(s, &a, act);
    free_arrays(&a);
}

static void channels(void **state)
{
    (void)state;
    static const int64_t before[] = {1, 3, 7, 16, 17}, after[] = {1, 3, 7, 17, 33, 48, 65, 100};
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 8; j++) {
            eff_expand_shape s = shape(2, 7, 9, before[i], after[j], (i + j) % 2 ? 3 : 5, 1 + j % 2);
            check(&s);
        }
}

static void sizes(void **state)
{
    (void)state;
    for (int64_t size = 1; size <= 31; size += 5)
        for (int64_t stride = 1; stride <= 2; stride++)
            for (int64_t k = 3; k <= 5; k += 2) {
                eff_expand_shape s = shape(1 + size % 2, size, 32 - size, 5, 19, k, stride);
                check(&s);
            }
}

static void odd_geometry(void **state)
{
    (void)state;
    eff_expand_shape lopsided = shape(2, 14, 14, 6, 40, 3, 2); /* "same" of TensorFlow: no zeros before, one after */
    lopsided.depthwise.pad_top = lopsided.depthwise.pad_left = 0;
    check(&lopsided);
    eff_expand_shape valid = shape(1, 13, 12, 6, 24, 5, 2);
    valid.depthwise.pad_top = valid.depthwise.pad_left = 0, valid.depthwise.oh = 5, valid.depthwise.ow = 4;
    check(&valid);
    eff_expand_shape far = shape(1, 3, 3, 2, 3, 3, 1); /* windows that lie in the padding altogether */
    far.depthwise.pad_top = 5, far.depthwise.pad_left = 4, far.depthwise.oh = 11, far.depthwise.ow = 9;
    check(&far);
    eff_expand_shape tall = shape(3, 60, 20, 9, 33, 3, 1);
    check(&tall);
    eff_expand_shape general = shape(2, 9, 8, 5, 12, 3, 3); /* for the reference alone */
    check(&general);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels),
        cmocka_unit_test(sizes),
        cmocka_unit_test(odd_geometry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
