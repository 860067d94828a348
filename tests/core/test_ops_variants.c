/* Every op of ops.def, forward and backward, with the fast kernels of every instruction set against the reference
 * kernels, on all its samples; on strided inputs; and at 1, 2 and 3 threads, which must give the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/backward.h"
#include "autograd/deferred.h"
#include "base/parallel.h"
#include "kernels/variants.h"
#include "ops/registry.h"
#include "ops/sample.h"

typedef struct outcome {
    eff_tensor *t[EFF_MAX_OUTPUTS + EFF_MAX_INPUTS]; /* outputs, then gradients */
} outcome;

static void pin_references(bool pinned)
{
    for (int family = 0; family < EFF_FAMILY_COUNT; family++) {
        char name[64];
        snprintf(name, sizeof name, "%s.reference", eff_family_name((eff_family)family));
        const eff_variant *v = eff_variant_find(name);
        assert_non_null(v);
        eff_variant_pin((eff_family)family, pinned ? v : NULL);
    }
}

/* The same values behind other strides: every second element along the last axis of a wider tensor. */
static eff_tensor *strided(const eff_tensor *t)
{
    eff_tensor *wide = NULL, *view = NULL;
    int64_t shape[EFF_MAX_DIMS];
    if (t->ndim == 0) return eff_tensor_retain((eff_tensor *)t);
    memcpy(shape, t->shape, sizeof shape);
    shape[t->ndim - 1] *= 2;
    assert_int_equal(eff_tensor_zeros(&wide, t->dtype, t->ndim, shape), EFF_OK);
    assert_int_equal(eff_tensor_slice(&view, wide, t->ndim - 1, 0, shape[t->ndim - 1], 2), EFF_OK);
    assert_int_equal(eff_tensor_copy(view, t), EFF_OK);
    eff_tensor_release(wide);
    return view;
}

static void run_sample(outcome *o, const eff_op *op, const char *sample, bool gaps)
{
    eff_call c;
    memset(o, 0, sizeof *o);
    if (eff_sample_make(&c, op, sample, 5) != EFF_OK) fail_msg("%s", eff_message());
    for (int i = 0; i < c.n_in; i++) {
        if (!c.in[i]) continue;
        if (gaps) {
            eff_tensor *view = strided(c.in[i]);
            eff_tensor_release(c.in[i]);
            c.in[i] = view;
        }
        c.in[i]->requires_grad = op->backward != eff_no_grad && c.in[i]->dtype == EFF_REAL;
    }
    eff_generator_set(3, 4);
    if (eff_call_run(&c) != EFF_OK) fail_msg("%s (%s): %s", op->name, sample, eff_message());
    for (int i = 0; i < c.n_out; i++) assert_int_equal(eff_settle(c.out[i]), EFF_OK);
    if (op->backward != eff_no_grad) {
        eff_tensor *u = NULL;
        assert_int_equal(eff_tensor_like(&u, c.out[0]), EFF_OK);
        for (int64_t i = 0; i < eff_tensor_numel(u); i++) eff_tensor_reals(u)[i] = (real)(i % 7) - 2;
        if (eff_backward(c.out[0], u, false) != EFF_OK) fail_msg("%s (%s): %s", op->name, sample, eff_message());
        eff_tensor_release(u);
    }
    for (int i = 0; i < c.n_out; i++) assert_int_equal(eff_tensor_dense(&o->t[i], c.out[i]), EFF_OK);
    for (int i = 0; i < c.n_in; i++)
        if (c.in[i] && c.in[i]->grad) o->t[EFF_MAX_OUTPUTS + i] = eff_tensor_retain(c.in[i]->grad);
    eff_call_release_outputs(&c);
    eff_sample_release(&c);
}

static void release(outcome *o)
{
    for (size_t i = 0; i < sizeof o->t / sizeof o->t[0]; i++) eff_tensor_release(o->t[i]);
}

