/* The record of an operation, and one call of it.
 *
 * A record holds everything about an op: its name and documentation, its arguments, the rule for the result's
 * shape, forward, backward, what must be kept between them, its cost, and samples for the checks and the
 * benchmark. The Lua function, argument parsing, error texts, gradient check, variant check and benchmark are
 * derived by walking the records.
 */
#ifndef EFF_AUTOGRAD_OP_H
#define EFF_AUTOGRAD_OP_H

#include "base/rng.h"
#include "tensor/tensor.h"

enum { EFF_MAX_INPUTS = 32, EFF_MAX_OUTPUTS = 4, EFF_MAX_ARGS = 14 };

typedef enum eff_arg_kind {
    EFF_ARG_TENSOR,
    EFF_ARG_OPTIONAL_TENSOR,
    EFF_ARG_TENSOR_LIST, /* the only tensor argument of its op */
    EFF_ARG_INT,
    EFF_ARG_REAL,
    EFF_ARG_BOOL,
    EFF_ARG_INTS,  /* up to EFF_MAX_DIMS integers; a single number stands for a list of one. Where the record has
                    * choices, a word may stand there too: it becomes a list of one, EFF_WORD(its index) */
    EFF_ARG_CHOICE /* one of a fixed list of words; its index is kept in .i */
} eff_arg_kind;

typedef struct eff_value {
    int64_t i; /* INT, BOOL, CHOICE; for INTS the count, 0 when not given */
    double f;  /* REAL */
    int64_t list[EFF_MAX_DIMS];
} eff_value;

#define EFF_WORD(index) (-1000 - (index))

typedef struct eff_arg {
    const char *name; /* NULL ends the list */
    eff_arg_kind kind;
    bool required;              /* has no default */
    eff_value initial;          /* the default */
    const char *const *choices; /* of EFF_ARG_CHOICE and EFF_ARG_INTS, NULL-terminated */
    const char *doc;
} eff_arg;

#define EFF_IN(name_, doc_) {.name = name_, .kind = EFF_ARG_TENSOR, .required = true, .doc = doc_}
#define EFF_IN_OPTIONAL(name_, doc_) {.name = name_, .kind = EFF_ARG_OPTIONAL_TENSOR, .doc = doc_}
#define EFF_IN_LIST(name_, doc_) {.name = name_, .kind = EFF_ARG_TENSOR_LIST, .required = true, .doc = doc_}
#define EFF_INT(name_, value, doc_) {.name = name_, .kind = EFF_ARG_INT, .initial = {.i = value}, .doc = doc_}
#define EFF_NUMBER(name_, value, doc_) {.name = name_, .kind = EFF_ARG_REAL, .initial = {.f = value}, .doc = doc_}
#define EFF_FLAG(name_, value, doc_) {.name = name_, .kind = EFF_ARG_BOOL, .initial = {.i = value}, .doc = doc_}
#define EFF_INTS(name_, doc_) {.name = name_, .kind = EFF_ARG_INTS, .doc = doc_}
#define EFF_INTS_OR_WORD(name_, words, doc_)                                                                         \
    {.name = name_, .kind = EFF_ARG_INTS, .choices = words, .doc = doc_}
#define EFF_CHOICE(name_, words, doc_) {.name = name_, .kind = EFF_ARG_CHOICE, .choices = words, .doc = doc_}
#define EFF_ARGS(...) (const eff_arg[]) { __VA_ARGS__, { .name = NULL } }

typedef struct eff_spec { /* type and shape of an output */
    eff_dtype dtype;
    int ndim;
    int64_t shape[EFF_MAX_DIMS];
    bool deferred; /* no storage: forward gives it a recipe */
} eff_spec;

typedef struct eff_cost {
    double flops; /* a multiply-add counts as two */
    double bytes; /* moved from and to memory when nothing stays in a cache */
} eff_cost;

typedef struct eff_op eff_op;

typedef struct eff_call {
    const eff_op *op;
    int n_in, n_out; /* n_out counts hidden outputs too */
    eff_tensor *in[EFF_MAX_INPUTS];     /* dense unless the op is strided; NULL where an optional one is absent */
    eff_value arg[EFF_MAX_ARGS];        /* at the argument's place in the record; tensors' places are unused */
    eff_spec spec[EFF_MAX_OUTPUTS];     /* what the shape rule says */
    eff_tensor *out[EFF_MAX_OUTPUTS];
    bool training;                      /* backward may follow */

    /* of backward */
    eff_tensor *dout[EFF_MAX_OUTPUTS]; /* dense or, where the op reads it, deferred; NULL where no gradient arrived */
    eff_tensor *din[EFF_MAX_INPUTS];   /* set by eff_call_grad or eff_call_hand_on */
    bool wants[EFF_MAX_INPUTS];        /* whether this input's gradient is asked for */
    eff_tensor *leaf[EFF_MAX_INPUTS];  /* the input, where it is a leaf whose gradient may be written in place */

    uint64_t seed, stream_a, stream_b; /* of random ops */
    void *context;                     /* of functions written in Lua */
} eff_call;

