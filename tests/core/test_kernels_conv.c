/* Convolution kernels: every variant against the reference, on sizes that leave ragged edges everywhere, and with the
 * same bits at any thread count. */
#include "test_kernels_helpers.h"

typedef struct arrays {
    real *x, *w, *bias, *dy, *add;
    int64_t x_count, w_count, y_count;
} arrays;

static eff_conv_shape shape(int64_t n, int64_t h, int64_t w, int64_t c, int64_t o, int64_t k, int64_t stride)
{
    return (eff_conv_shape){.n = n, .h = h, .w = w, .c = c, .o = o, .kh = k, .kw = k, .stride_h = stride,
                            .stride_w = stride, .dilation_h = 1, .dilation_w = 1, .pad_top = (k - 1) / 2,
                            .pad_left = (k - 1) / 2, .groups = 1, .oh = (h + stride - 1) / stride,
                            .ow = (w + stride - 1) / stride};
}

static arrays make_arrays(const eff_conv_shape *s)
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

static void free_arrays(arrays *a)
{
    free(a->x);
    free(a->w);
    free(a->bias);
    free(a->dy);
    free(a->add);
}

static int64_t output_count(const arrays *a, eff_pass pass)
{
    return pass == EFF_FORWARD ? a->y_count : pass == EFF_BACKWARD_DATA ? a->x_count : a->w_count;
}

static real *run_pass(const eff_conv_kernels *k, const eff_conv_shape *s, eff_pass pass, const real *x, const real *w,
                      eff_conv_output to, const real *dy, int64_t count)
{
    real *out = unset(count);
    size_t bytes = k->scratch(s, pass);
    void *scratch = aligned_alloc(64, (bytes + 63) / 64 * 64);
    memset(scratch, 0xff, bytes);
    eff_conv_input in = {.x = x};
    to.y = out;
    if (pass == EFF_FORWARD) k->forward(&to, &in, w, s, scratch);
    if (pass == EFF_BACKWARD_DATA) k->backward_data(out, dy, w, s, scratch);
    if (pass == EFF_BACKWARD_WEIGHTS) k->backward_weights(out, dy, &in, s, scratch);
    free(scratch);
    return out;
}

static real *run_packed(const eff_conv_kernels *k, const eff_conv_shape *s, const arrays *a, eff_conv_output to)
{
    size_t bytes = k->scratch(s, EFF_FORWARD), packed_bytes = k->packed_bytes(s);
    void *scratch = aligned_alloc(64, (bytes + 63) / 64 * 64), *packed = aligned_alloc(64, (packed_bytes + 63) / 64 * 64);
    memset(scratch, 0xff, bytes);
    to.y = unset(a->y_count);
    k->pack(packed, a->w, s);
    k->forward_packed(&to, &(eff_conv_input){.x = a->x}, packed, s, scratch);
    free(scratch);
    free(packed);
    return to.y;
}

/* Terms of the longest sum of the pass */
static double terms(const eff_conv_shape *s, eff_pass pass)
{
    if (pass == EFF_BACKWARD_WEIGHTS) return (double)(s->n * s->oh * s->ow);
    return (double)(s->kh * s->kw * (pass == EFF_FORWARD ? s->c : s->o) / s->groups);
}

/* Bounds grow with the sums of magnitudes, and with the activation's own error */
static void check_pass(eff_family family, const eff_conv_shape *s, const arrays *a, eff_pass pass, eff_conv_output to)
{
    static const char *const names[] = {"forward", "backward_data", "backward_weights"};
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
    for (const eff_variant *v; (v = next_variant(&index, family, s));) {
        char what[256];
        snprintf(what, sizeof what, "%s %s n%d %dx%d c%d o%d k%dx%d s%dx%d d%d g%d", v->name, names[pass], (int)s->n,
                 (int)s->h, (int)s->w, (int)s->c, (int)s->o, (int)s->kh, (int)s->kw, (int)s->stride_h,
                 (int)s->stride_w, (int)s->dilation_h, (int)s->groups);
        real *first = NULL;
        for (int threads = 1; threads <= MOST_TEST_THREADS; threads++) {
            eff_set_threads(threads);
            real *got = run_pass(v->kernels, s, pass, a->x, a->w, to, a->dy, count);
            if (!first) {
                first = got;
                assert_close(got, want, scale, factor, count, what);
                continue;
            }
            assert_same_bits(got, first, count, what);
            free(got);
        }
        const eff_conv_kernels *k = v->kernels;
        if (pass == EFF_FORWARD && k->pack) {
            real *got = run_packed(k, s, a, to);
            assert_same_bits(got, first, count, "packed weights");
            free(got);
        }
        free(first);
    }
    free(want);
    free(scale);
    free(x);
    free(w);
    free(dy);
}

