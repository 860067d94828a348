/* What the two halves of conv2d.direct share: how output channels are cut into panels of vectors. */
#ifndef EFF_KERNELS_CONV_DIRECT_H
#define EFF_KERNELS_CONV_DIRECT_H

#include "kernels/kernels.h"
#include "kernels/simd/vec.h"

/* A panel is 3, 2 or 1 vectors wide: threes while they last, but 2 + 2 rather than 3 + 1. */
typedef struct panel {
    int64_t first; /* vector */
    int vectors;
} panel;

static inline int64_t panel_count(int64_t vectors) { return (vectors + 2) / 3; }

static inline panel panel_at(int64_t vectors, int64_t i)
{
    int64_t threes = vectors % 3 == 1 && vectors > 1 ? vectors / 3 - 1 : vectors / 3;
    if (i < threes) return (panel){3 * i, 3};
    int64_t first = 3 * threes + 2 * (i - threes);
    return (panel){first, vectors - first < 2 ? 1 : 2};
}

/* Whether the convolution is a plain matrix product: output pixel i reads input pixel i alone. */
static inline bool pointwise(const eff_conv_shape *s)
{
    return s->kh == 1 && s->kw == 1 && s->stride_h == 1 && s->stride_w == 1 && s->oh == s->h && s->ow == s->w &&
           s->pad_top == 0 && s->pad_left == 0;
}

size_t ISA_NAME(eff_conv_direct_weights_scratch)(const eff_conv_shape *s);
void ISA_NAME(eff_conv_direct_weights)(float *dw, const float *dy, const eff_conv_input *x, const eff_conv_shape *s,
                                       void *scratch);

#endif
