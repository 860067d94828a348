/* Which operations computed a result from a tensor: for whoever writes a model down in another form.
 *
 * While a trace runs, every call that reads its input, or what was computed from it, becomes a step. Whatever else
 * such a call reads is a constant: weights, and what was computed of weights alone. A tensor that no call made but that
 * shows the elements of a value in the same shape (x:detach()) is that value.
 * One trace at a time, and not thread-safe: for the thread that runs Lua.
 */
#ifndef EFF_AUTOGRAD_TRACE_H
#define EFF_AUTOGRAD_TRACE_H

#include "autograd/op.h"

typedef struct eff_trace_value {
    eff_dtype dtype;
    int ndim;
    int64_t shape[EFF_MAX_DIMS];
    bool constant;
    eff_tensor *tensor; /* a constant has it; the trace holds others only while somebody else does */
} eff_trace_value;

typedef struct eff_trace_step {
    const eff_op *op;
    int place; /* as eff_profile_place() has it */
    int n_in, n_out; /* without hidden outputs */
    int in[EFF_MAX_INPUTS], out[EFF_MAX_OUTPUTS]; /* numbers of values; -1 where an optional input is absent */
    eff_value arg[EFF_MAX_ARGS];
} eff_trace_step;

typedef struct eff_trace {
    int n_values, n_steps;
    eff_trace_value *values; /* the input is the first */
    eff_trace_step *steps;
} eff_trace;

extern bool eff_tracing;

eff_status eff_trace_start(eff_tensor *input);

/* The number of the value that t is; -1 when it is none. */
int eff_trace_find(const eff_tensor *t);

/* Ends the trace, which stays readable until eff_trace_clear. */
const eff_trace *eff_trace_stop(void);
void eff_trace_clear(void);

/* For call.c: a call that has run, with its inputs as they were given. */
eff_status eff_trace_call(const eff_call *c);

#endif
