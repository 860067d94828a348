/* Element-wise kernels: every variant against the C library in double, special values, ragged ends, the same bits at
 * any thread count. */
#include "test_kernels_helpers.h"

static double gelu(double x) { return x == -INFINITY ? 0 : 0.5 * x * erfc(-x * M_SQRT1_2); }
static double sigmoid(double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }
static double silu(double x) { return x == -INFINITY ? 0 : x * sigmoid(x); }
static double density(double x) { return isinf(x) ? 0 : x * exp(-0.5 * x * x) * 0.3989422804014327; }

static double exact(eff_unary f, double x)
{
    switch (f) {
    case EFF_UNARY_SILU: return silu(x);
    case EFF_UNARY_RELU: return x < 0 ? 0 : x;
    case EFF_UNARY_GELU: return gelu(x);
    case EFF_UNARY_SIGMOID: return sigmoid(x);
    case EFF_UNARY_TANH: return tanh(x);
    case EFF_UNARY_EXP: return exp(x);
    case EFF_UNARY_LOG: return log(x);
    case EFF_UNARY_SQRT: return sqrt(x);
    case EFF_UNARY_SQUARE: return x * x;
    case EFF_UNARY_NEG: return -x;
    case EFF_UNARY_ABS: return fabs(x);
    case EFF_UNARY_COUNT: break;
    }
    return NAN;
}

static double exact_slope(eff_unary f, double x)
{
    switch (f) {
    case EFF_UNARY_SILU: return isinf(x) ? x > 0 : sigmoid(x) * (1 + x * sigmoid(-x));
    case EFF_UNARY_RELU: return x <= 0 ? 0 : 1;
    case EFF_UNARY_GELU: return 0.5 * erfc(-x * M_SQRT1_2) + density(x);
    case EFF_UNARY_SIGMOID: return sigmoid(x) * sigmoid(-x);
    case EFF_UNARY_TANH: return (1 - tanh(x)) * (1 + tanh(x));
    case EFF_UNARY_EXP: return exp(x);
    case EFF_UNARY_LOG: return 1 / x;
    case EFF_UNARY_SQRT: return 0.5 / sqrt(x);
    case EFF_UNARY_SQUARE: return 2 * x;
    case EFF_UNARY_NEG: return -1;
    case EFF_UNARY_ABS: return x > 0 ? 1 : x < 0 ? -1 : x;
    case EFF_UNARY_COUNT: break;
    }
    return NAN;
}

static const char *const unary_names[EFF_UNARY_COUNT] = {"silu", "relu", "gelu",   "sigmoid", "tanh", "exp",
                                                         "log",  "sqrt", "square", "neg",     "abs"};

static const double unary_ulps[EFF_UNARY_COUNT] = {3, 0, 4, 3, 2, 2, 2, 1, 1, 0, 0};

static const real special[] = {0, -0.0, INFINITY, -INFINITY, NAN, 1, -1, 1e-45f, -1e-45f, 1e-38f, 3.4e38f, -3.4e38f,
                               88.7f, 88.8f, -87.4f, -103.9f, -105, 0.625f, -0.625f, 0.70710678f, 1e-20f, 50, -50,
                               1e4f, -1e4f, 20000, -20000};
enum { SPECIAL = sizeof special / sizeof *special };

/* The special values, then a spread of ordinary ones of every size */
static real *arguments(int64_t n)
{
    real *x = normal(n, 7);
    for (int64_t i = 0; i < n; i++) x[i] *= i % 4 == 0 ? (real)0.1 : i % 4 == 1 ? 1 : i % 4 == 2 ? 5 : 40;
    for (int64_t i = 0; i < n && i < SPECIAL; i++) x[i] = special[i];
    return x;
}

