/* Running a call: defaults, shape rule, outputs, forward, recording; see op.h. */
#include "autograd/op.h"

#include "autograd/deferred.h"
#include "autograd/node.h"
#include "autograd/profile.h"
#include "autograd/trace.h"
#include "base/interrupt.h"

#include <string.h>

static bool grad_enabled = true;
static struct {
    uint64_t seed, step, counter;
} generator;

bool eff_grad_enabled(void) { return grad_enabled; }

bool eff_set_grad_enabled(bool enabled)
{
    bool before = grad_enabled;
    grad_enabled = enabled;
    return before;
}

void eff_generator_set(uint64_t seed, uint64_t step) { eff_generator_restore(seed, step, 0); }

void eff_generator_get(uint64_t *seed, uint64_t *step, uint64_t *counter)
{
    *seed = generator.seed;
    *step = generator.step;
    *counter = generator.counter;
}

void eff_generator_restore(uint64_t seed, uint64_t step, uint64_t counter)
{
    generator.seed = seed;
    generator.step = step;
    generator.counter = counter;
}

eff_status eff_no_grad(eff_call *c) { return eff_fail(EFF_E_STATE, "%s has no gradient", c->op->name); }

void eff_call_start(eff_call *c, const eff_op *op)
{
    memset(c, 0, sizeof *c);
    c->op = op;
    for (int i = 0; op->args && op->args[i].name; i++) c->arg[i] = op->args[i].initial;
}

int eff_arg_index(const eff_op *op, const char *name)
{
    for (int i = 0; op->args && op->args[i].name; i++)
        if (strcmp(op->args[i].name, name) == 0) return i;
    return -1;
}

const char *eff_input_name(const eff_call *c, int i)
{
    int seen = 0;
    for (const eff_arg *a = c->op->args; a && a->name; a++) {
        if (a->kind == EFF_ARG_TENSOR_LIST) return a->name;
        if (a->kind != EFF_ARG_TENSOR && a->kind != EFF_ARG_OPTIONAL_TENSOR) continue;
        if (seen++ == i) return a->name;
    }
    return "input";
}

void eff_spec_set(eff_call *c, int i, eff_dtype dtype, int ndim, const int64_t *shape)
{
    eff_spec *s = &c->spec[i];
    s->dtype = dtype;
    s->ndim = ndim;
    s->deferred = false;
    for (int d = 0; d < ndim; d++) s->shape[d] = shape[d];
    if (i >= c->n_out) c->n_out = i + 1;
}

void eff_spec_like(eff_call *c, int i, eff_dtype dtype, const eff_tensor *t)
{
    eff_spec_set(c, i, dtype, t->ndim, t->shape);
}

eff_status eff_want_dtype(const eff_call *c, int i, eff_dtype dtype)
{
    if (!c->in[i] || c->in[i]->dtype == dtype) return EFF_OK;
    return eff_fail(EFF_E_TYPE, "%s: %s is %s, wanted %s (:cast(\"%s\") converts)", c->op->name, eff_input_name(c, i),
                    eff_dtype_name(c->in[i]->dtype), eff_dtype_name(dtype), eff_dtype_name(dtype));
}

eff_status eff_want_ndim(const eff_call *c, int i, int ndim)
{
    char shape[EFF_SHAPE_TEXT];
    if (c->in[i]->ndim == ndim) return EFF_OK;
    return eff_fail(EFF_E_SHAPE, "%s: %s has %d dimensions (%s), wanted %d%s", c->op->name, eff_input_name(c, i),
                    c->in[i]->ndim, eff_shape_text(shape, c->in[i]->ndim, c->in[i]->shape), ndim,
                    i == 0 && ndim == 4 ? ": images x height x width x channels" : "");
}

static bool any_requires_grad(const eff_call *c)
{
    for (int i = 0; i < c->n_in; i++)
        if (c->in[i] && c->in[i]->requires_grad) return true;
    return false;
}