static void check(eff_family family, const eff_conv_shape *s)
{
    arrays a = make_arrays(s);
    check_pass(family, s, &a, EFF_FORWARD, (eff_conv_output){.bias = a.bias});
    check_pass(family, s, &a, EFF_FORWARD, (eff_conv_output){0});
    check_pass(family, s, &a, EFF_BACKWARD_DATA, (eff_conv_output){0});
    check_pass(family, s, &a, EFF_BACKWARD_WEIGHTS, (eff_conv_output){0});
    free_arrays(&a);
}

static void check_epilogues(eff_family family, const eff_conv_shape *s)
{
    arrays a = make_arrays(s);
    for (eff_activation act = EFF_ACT_NONE; act <= EFF_ACT_SILU; act++) {
        check_pass(family, s, &a, EFF_FORWARD, (eff_conv_output){.bias = a.bias, .act = act});
        check_pass(family, s, &a, EFF_FORWARD, (eff_conv_output){.bias = a.bias, .add = a.add, .act = act});
        check_pass(family, s, &a, EFF_FORWARD, (eff_conv_output){.add = a.add, .act = act, .add_last = true});
    }
    free_arrays(&a);
}

static void conv2d_channels(void **state)
{
    (void)state;
    static const int64_t channels[] = {1, 3, 7, 8, 17, 33, 48, 65};
    enum { COUNT = sizeof channels / sizeof *channels };
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++) {
            eff_conv_shape s = shape(2, 7, 9, channels[i], channels[j], (i + j) % 2 ? 1 : 3, 1);
            check(EFF_FAMILY_CONV2D, &s);
        }
}

static void conv2d_windows(void **state)
{
    (void)state;
    for (int64_t k = 1; k <= 5; k++)
        for (int64_t stride = 1; stride <= 3; stride++)
            for (int64_t size = 1; size <= 13; size += 4) {
                eff_conv_shape s = shape(1 + stride % 2, size, size + k, 5, 19, k, stride);
                check(EFF_FAMILY_CONV2D, &s);
            }
}

static void conv2d_odd_geometry(void **state)
{
    (void)state;
    eff_conv_shape dilated = shape(2, 11, 10, 7, 6, 3, 1);
    dilated.dilation_h = dilated.dilation_w = 2;
    dilated.pad_top = dilated.pad_left = 2;
    check(EFF_FAMILY_CONV2D, &dilated);
    eff_conv_shape dilated_strided = dilated;
    dilated_strided.stride_h = 2, dilated_strided.stride_w = 3;
    dilated_strided.oh = 6, dilated_strided.ow = 4;
    check(EFF_FAMILY_CONV2D, &dilated_strided);
    eff_conv_shape lopsided = shape(1, 6, 9, 4, 33, 3, 2); /* "same" of TensorFlow: no zeros before, one after */
    lopsided.kw = 2, lopsided.pad_top = 0, lopsided.pad_left = 0;
    check(EFF_FAMILY_CONV2D, &lopsided);
    eff_conv_shape valid = shape(3, 9, 8, 10, 12, 3, 1);
    valid.pad_top = valid.pad_left = 0, valid.oh = 7, valid.ow = 6;
    check(EFF_FAMILY_CONV2D, &valid);
    eff_conv_shape far = shape(1, 3, 3, 2, 3, 3, 1); /* windows that lie in the padding altogether */
    far.pad_top = 5, far.pad_left = 4, far.oh = 11, far.ow = 9;
    check(EFF_FAMILY_CONV2D, &far);
    eff_conv_shape grouped = shape(2, 8, 7, 12, 18, 3, 2);
    grouped.groups = 3;
    check(EFF_FAMILY_CONV2D, &grouped);
}

