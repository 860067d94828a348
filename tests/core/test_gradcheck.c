/* Every op of ops.def against central differences, in double precision, on all its samples.
 *
 * A random cotangent u turns the output into the scalar f = sum(u * y); backward gives df/dx, and
 * (f(x + h) - f(x - h)) / 2h must agree. The whole is done twice and must give the same bits, at two thread
 * counts. Built with real = double.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "autograd/backward.h"
#include "autograd/deferred.h"
#include "base/parallel.h"
#include "ops/registry.h"
#include "ops/sample.h"

static const double STEP = 1e-5, TOLERANCE = 2e-7;

static double weighted_sum(const eff_tensor *y, const eff_tensor *u)
{
    eff_tensor *dense = NULL;
    double sum = 0;
    assert_int_equal(eff_tensor_dense(&dense, y), EFF_OK);
    for (int64_t i = 0; i < eff_tensor_numel(y); i++) sum += eff_tensor_reals(dense)[i] * eff_tensor_reals(u)[i];
    eff_tensor_release(dense);
    return sum;
}

static void run(eff_call *c)
{
    eff_generator_set(7, 1);
    if (eff_call_run(c) != EFF_OK) fail_msg("%s", eff_message());
    for (int i = 0; i < c->n_out; i++) assert_int_equal(eff_settle(c->out[i]), EFF_OK);
}

static double value_at(eff_call *c, const eff_tensor *u)
{
    bool before = eff_set_grad_enabled(false);
    run(c);
    eff_set_grad_enabled(before);
    double f = weighted_sum(c->out[0], u);
    eff_call_release_outputs(c);
    return f;
}

static eff_tensor *cotangent(const eff_tensor *y)
{
    eff_tensor *u = NULL;
    eff_rng rng;
    assert_int_equal(eff_tensor_like(&u, y), EFF_OK);
    eff_rng_start(&rng, 3, EFF_RNG_USER, 1, 1);
    for (int64_t i = 0; i < eff_tensor_numel(u); i++) eff_tensor_reals(u)[i] = eff_rng_normal(&rng);
    return u;
}

/* Inputs that differentiation treats as constants: integers, targets, given statistics. */
static bool is_constant(const eff_call *c, int i)
{
    static const char *const names[] = {"targets", "mean", "variance", NULL};
    if (c->in[i]->dtype != EFF_REAL) return true;
    for (int j = 0; names[j]; j++)
        if (strcmp(eff_input_name(c, i), names[j]) == 0) return true;
    return false;
}

static void compare(eff_call *c, int i, const eff_tensor *u, const char *sample)
{
    real *x = eff_tensor_reals(c->in[i]);
    const real *dx = eff_tensor_reals(c->in[i]->grad);
    for (int64_t j = 0; j < eff_tensor_numel(c->in[i]); j++) {
        double held = x[j];
        x[j] = held + STEP;
        double above = value_at(c, u);
        x[j] = held - STEP;
        double below = value_at(c, u);
        x[j] = held;
        double numeric = (above - below) / (2 * STEP), error = fabs(numeric - dx[j]);
        if (!(error <= TOLERANCE * (1 + fabs(numeric))))
            fail_msg("%s (%s): d/d%s[%lld] is %.10g, central difference %.10g", c->op->name, sample, eff_input_name(c, i),
                     (long long)j, dx[j], numeric);
    }
}

static void backward_twice(eff_call *c, eff_tensor *first[], const eff_tensor *u)
{
    for (int round = 0; round < 2; round++) {
        eff_set_threads(round + 1);
        run(c);
        if (eff_backward(c->out[0], u, false) != EFF_OK) fail_msg("%s: %s", c->op->name, eff_message());
        eff_call_release_outputs(c);
        for (int i = 0; i < c->n_in; i++) {
            if (!c->in[i] || is_constant(c, i)) continue;
            assert_non_null(c->in[i]->grad);
            if (round == 0) {
                first[i] = c->in[i]->grad;
                c->in[i]->grad = NULL;
                continue;
            }
            eff_tensor *dense = NULL;
            assert_int_equal(eff_tensor_dense(&dense, first[i]), EFF_OK);
            assert_memory_equal(eff_tensor_data(dense), eff_tensor_data(c->in[i]->grad),
                                (size_t)eff_tensor_numel(dense) * sizeof(real));
            eff_tensor_release(dense);
            eff_tensor_release(first[i]);
        }
    }
}

static void check_sample(const eff_op *op, const char *sample)
{
    eff_call c;
    eff_tensor *first[EFF_MAX_INPUTS] = {NULL};
    if (eff_sample_make(&c, op, sample, 11) != EFF_OK) fail_msg("%s", eff_message());
    run(&c);
    eff_tensor *u = op->backward == eff_no_grad ? NULL : cotangent(c.out[0]);
    eff_call_release_outputs(&c);
    if (u) {
        for (int i = 0; i < c.n_in; i++)
            if (c.in[i]) c.in[i]->requires_grad = !is_constant(&c, i);
        backward_twice(&c, first, u);
        for (int i = 0; i < c.n_in; i++)
            if (c.in[i] && !is_constant(&c, i)) compare(&c, i, u, sample);
    }
    eff_tensor_release(u);
    eff_sample_release(&c);
}

static void every_op_matches_differences(void **state)
{
    (void)state;
    for (int i = 0; i < eff_op_count(); i++) {
        const eff_op *op = eff_op_at(i);
        for (int j = 0; op->samples[j]; j++) check_sample(op, op->samples[j]);
    }
}

static void every_op_is_described(void **state)
{
    (void)state;
    for (int i = 0; i < eff_op_count(); i++) {
        const eff_op *op = eff_op_at(i);
        if (!op->doc || !*op->doc || !op->shape || !op->forward || !op->backward) fail_msg("%s: the record has gaps", op->name);
        if (!op->samples || !op->samples[0]) fail_msg("%s has no samples", op->name);
        for (const eff_arg *a = op->args; a->name; a++)
            if (!a->doc || !*a->doc) fail_msg("%s: argument %s has no description", op->name, a->name);
        if (i > 0) assert_true(strcmp(eff_op_at(i - 1)->name, op->name) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_op_is_described),
                                       cmocka_unit_test(every_op_matches_differences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