static bool takes_as_is(const eff_op *op, int i, const eff_tensor *t)
{
    return eff_is_deferred(t) ? eff_is_scaled(t) && eff_reads_deferred(op, i) : op->flags & EFF_STRIDED;
}

/* Replaces strided and deferred inputs by dense ones; all n_in inputs are then the callee's to release. */
static eff_status own_inputs(eff_call *c)
{
    for (int i = 0; i < c->n_in; i++) {
        eff_tensor *given = c->in[i];
        c->in[i] = NULL;
        if (!given) continue;
        if (takes_as_is(c->op, i, given)) {
            c->in[i] = eff_tensor_retain(given);
            continue;
        }
        eff_status status = eff_computed(&c->in[i], given);
        if (status == EFF_OK) continue;
        for (int j = i + 1; j < c->n_in; j++) c->in[j] = NULL;
        return status;
    }
    return EFF_OK;
}

static eff_status make_outputs(eff_call *c)
{
    if (c->op->flags & EFF_VIEW) return EFF_OK;
    for (int i = 0; i < c->n_out; i++) {
        const eff_spec *s = &c->spec[i];
        eff_status status = s->deferred ? eff_tensor_bare(&c->out[i], s->dtype, s->ndim, s->shape)
                                        : eff_tensor_new(&c->out[i], s->dtype, s->ndim, s->shape);
        if (status != EFF_OK) return eff_fail_at(status, "%s", c->op->name);
    }
    return EFF_OK;
}

void eff_call_release_outputs(eff_call *c)
{
    for (int i = 0; i < EFF_MAX_OUTPUTS; i++) {
        eff_tensor_release(c->out[i]);
        c->out[i] = NULL;
    }
}

static eff_status compute(eff_call *c)
{
    EFF_TRY(own_inputs(c));
    EFF_TRY(c->op->shape(c));
    EFF_TRY(make_outputs(c));
    return c->op->forward(c);
}

eff_status eff_call_run(eff_call *c)
{
    eff_tensor *given[EFF_MAX_INPUTS];
    if (eff_interrupt_pending()) return eff_fail(EFF_E_INTERRUPTED, "interrupted");
    memcpy(given, c->in, sizeof given);
    c->training = grad_enabled && c->op->backward != eff_no_grad && any_requires_grad(c);
    if (c->op->flags & EFF_RANDOM) {
        c->seed = generator.seed;
        c->stream_a = generator.step;
        c->stream_b = generator.counter++;
    }
    eff_profile_span span = eff_profile_begin();
    eff_status status = compute(c);
    if (status == EFF_OK) eff_profile_end_forward(&span, c);
    if (status == EFF_OK && c->training) status = eff_node_record(c, given);
    for (int i = 0; i < c->n_in; i++) eff_tensor_release(c->in[i]);
    memcpy(c->in, given, sizeof given);
    if (status == EFF_OK && eff_tracing) status = eff_trace_call(c);
    if (status != EFF_OK) eff_call_release_outputs(c);
    return status;
}

eff_status eff_call_grad(eff_call *c, int i, real **dx)
{
    *dx = NULL;
    if (!c->wants[i]) return EFF_OK;
    eff_tensor *leaf = c->leaf[i];
    if (leaf && leaf->grad && leaf->grad_is_zero) {
        leaf->grad_is_zero = false;
        c->din[i] = eff_tensor_retain(leaf->grad);
    } else {
        EFF_TRY(eff_tensor_like(&c->din[i], c->in[i]));
    }
    *dx = eff_tensor_reals(c->din[i]);
    return EFF_OK;
}

eff_status eff_call_hand_on(eff_call *c, int i, eff_tensor *gradient)
{
    if (!c->wants[i]) return EFF_OK;
    return eff_tensor_reshape(&c->din[i], gradient, c->in[i]->ndim, c->in[i]->shape);
}
