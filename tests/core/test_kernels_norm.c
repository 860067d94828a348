/* Normalisation kernels: every variant against the reference, with the same bits at any thread count. */
#include "test_kernels_helpers.h"

static const int64_t channel_counts[] = {1, 3, 7, 16, 17, 33, 96, 200};
static const int64_t row_counts[] = {1, 2, 7, 33, 257, 1500};
enum { CHANNEL_COUNTS = sizeof channel_counts / sizeof *channel_counts };
enum { ROW_COUNTS = sizeof row_counts / sizeof *row_counts };

typedef struct arrays {
    int64_t rows, c;
    real *x, *dy, *mean, *variance, *rstd, *gamma, *beta, *dgamma, *dbeta, *gate, *level;
    eff_norm_gradient gradient;
} arrays;

/* Images of several rows, of one row, or one image of all */
static int64_t image_rows(int64_t rows) { return rows % 3 == 0 ? rows / 3 : rows < 50 ? 1 : rows; }

static arrays make_arrays(int64_t rows, int64_t c, real offset)
{
    int64_t images = rows / image_rows(rows);
    arrays a = {.rows = rows, .c = c, .x = normal(rows * c, 1), .dy = normal(rows * c, 2), .gamma = normal(c, 3),
                .beta = normal(c, 4), .mean = unset(c), .variance = unset(c), .rstd = unset(c), .dgamma = normal(c, 5),
                .dbeta = normal(c, 6), .gate = normal(images * c, 7), .level = normal(images * c, 8)};
    a.gradient = (eff_norm_gradient){.dy = a.dy};
    for (int64_t i = 0; i < rows * c; i++) a.x[i] += offset * (real)(1 + i % c % 3);
    int index = 0;
    const eff_norm_kernels *reference = next_variant(&index, EFF_FAMILY_NORM, NULL)->kernels;
    reference->statistics(a.mean, a.variance, a.x, rows, c, NULL);
    for (int64_t i = 0; i < c; i++) a.rstd[i] = 1 / real_sqrt(a.variance[i] + (real)1e-3);
    return a;
}

static void set_gate(arrays *a)
{
    a->gradient = (eff_norm_gradient){a->dy, a->gate, a->level, image_rows(a->rows)};
}

/* |dy * gate| + |level|, the size of the gradient's terms, at element i */
static real gradient_size(const arrays *a, int64_t i)
{
    if (!a->gradient.gate) return real_abs(a->dy[i]);
    int64_t at = i / a->c / a->gradient.image_rows * a->c + i % a->c;
    return real_abs(a->dy[i] * a->gate[at]) + real_abs(a->level[at]);
}

