/* The geometry of sliding windows: kernel, stride, dilation and the three kinds of padding. Shared by convolution
 * and pooling. */
#ifndef EFF_OPS_WINDOW_H
#define EFF_OPS_WINDOW_H

#include "autograd/op.h"

typedef struct eff_window {
    int64_t kernel[2], stride[2], dilation[2];
    int64_t before[2], after[2]; /* padding at the top and left, at the bottom and right */
    int64_t out[2];
} eff_window;

extern const char *const eff_padding_words[]; /* "same", "valid" */

#define EFF_PADDING_DOC                                                                                              \
    "zeros around the image: p, {vertical, horizontal}, {top, bottom, left, right}, \"valid\" (none), or \"same\" as " \
    "TensorFlow has it: ceil(size / stride) outputs, the odd zero after"

/* 1 or 2 positive numbers; `given` may be empty, then both are `missing`. */
eff_status eff_pair_parse(int64_t pair[2], const eff_call *c, const char *name, const eff_value *given, int64_t missing);

/* Padding and output sizes for an h x w image; kernel, stride and dilation are set already. */
eff_status eff_window_fit(eff_window *w, const eff_call *c, const eff_value *padding, int64_t height, int64_t width);

#endif