/* Within `ulps` of the exact value; subnormal results may be off by one normal EPSILON of the least normal number */
static void check_value(double got, double want, double ulps, double extra, const char *what, double x)
{
#ifdef EFF_REAL_DOUBLE
    const double least_normal = 2.2250738585072014e-308, most = 1.7976931348623157e308;
#else
    const double least_normal = 1.1754943508222875e-38, most = 3.4028234663852886e38;
#endif
    if (isnan(want) ? isnan(got) : fabs(want) > most ? got == (want > 0 ? INFINITY : -INFINITY) : false) return;
    if (fabs(got - want) <= ulps * EPSILON * (fabs(want) + extra) + least_normal) return;
    fail_msg("%s(%.9g) = %.9g, expected %.9g", what, x, got, want);
}

static void unary_values(void **state)
{
    (void)state;
    int64_t n = 40007;
    real *x = arguments(n), *y = unset(n);
    int index = 0;
    for (const eff_variant *v; (v = next_variant(&index, EFF_FAMILY_ELEMENTWISE, NULL));)
        for (eff_unary f = 0; f < EFF_UNARY_COUNT; f++) {
            const eff_elementwise_kernels *k = v->kernels;
            char what[128];
            snprintf(what, sizeof what, "%s %s", v->name, unary_names[f]);
            k->unary(f, y, x, n);
            for (int64_t i = 0; i < n; i++) check_value(y[i], exact(f, x[i]), unary_ulps[f], 0, what, x[i]);
        }
    free(x);
    free(y);
}

/* The slope may cancel (silu near -1.28), so errors are relative to what is added there: up to 1. */
static void unary_slopes(void **state)
{
    (void)state;
    int64_t n = 40007;
    real *x = arguments(n), *y = unset(n), *dy = normal(n, 8), *dx = unset(n);
    for (int64_t i = 0; i < n; i++) dy[i] = 1 + real_abs(dy[i]);
    for (eff_unary f = 0; f < EFF_UNARY_COUNT; f++) {
        for (int64_t i = 0; i < n; i++) y[i] = (real)exact(f, x[i]);
        int index = 0;
        for (const eff_variant *v; (v = next_variant(&index, EFF_FAMILY_ELEMENTWISE, NULL));) {
            const eff_elementwise_kernels *k = v->kernels;
            char what[128];
            snprintf(what, sizeof what, "slope of %s %s", v->name, unary_names[f]);
            k->unary_backward(f, dx, dy, x, y, n);
            for (int64_t i = 0; i < n; i++) {
                if (f == EFF_UNARY_RELU && isnan(x[i])) continue; /* passes dy on */
                check_value(dx[i], dy[i] * exact_slope(f, x[i]), 4, dy[i], what, x[i]);
            }
        }
    }
    free(x);
    free(y);
    free(dy);
    free(dx);
}

static void ragged_ends_and_threads(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 2, 15, 16, 17, 33, 16384, 50001};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int64_t n = sizes[s];
        real *x = normal(n, 1), *b = normal(n, 2), *want = unset(n), *got = unset(n);
        for (int64_t i = 0; i < n; i++) x[i] = real_abs(x[i]);
        int index = 0;
        for (const eff_variant *v; (v = next_variant(&index, EFF_FAMILY_ELEMENTWISE, NULL));) {
            const eff_elementwise_kernels *k = v->kernels;
            for (eff_unary f = 0; f < EFF_UNARY_COUNT; f++) {
                eff_set_threads(1);
                k->unary(f, want, x, n);
                for (int64_t i = 0; i < n; i++) check_value(want[i], exact(f, x[i]), unary_ulps[f], 0, v->name, x[i]);
                eff_set_threads(3);
                k->unary(f, got, x, n);
                assert_same_bits(got, want, n, v->name);
            }
            for (eff_binary f = 0; f < EFF_BINARY_COUNT; f++) {
                k->binary(f, got, x, b, n);
                for (int64_t i = 0; i < n; i++) {
                    real a = x[i], r = f == EFF_BINARY_ADD   ? a + b[i]
                                       : f == EFF_BINARY_SUB ? a - b[i]
                                       : f == EFF_BINARY_MUL ? a * b[i]
                                                             : a / b[i];
                    assert_true(got[i] == r);
                }
                memcpy(want, x, (size_t)n * sizeof *x);
                k->binary(f, want, want, b, n); /* in place */
                assert_same_bits(want, got, n, v->name);
            }
        }
        free(x);
        free(b);
        free(want);
        free(got);
    }
}

