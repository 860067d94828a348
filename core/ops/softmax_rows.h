/* Softmax over the last axis, shared by softmax, log_softmax and the cross-entropy. */
#ifndef EFF_OPS_SOFTMAX_ROWS_H
#define EFF_OPS_SOFTMAX_ROWS_H

#include "autograd/op.h"

/* log(sum(exp(x))) of one row, without overflow. */
double eff_log_sum_exp(const real *x, int64_t n);

eff_status eff_softmax_shape(eff_call *c);

/* Calls visit(c, row, n) for every row of input 0, rows in parallel. */
void eff_each_row(eff_call *c, void (*visit)(eff_call *c, int64_t row, int64_t n));

#endif
