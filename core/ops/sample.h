/* Samples: the inputs and arguments an op is checked and timed with, as text in its record.
 *
 * "x=2,5,5,3 weight=3,3,3,4 stride=2 padding=same": every word names an argument. A tensor is given by its
 * shape and filled with normal numbers; "+2,3" asks for numbers in [0.5, 1.5), "<10>4" for int64 labels below
 * 10. A list of tensors separates shapes by '|'. Other arguments are written as their values.
 */
#ifndef EFF_OPS_SAMPLE_H
#define EFF_OPS_SAMPLE_H

#include "autograd/op.h"

/* Starts c with the sample's inputs, drawn from the stream (seed, EFF_RNG_USER, 0, 0); they are the caller's:
 * eff_sample_release frees them. */
eff_status eff_sample_make(eff_call *c, const eff_op *op, const char *text, uint64_t seed);
void eff_sample_release(eff_call *c);

/* Sets argument number `index` of c from text: "2", "true", "1,2", "same". */
eff_status eff_arg_parse(eff_call *c, int index, const char *text);

#endif