static void conv2d_many_pixels(void **state)
{
    (void)state;
    eff_conv_shape stem = shape(3, 41, 45, 3, 24, 3, 2), body = shape(2, 37, 33, 24, 40, 3, 1);
    eff_conv_shape dense = shape(5, 20, 20, 40, 72, 1, 1);
    check(EFF_FAMILY_CONV2D, &stem);
    check(EFF_FAMILY_CONV2D, &body);
    check(EFF_FAMILY_CONV2D, &dense);
}

static void epilogues(void **state)
{
    (void)state;
    static const int64_t channels[] = {1, 7, 16, 33, 48, 65};
    for (int i = 0; i < 6; i++) {
        int64_t c = channels[i];
        eff_conv_shape dense = shape(2, 5, 6, 3, c, i % 2 ? 1 : 3, 1), strided = shape(1, 7, 9, 5, c, 3, 2);
        eff_conv_shape depthwise = shape(2, 6, 5, c, c, 3, 1 + i % 2), multiplier = shape(1, 5, 6, 7, 21, 3, 1);
        depthwise.groups = c, multiplier.groups = 7;
        check_epilogues(EFF_FAMILY_CONV2D, &dense);
        check_epilogues(EFF_FAMILY_CONV2D, &strided);
        check_epilogues(EFF_FAMILY_DEPTHWISE, &depthwise);
        check_epilogues(EFF_FAMILY_DEPTHWISE, &multiplier);
    }
    eff_conv_shape tiles = shape(3, 18, 17, 33, 40, 3, 1);
    check_epilogues(EFF_FAMILY_CONV2D, &tiles);
}

/* 3x3 at stride 1 and enough pixels for conv2d.winograd, whose tiles hang over the edges */
static void conv2d_many_tiles(void **state)
{
    (void)state;
    static const int64_t channels[] = {32, 33, 48, 65, 96};
    enum { COUNT = sizeof channels / sizeof *channels };
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++) {
            eff_conv_shape s = shape(3, 17 + i, 22 - j, channels[i], channels[j], 3, 1);
            check(EFF_FAMILY_CONV2D, &s);
        }
}

/* Whether a tap of an output lies in the image, and there which pixel it reads; stride and dilation 1 */
static bool reads(int64_t *pixel, const eff_conv_shape *s, int64_t n, int64_t row, int64_t column, int64_t tap)
{
    int64_t y = row + tap / s->kw - s->pad_top, x = column + tap % s->kw - s->pad_left;
    *pixel = (n * s->h + y) * s->w + x;
    return y >= 0 && y < s->h && x >= 0 && x < s->w;
}

static double exact_output(const eff_conv_shape *s, const arrays *a, int64_t i)
{
    int64_t o = i % s->o, column = i / s->o % s->ow, row = i / (s->o * s->ow) % s->oh, n = i / (s->o * s->ow) / s->oh;
    double sum = 0;
    for (int64_t tap = 0, pixel; tap < s->kh * s->kw; tap++)
        for (int64_t c = 0; reads(&pixel, s, n, row, column, tap) && c < s->c; c++)
            sum += (double)a->x[pixel * s->c + c] * a->w[(tap * s->c + c) * s->o + o];
    return sum;
}

static double exact_weight_gradient(const eff_conv_shape *s, const arrays *a, int64_t i)
{
    int64_t o = i % s->o, c = i / s->o % s->c, tap = i / (s->o * s->c);
    double sum = 0;
    for (int64_t k = 0, pixel; k < s->n * s->oh * s->ow; k++)
        if (reads(&pixel, s, k / (s->oh * s->ow), k / s->ow % s->oh, k % s->ow, tap))
            sum += (double)a->x[pixel * s->c + c] * a->dy[k * s->o + o];
    return sum;
}

