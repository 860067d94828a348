/* Winograd's convolution (3x3 at stride 1, enough pixels): tiles that hang over the edges, and how exact it is */
#include "test_kernels_conv_helpers.h"

static void ragged_tiles(void **state)
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

static void epilogues(void **state)
{
    (void)state;
    eff_conv_shape tiles = shape(3, 18, 17, 33, 40, 3, 1);
    check_epilogues(EFF_FAMILY_CONV2D, &tiles);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ragged_tiles),
        cmocka_unit_test(epilogues),
        cmocka_unit_test(winograd_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