static void nan_goes_through_binary(void **state)
{
    (void)state;
    int index = 0;
    for (const eff_variant *v; (v = next_variant(&index, EFF_FAMILY_ELEMENTWISE, NULL));) {
        const eff_elementwise_kernels *k = v->kernels;
        real a[4] = {NAN, 1, NAN, 1}, b[4] = {1, NAN, NAN, 1}, y[4];
        for (eff_binary f = 0; f < EFF_BINARY_COUNT; f++) {
            k->binary(f, y, a, b, 4);
            assert_true(isnan(y[0]) && isnan(y[1]) && isnan(y[2]) && !isnan(y[3]));
            k->binary_rows(f, y, a, b, 2, 1, 2);
            assert_true(isnan(y[0]) && isnan(y[1]) && isnan(y[2]) && !isnan(y[3]));
        }
    }
}

static void check_rows(int64_t outer, int64_t rows, int64_t c)
{
    int64_t n = outer * rows * c;
    real *a = normal(n, 1), *b = normal(n, 2), *row = normal(outer * c, 3), *ones = unset(n);
    real *got = unset(n), *want = unset(n), *scale = unset(outer * c);
    for (int64_t i = 0; i < n; i++) ones[i] = 1;
    int index = 0;
    for (const eff_variant *v; (v = next_variant(&index, EFF_FAMILY_ELEMENTWISE, NULL));) {
        const eff_elementwise_kernels *k = v->kernels;
        char what[128];
        snprintf(what, sizeof what, "%s rows %d x %d x %d", v->name, (int)outer, (int)rows, (int)c);
        for (eff_binary f = 0; f < EFF_BINARY_COUNT; f++) {
            k->binary_rows(f, got, a, row, outer, rows, c);
            for (int64_t i = 0; i < n; i++) {
                real q = row[i / (rows * c) * c + i % c];
                k->binary(f, want + i, a + i, &q, 1);
            }
            assert_same_bits(got, want, n, what);
        }
        for (int with_b = 0; with_b <= 1; with_b++) {
            real *first = NULL;
            for (int threads = 1; threads <= MOST_TEST_THREADS; threads++) {
                eff_set_threads(threads);
                void *scratch = malloc(k->dot_rows_scratch(outer, rows, c));
                real *sum = unset(outer * c);
                k->dot_rows(sum, a, with_b ? b : NULL, outer, rows, c, scratch);
                free(scratch);
                if (first) {
                    assert_same_bits(sum, first, outer * c, what);
                    free(sum);
                } else
                    first = sum;
            }
            for (int64_t i = 0; i < outer * c; i++) {
                double exact_sum = 0, total = 0;
                for (int64_t r = 0; r < rows; r++) {
                    int64_t at = (i / c * rows + r) * c + i % c;
                    double term = (double)a[at] * (with_b ? b[at] : 1);
                    exact_sum += term;
                    total += fabs(term);
                }
                want[i] = (real)exact_sum;
                scale[i] = (real)total;
            }
            assert_close(first, want, scale, 4, outer * c, what);
            free(first);
        }
    }
    real *all[] = {a, b, row, ones, got, want, scale};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void rows_and_sums(void **state)
{
    (void)state;
    static const int64_t channels[] = {1, 3, 7, 17, 33, 64, 700};
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        check_rows(1, 1, channels[i]);
        check_rows(3, 7, channels[i]);
        check_rows(2, 300, channels[i]);
    }
    check_rows(1, 70001, 1);
    check_rows(1, 20003, 5);
    check_rows(17, 1, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unary_values),
        cmocka_unit_test(unary_slopes),
        cmocka_unit_test(ragged_ends_and_threads),
        cmocka_unit_test(nan_goes_through_binary),
        cmocka_unit_test(rows_and_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