/* Root mean square of a variant's error over that of the results, both sampled */
static double error_of(const char *family, int isa, const eff_conv_shape *s, const arrays *a, eff_pass pass)
{
    enum { STEP = 61 };
    char name[64];
    snprintf(name, sizeof name, "%s.%s", family, eff_isa_name((eff_isa)isa));
    const eff_variant *v = eff_variant_find(name);
    assert_true(v && v->supports(s));
    int64_t count = output_count(a, pass);
    real *got = run_pass(v->kernels, s, pass, a->x, a->w, (eff_conv_output){0}, a->dy, count);
    double error = 0, total = 0;
    for (int64_t i = 0; i < count; i += STEP) {
        double exact = pass == EFF_FORWARD ? exact_output(s, a, i) : exact_weight_gradient(s, a, i);
        error += (got[i] - exact) * (got[i] - exact);
        total += exact * exact;
    }
    free(got);
    return sqrt(error / total);
}

/* As the heads of conv_winograd.c and conv_winograd_weights.c have it */
static void winograd_error(void **state)
{
    (void)state;
    for (int isa = 0; isa <= (int)eff_isa_best(); isa++)
        for (int64_t c = 32; c <= 256; c *= 2) {
            eff_conv_shape s = shape(2, 24, 20, c, 32, 3, 1);
            arrays a = make_arrays(&s);
            double forward = error_of("conv2d.winograd", isa, &s, &a, EFF_FORWARD);
            double weights = error_of("conv2d.winograd", isa, &s, &a, EFF_BACKWARD_WEIGHTS);
            if (!(forward < 2.7 * error_of("conv2d.direct", isa, &s, &a, EFF_FORWARD)) || !(weights < 1.1e-6))
                fail_msg("instruction set %d, %d channels: error %.2g, of the weight gradient %.2g", isa, (int)c,
                         forward, weights);
            free_arrays(&a);
        }
}

static void depthwise_windows(void **state)
{
    (void)state;
    static const int64_t channels[] = {1, 3, 7, 17, 33, 48, 80};
    for (int64_t k = 1; k <= 5; k++)
        for (int64_t stride = 1; stride <= 3; stride++)
            for (int64_t size = 1; size <= 13; size += 4) {
                int64_t c = channels[(size + k + stride) % 7];
                eff_conv_shape s = shape(1 + stride % 2, size, size + k, c, c, k, stride);
                s.groups = c;
                check(EFF_FAMILY_DEPTHWISE, &s);
            }
}

static void depthwise_odd_geometry(void **state)
{
    (void)state;
    eff_conv_shape dilated = shape(2, 11, 10, 21, 21, 3, 1);
    dilated.groups = 21;
    dilated.dilation_h = dilated.dilation_w = 2;
    dilated.pad_top = 2, dilated.pad_left = 1, dilated.ow = 8;
    check(EFF_FAMILY_DEPTHWISE, &dilated);
    eff_conv_shape lopsided = shape(2, 14, 14, 24, 24, 3, 2);
    lopsided.groups = 24;
    lopsided.pad_top = lopsided.pad_left = 0;
    check(EFF_FAMILY_DEPTHWISE, &lopsided);
    eff_conv_shape large = shape(3, 30, 28, 40, 40, 5, 2);
    large.groups = 40;
    check(EFF_FAMILY_DEPTHWISE, &large);
    eff_conv_shape multiplier = shape(2, 9, 6, 5, 15, 3, 1);
    multiplier.groups = 5;
    check(EFF_FAMILY_DEPTHWISE, &multiplier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv2d_channels),
        cmocka_unit_test(conv2d_windows),
        cmocka_unit_test(conv2d_odd_geometry),
        cmocka_unit_test(conv2d_many_pixels),
        cmocka_unit_test(epilogues),
        cmocka_unit_test(conv2d_many_tiles),
        cmocka_unit_test(winograd_error),
        cmocka_unit_test(depthwise_windows),
        cmocka_unit_test(depthwise_odd_geometry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
