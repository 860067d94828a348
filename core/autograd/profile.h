/* Where the time of a model goes: while it is on, every call and every step of backward is timed.
 *
 * Times are added up by place and operation. A place is a number that the caller gives a meaning (a layer's path); a
 * node remembers the place where it was recorded, so that its backward counts there. Off, it costs a test a call.
 * Not thread-safe: for the thread that runs Lua.
 */
#ifndef EFF_AUTOGRAD_PROFILE_H
#define EFF_AUTOGRAD_PROFILE_H

#include "autograd/op.h"

typedef struct eff_profile_pass {
    int64_t calls;
    double seconds; /* without calls inside the call */
    eff_cost cost;  /* of the records; backward's is the forward's for each computed gradient of two or more axes */
} eff_profile_pass;

typedef struct eff_profile_row {
    int place;
    const eff_op *op;
    eff_profile_pass forward, backward;
    double kept; /* bytes that calls keep for the last backward, and no earlier call */
} eff_profile_row;

extern bool eff_profiling;

void eff_profile_start(void); /* forgets all rows */
void eff_profile_stop(void);

/* Calls count at `place` from now on; returns where they counted before. 0 at the start. */
int eff_profile_set_place(int place);
int eff_profile_place(void);

/* Valid until the next call of a function of this file. */
const eff_profile_row *eff_profile_rows(int *count);

/* ---- for call.c and backward.c ---- */

typedef struct eff_profile_span {
    double began; /* 0: not counted */
    double inner;
} eff_profile_span;

eff_profile_span eff_profile_begin(void);
void eff_profile_end_forward(const eff_profile_span *span, const eff_call *c);
/* After the backward of a recorded call at `place`. */
void eff_profile_end_backward(const eff_profile_span *span, int place, eff_call *c);

struct eff_node;
/* Counts what the nodes, given by falling number, keep. */
void eff_profile_count_kept(struct eff_node *const *nodes, size_t count);

#endif