static void free_arrays(arrays *a)
{
    real *all[] = {a->x,     a->dy,     a->mean,  a->variance, a->rstd, a->gamma,
                   a->beta, a->dgamma, a->dbeta, a->gate,     a->level};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* Two outputs [count] of one call of a kernel */
typedef void (*call)(real *out, real *out2, const eff_norm_kernels *k, const arrays *a, eff_activation act,
                     void *scratch);

static void call_statistics(real *out, real *out2, const eff_norm_kernels *k, const arrays *a, eff_activation act,
                            void *scratch)
{
    (void)act;
    k->statistics(out, out2, a->x, a->rows, a->c, scratch);
}

static void call_reduce(real *out, real *out2, const eff_norm_kernels *k, const arrays *a, eff_activation act,
                        void *scratch)
{
    k->reduce(out, out2, &a->gradient, a->x, a->mean, a->rstd, a->gamma, a->beta, act, a->rows, a->c, scratch);
}

static void call_apply(real *out, real *out2, const eff_norm_kernels *k, const arrays *a, eff_activation act,
                       void *scratch)
{
    (void)scratch;
    memcpy(out2, a->x, (size_t)(a->rows * a->c) * sizeof *out2);
    int64_t height = image_rows(a->rows), images = a->rows / height;
    eff_conv_input plain = {out2, a->gamma, a->beta, NULL, act}, gated = {a->x, a->gamma, a->beta, a->gate, act};
    k->apply(out2, &plain, NULL, images, height, a->c);
    k->apply(out, a->gradient.gate ? &gated : &(eff_conv_input){a->x, a->gamma, a->beta, NULL, act}, a->dy, images,
             height, a->c);
}

static void call_backward(real *out, real *out2, const eff_norm_kernels *k, const arrays *a, eff_activation act,
                          void *scratch)
{
    (void)scratch;
    k->backward(out, &a->gradient, a->x, a->mean, a->rstd, a->gamma, a->beta, a->dgamma, a->dbeta, act, a->rows, a->c);
    k->backward(out2, &a->gradient, a->x, a->mean, a->rstd, a->gamma, a->beta, NULL, NULL, act, a->rows, a->c);
}

/* scale [count]: what EPSILON is multiplied with */
static void check_call(call f, const arrays *a, eff_activation act, int64_t count, const real *scale,
                       const real *scale2, double factor, const char *name)
{
    int index = 0;
    const eff_norm_kernels *reference = next_variant(&index, EFF_FAMILY_NORM, NULL)->kernels;
    real *want = unset(count), *want2 = unset(count);
    f(want, want2, reference, a, act, NULL);
    for (const eff_variant *v; (v = next_variant(&index, EFF_FAMILY_NORM, NULL));) {
        real *got[MOST_TEST_THREADS], *got2[MOST_TEST_THREADS];
        char what[128];
        snprintf(what, sizeof what, "%s %s rows %d c %d activation %d", v->name, name, (int)a->rows, (int)a->c, act);
        const eff_norm_kernels *k = v->kernels;
        for (int t = 0; t < MOST_TEST_THREADS; t++) {
            eff_set_threads(t + 1);
            void *scratch = malloc(k->scratch(a->rows, image_rows(a->rows), a->c));
            got[t] = unset(count);
            got2[t] = unset(count);
            f(got[t], got2[t], k, a, act, scratch);
            free(scratch);
            assert_same_bits(got[t], got[0], count, what);
            assert_same_bits(got2[t], got2[0], count, what);
        }
        assert_close(got[0], want, scale, factor, count, what);
        assert_close(got2[0], want2, scale2, factor, count, what);
        for (int t = 0; t < MOST_TEST_THREADS; t++) {
            free(got[t]);
            free(got2[t]);
        }
    }
    free(want);
    free(want2);
}

static void check_statistics(int64_t rows, int64_t c, real offset)
{
    arrays a = make_arrays(rows, c, offset);
    real *scale = unset(c), *scale2 = unset(c);
    for (int64_t i = 0; i < c; i++) {
        real deviation = real_sqrt(a.variance[i]);
        scale[i] = real_abs(a.mean[i]) + deviation;
        scale2[i] = a.variance[i] + (real)EPSILON * a.mean[i] * a.mean[i];
    }
    check_call(call_statistics, &a, EFF_ACT_NONE, c, scale, scale2, 6, "statistics");
    free(scale);
    free(scale2);
    free_arrays(&a);
}

static void statistics_do_not_cancel(void **state)
{
    (void)state;
    for (int i = 0; i < CHANNEL_COUNTS; i++)
        for (int j = 0; j < ROW_COUNTS; j++) {
            check_statistics(row_counts[j], channel_counts[i], 0);
            check_statistics(row_counts[j], channel_counts[i], 1000);
        }
    check_statistics(20000, 24, 3);
}

/* Relative to the terms: every value here is a few units wide, so 1 + |term| bounds them. */
static void check_maps(int64_t rows, int64_t c, bool gated)
{
    arrays a = make_arrays(rows, c, (real)0.5);
    if (gated) set_gate(&a);
    int64_t count = rows * c;
    real *scale = unset(count), *scale2 = unset(count);
    for (eff_activation act = EFF_ACT_NONE; act <= EFF_ACT_SILU; act++) {
        for (int64_t i = 0; i < count; i++)
            scale2[i] = real_abs(a.x[i] * a.gamma[i % c]) + real_abs(a.beta[i % c]);
        for (int64_t i = 0; i < count; i++) {
            real gate = gated ? real_abs(a.gate[i / c / image_rows(rows) * c + i % c]) : 1;
            scale[i] = scale2[i] * gate + real_abs(a.dy[i]);
        }
        check_call(call_apply, &a, act, count, scale, scale2, 8, "apply");
        for (int64_t i = 0; i < count; i++) {
            int64_t j = i % c;
            real x_hat = real_abs((a.x[i] - a.mean[j]) * a.rstd[j]);
            real slope = 2 * gradient_size(&a, i) * (1 + x_hat * real_abs(a.gamma[j]) + real_abs(a.beta[j]));
            scale2[i] = real_abs(a.gamma[j]) * a.rstd[j] * slope;
            scale[i] = real_abs(a.gamma[j]) * a.rstd[j] *
                       (slope + (real_abs(a.dbeta[j]) + x_hat * real_abs(a.dgamma[j])) / (real)rows);
        }
        check_call(call_backward, &a, act, count, scale, scale2, 8, "backward");
    }
    free(scale);
    free(scale2);
    free_arrays(&a);
}

static void check_reduce(int64_t rows, int64_t c, bool gated)
{
    arrays a = make_arrays(rows, c, (real)0.5);
    if (gated) set_gate(&a);
    real *scale = unset(c), *scale2 = unset(c);
    for (int64_t j = 0; j < c; j++) {
        scale[j] = scale2[j] = 0;
        for (int64_t r = 0; r < rows; r++) {
            real x_hat = real_abs((a.x[r * c + j] - a.mean[j]) * a.rstd[j]);
            real slope = 2 * gradient_size(&a, r * c + j) * (1 + x_hat * real_abs(a.gamma[j]) + real_abs(a.beta[j]));
            scale[j] += x_hat * slope;
            scale2[j] += slope;
        }
    }
    for (eff_activation act = EFF_ACT_NONE; act <= EFF_ACT_SILU; act++)
        check_call(call_reduce, &a, act, c, scale, scale2, 4, "reduce");
    free(scale);
    free(scale2);
    free_arrays(&a);
}

static void check_image_sums(int64_t rows, int64_t c)
{
    arrays a = make_arrays(rows, c, (real)0.5);
    int64_t height = image_rows(rows), images = rows / height;
    for (int kind = 0; kind < 12; kind++) { /* act x scaled, gated or not x with dy or not */
        eff_activation act = (eff_activation)(kind % 3);
        eff_conv_input in = {a.x, a.gamma, a.beta, kind / 3 % 2 ? a.gate : NULL, act}, plain = {.x = a.x};
        const real *dy = kind / 6 ? a.dy : NULL;
        int index = 0;
        real *want = unset(images * c), *scale = unset(images * c);
        const eff_norm_kernels *reference = next_variant(&index, EFF_FAMILY_NORM, NULL)->kernels;
        for (int64_t i = 0; i < images * c; i++) scale[i] = 0;
        for (int64_t i = 0; i < rows * c; i++)
            scale[i / c / height * c + i % c] += (real_abs(a.x[i] * a.gamma[i % c]) + real_abs(a.beta[i % c]) + real_abs(a.x[i])) *
                                                 (1 + real_abs(a.dy[i])) * (1 + real_abs(a.gate[i / c / height * c + i % c]));
        for (const eff_variant *v; (v = next_variant(&index, EFF_FAMILY_NORM, NULL));) {
            for (int scaled = 0; scaled < 2; scaled++) {
                real *got = unset(images * c);
                reference->image_sums(want, scaled ? &in : &plain, dy, images, height, c);
                ((const eff_norm_kernels *)v->kernels)->image_sums(got, scaled ? &in : &plain, dy, images, height, c);
                assert_close(got, want, scale, 4, images * c, v->name);
                free(got);
            }
        }
        free(want);
        free(scale);
    }
    free_arrays(&a);
}

static void image_sums_agree(void **state)
{
    (void)state;
    for (int i = 0; i < CHANNEL_COUNTS; i++)
        for (int j = 0; j < ROW_COUNTS; j++) check_image_sums(row_counts[j], channel_counts[i]);
}

static void maps_and_sums_agree(void **state)
{
    (void)state;
    for (int i = 0; i < CHANNEL_COUNTS; i++)
        for (int j = 0; j < ROW_COUNTS; j++) {
            for (int gated = 0; gated < 2; gated++) {
                check_maps(row_counts[j], channel_counts[i], gated);
                check_reduce(row_counts[j], channel_counts[i], gated);
            }
        }
}

/* relu's slope at exactly 0 must be the same everywhere, or one variant's gradient check fails */
static void relu_has_no_slope_at_zero(void **state)
{
    (void)state;
    int index = 0;
    for (const eff_variant *v; (v = next_variant(&index, EFF_FAMILY_NORM, NULL));) {
        const eff_norm_kernels *k = v->kernels;
        real x[3] = {1, 2, 3}, dy[3] = {5, 5, 5}, mean = 2, one = 1, zero = 0, dx[3];
        k->backward(dx, &(eff_norm_gradient){.dy = dy}, x, &mean, &one, &one, &zero, NULL, NULL, EFF_ACT_RELU, 3, 1);
        assert_true(dx[0] == 0 && dx[1] == 0 && dx[2] == 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_do_not_cancel),
        cmocka_unit_test(maps_and_sums_agree),
        cmocka_unit_test(image_sums_agree),
        cmocka_unit_test(relu_has_no_slope_at_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