static void expect_close(const outcome *got, const outcome *want, const char *op, const char *sample, const char *how)
{
    for (size_t k = 0; k < sizeof got->t / sizeof got->t[0]; k++) {
        if (!want->t[k]) continue;
        assert_non_null(got->t[k]);
        double largest = 1;
        int64_t n = eff_tensor_numel(want->t[k]);
        if (want->t[k]->dtype != EFF_REAL) {
            assert_memory_equal(eff_tensor_data(got->t[k]), eff_tensor_data(want->t[k]),
                                (size_t)n * eff_dtype_size(want->t[k]->dtype));
            continue;
        }
        const real *a = eff_tensor_reals(got->t[k]), *b = eff_tensor_reals(want->t[k]);
        for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)b[i]));
        for (int64_t i = 0; i < n; i++)
            if (!(fabs((double)a[i] - (double)b[i]) <= 4e-6 * largest))
                fail_msg("%s (%s), %s, result %zu, element %lld: %.9g, reference %.9g", op, sample, how, k, (long long)i,
                         (double)a[i], (double)b[i]);
    }
}

static void expect_same_bits(const outcome *a, const outcome *b, const char *op, const char *sample, const char *how)
{
    for (size_t k = 0; k < sizeof a->t / sizeof a->t[0]; k++) {
        if (!a->t[k] && !b->t[k]) continue;
        if (memcmp(eff_tensor_data(a->t[k]), eff_tensor_data(b->t[k]),
                   (size_t)eff_tensor_numel(a->t[k]) * eff_dtype_size(a->t[k]->dtype)) != 0)
            fail_msg("%s (%s): %s changes the bits of result %zu", op, sample, how, k);
    }
}

static void check_sample(const eff_op *op, const char *sample)
{
    outcome want;
    pin_references(true);
    run_sample(&want, op, sample, false);
    pin_references(false);
    for (int isa = 0; isa <= (int)eff_isa_best(); isa++) {
        outcome one, more, gaps;
        assert_int_equal(eff_isa_use(eff_isa_name((eff_isa)isa)), EFF_OK);
        eff_set_threads(1);
        run_sample(&one, op, sample, false);
        expect_close(&one, &want, op->name, sample, eff_isa_name((eff_isa)isa));
        run_sample(&gaps, op, sample, true);
        expect_same_bits(&gaps, &one, op->name, sample, "a strided input");
        release(&gaps);
        for (int threads = 2; threads <= 3; threads++) {
            eff_set_threads(threads);
            run_sample(&more, op, sample, false);
            expect_same_bits(&more, &one, op->name, sample, "the number of threads");
            release(&more);
        }
        release(&one);
    }
    eff_isa_use(eff_isa_name(eff_isa_best()));
    release(&want);
}

static void every_variant_agrees(void **state)
{
    (void)state;
    for (int i = 0; i < eff_op_count(); i++)
        for (int j = 0; eff_op_at(i)->samples[j]; j++) check_sample(eff_op_at(i), eff_op_at(i)->samples[j]);
}

/* Larger problems, where work is cut into many chunks. */
static void larger_problems_agree(void **state)
{
    (void)state;
    static const struct {
        const char *op, *sample;
    } problems[] = {
        {"conv2d", "x=3,33,31,17 weight=3,3,17,33 bias=33 padding=1"},
        {"conv2d", "x=2,31,33,40 weight=3,3,40,48 bias=48 padding=1"},
        {"conv2d", "x=2,32,32,48 weight=3,3,48,64 stride=2 padding=same"},
        {"conv2d", "x=2,28,28,64 weight=1,1,64,96"},
        {"conv2d", "x=3,31,29,33 weight=5,5,1,33 groups=33 stride=2 padding=same"},
        {"conv2d", "x=3,31,29,35 weight=3,3,1,35 groups=35 padding=1"},
        {"batch_norm", "x=4,33,31,35 gamma=+35 beta=35 activation=silu"},
        {"mul", "a=3,33,31,35 b=3,1,1,35"},
        {"add", "a=3,33,31,35 b=35"},
        {"silu", "x=3,33,31,35"},
        {"global_avg_pool", "x=3,33,31,35"},
        {"matmul", "a=300,70 b=70,130"},
        {"matmul", "a=70,3000 b=3000,13"},
        {"dense", "x=65,130 weight=130,100 bias=100"},
        {"sum", "x=300,7,130 axes=1,3"},
    };
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++)
        check_sample(eff_op_find(problems[i].op), problems[i].sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_variant_agrees), cmocka_unit_test(larger_problems_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
