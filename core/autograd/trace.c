/* Recording which operations ran; see trace.h. */
#include "autograd/trace.h"

#include "autograd/profile.h"

#include <stdlib.h>
#include <string.h>

bool eff_tracing = false;

static eff_trace trace;
static int value_room, step_room;

static eff_status grow(void **list, int count, int *room, size_t size)
{
    if (count < *room) return EFF_OK;
    int more = *room ? 2 * *room : 256;
    void *grown = realloc(*list, (size_t)more * size);
    if (!grown) return eff_fail(EFF_E_MEMORY, "no memory to trace more than %d calls", count);
    *list = grown;
    *room = more;
    return EFF_OK;
}

/* Takes a reference to t. */
static eff_status add_value(int *number, eff_tensor *t, bool constant)
{
    EFF_TRY(grow((void **)&trace.values, trace.n_values, &value_room, sizeof *trace.values));
    eff_trace_value *v = &trace.values[trace.n_values];
    *v = (eff_trace_value){.dtype = t->dtype, .ndim = t->ndim, .constant = constant, .tensor = eff_tensor_retain(t)};
    memcpy(v->shape, t->shape, sizeof v->shape);
    *number = trace.n_values++;
    return EFF_OK;
}

static bool shows_same(const eff_tensor *a, const eff_tensor *b)
{
    if (!a->storage || a->storage != b->storage || a->offset != b->offset || a->dtype != b->dtype) return false;
    return eff_tensor_same_shape(a, b) && memcmp(a->stride, b->stride, (size_t)a->ndim * sizeof a->stride[0]) == 0;
}

int eff_trace_find(const eff_tensor *t)
{
    for (int i = trace.n_values - 1; i >= 0; i--)
        if (trace.values[i].tensor == t) return i;
    for (int i = trace.n_values - 1; i >= 0; i--)
        if (trace.values[i].tensor && shows_same(trace.values[i].tensor, t)) return i;
    return -1;
}

/* Lets go of results that no later call can read. */
static void release_unread(void)
{
    for (int i = 1; i < trace.n_values; i++) {
        eff_trace_value *v = &trace.values[i];
        if (v->constant || !v->tensor || v->tensor->refs > 1) continue;
        if (v->tensor->storage && v->tensor->storage->refs > 1) continue;
        eff_tensor_release(v->tensor);
        v->tensor = NULL;
    }
}

/* Whether the call reads a value that is no constant. The calls inside a function written in Lua have been steps. */
static bool is_step(const eff_call *c)
{
    if (c->context) return false;
    for (int i = 0; i < c->n_in; i++) {
        int number = c->in[i] ? eff_trace_find(c->in[i]) : -1;
        if (number >= 0 && !trace.values[number].constant) return true;
    }
    return false;
}

eff_status eff_trace_call(const eff_call *c)
{
    int n_out = c->n_out - c->op->hidden;
    release_unread();
    if (!is_step(c)) return EFF_OK;
    EFF_TRY(grow((void **)&trace.steps, trace.n_steps, &step_room, sizeof *trace.steps));
    eff_trace_step *s = &trace.steps[trace.n_steps];
    *s = (eff_trace_step){.op = c->op, .place = eff_profile_place(), .n_in = c->n_in, .n_out = n_out};
    memcpy(s->arg, c->arg, sizeof s->arg);
    for (int i = 0; i < c->n_in; i++) {
        s->in[i] = c->in[i] ? eff_trace_find(c->in[i]) : -1;
        if (c->in[i] && s->in[i] < 0) EFF_TRY(add_value(&s->in[i], c->in[i], true));
    }
    for (int i = 0; i < n_out; i++) EFF_TRY(add_value(&s->out[i], c->out[i], false));
    trace.n_steps++;
    return EFF_OK;
}

eff_status eff_trace_start(eff_tensor *input)
{
    int first;
    if (eff_tracing) return eff_fail(EFF_E_STATE, "a trace is running already");
    eff_trace_clear();
    EFF_TRY(add_value(&first, input, false));
    eff_tracing = true;
    return EFF_OK;
}

const eff_trace *eff_trace_stop(void)
{
    eff_tracing = false;
    return &trace;
}

void eff_trace_clear(void)
{
    for (int i = 0; i < trace.n_values; i++) eff_tensor_release(trace.values[i].tensor);
    free(trace.values);
    free(trace.steps);
    trace = (eff_trace){0};
    value_room = step_room = 0;
}