enum {
    EFF_SAVE_NOTHING = 0,
    EFF_STRIDED = 1 << 0, /* takes inputs of any strides; others get dense copies */
    EFF_VIEW = 1 << 1,    /* makes its outputs itself (they share storage with an input) */
    EFF_RANDOM = 1 << 2,  /* draws from a random stream, given in the call */
    EFF_READS_DEFERRED = 1 << 3, /* takes its first input as a deferred norm (autograd/deferred.h), in backward too */
    EFF_READS_DEFERRED_ALL = 1 << 4,     /* takes any of its inputs so */
    EFF_READS_DEFERRED_GRADIENT = 1 << 5 /* takes the gradient of its first output deferred */
};
#define EFF_SAVE_IN(i) (1u << (i))
#define EFF_SAVE_OUT(i) (1u << (16 + (i)))
#define EFF_SAVE_ALL_IN 0xFFFFu

struct eff_op {
    const char *name;
    const char *doc;
    const eff_arg *args;
    int hidden;     /* outputs after the first n_out - hidden are for backward and layers only */
    unsigned flags; /* EFF_STRIDED | ... */
    unsigned saves; /* EFF_SAVE_IN(0) | ... : what backward reads; shapes of inputs are always kept */

    eff_status (*shape)(eff_call *c);    /* checks inputs and arguments; sets n_out and spec[] */
    eff_status (*forward)(eff_call *c);  /* fills out[] */
    eff_status (*backward)(eff_call *c); /* gives din[] for wants[]; eff_no_grad when there is no gradient */
    void (*cost)(eff_cost *cost, const eff_call *c);      /* NULL: bytes of inputs and outputs, a flop an element */
    void (*forget)(eff_call *c); /* releases c->context; NULL for all ops of ops.def */

    const char *const *samples; /* inputs and arguments for the checks; see ops/sample.h */
};

/* Whether the op takes its input i as a deferred norm. */
static inline bool eff_reads_deferred(const eff_op *op, int i)
{
    return op->flags & EFF_READS_DEFERRED_ALL || (i == 0 && op->flags & EFF_READS_DEFERRED);
}

/* Backward of ops without a gradient: their results are constants. */
eff_status eff_no_grad(eff_call *c);

/* ---- for forward ---- */

/* Starts a call: defaults in place, no tensors. */
void eff_call_start(eff_call *c, const eff_op *op);

/* Runs it: dense copies, shape rule, outputs, forward, recording. On success out[0..n_out-1] belong to the
 * caller. in[] stay the caller's. */
eff_status eff_call_run(eff_call *c);

void eff_call_release_outputs(eff_call *c);

/* The op's cost for inputs and arguments as in c, whose outputs exist or whose shape rule ran. */
void eff_op_cost(eff_cost *cost, const eff_call *c);

/* Place of the named argument in the record; -1 when there is none. */
int eff_arg_index(const eff_op *op, const char *name);

/* Says that output i has the shape of t and its own type. */
void eff_spec_like(eff_call *c, int i, eff_dtype dtype, const eff_tensor *t);
void eff_spec_set(eff_call *c, int i, eff_dtype dtype, int ndim, const int64_t *shape);

/* Fails with "<op>: <argument> is int32, wanted float32" unless input i is of that type. */
eff_status eff_want_dtype(const eff_call *c, int i, eff_dtype dtype);
eff_status eff_want_ndim(const eff_call *c, int i, int ndim);
const char *eff_input_name(const eff_call *c, int i);

/* ---- for backward ---- */

/* Where to write the gradient of input i: NULL in *dx when nobody wants it. The contents are undefined before:
 * write all of it. */
eff_status eff_call_grad(eff_call *c, int i, real **dx);

/* Hands an existing tensor of the input's number of elements on as its gradient, without a copy. */
eff_status eff_call_hand_on(eff_call *c, int i, eff_tensor *gradient);

/* ---- random streams of ops ----
 * Every random op takes the next stream of the generator; a training step sets it, so that a resumed run draws
 * the same numbers. */
void eff_generator_set(uint64_t seed, uint64_t step);
void eff_generator_get(uint64_t *seed, uint64_t *step, uint64_t *counter);
void eff_generator_restore(uint64_t seed, uint64_t step, uint64_t counter);

/* ---- recording ---- */

bool eff_grad_enabled(void);
bool eff_set_grad_enabled(bool enabled); /* returns what it was */

#endif
