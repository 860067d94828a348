/* What the halves of conv2d.direct and conv2d.winograd share: how output channels are cut into panels of vectors, and
 * how weights are packed into them. */
#ifndef EFF_KERNELS_CONV_DIRECT_H
#define EFF_KERNELS_CONV_DIRECT_H

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "kernels/simd/vec.h"

static inline int64_t vectors_of(int64_t channels) { return eff_chunks(channels, VL); }

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

/* to [rows][lanes], to[i][j] = w[i][j] for j < columns, else 0 */
static inline void pack_straight(float *to, const float *w, int64_t row_length, int64_t rows, int64_t columns,
                                 int64_t lanes)
{
    for (int64_t i = 0; i < rows; i++) {
        memcpy(to + i * lanes, w + i * row_length, (size_t)columns * sizeof *to);
        memset(to + i * lanes + columns, 0, (size_t)(lanes - columns) * sizeof *to);
    }
}

/* to[i][j] = w[j][i] for j < columns, else 0; a block of VL x VL at a time */
static inline void pack_transposed(float *to, const float *w, int64_t row_length, int64_t rows, int64_t columns,
                                   int64_t lanes)
{
    for (int64_t i = 0; i < rows; i += VL) {
        int64_t width = rows - i < VL ? rows - i : VL;
        for (int64_t j = 0; j < lanes; j += VL) {
            vec block[VL];
            for (int64_t k = 0; k < VL; k++)
                block[k] = j + k >= columns ? (vec){0}
                           : width == VL    ? vec_load(w + (j + k) * row_length + i)
                                            : vec_load_some(w + (j + k) * row_length + i, width);
            vec_transpose(block);
            for (int64_t k = 0; k < width; k++) vec_store(to + (i + k) * lanes + j, block[k]);
        }
    }
}

size_t ISA_NAME(eff_conv_direct_weights_scratch)(const eff_conv_shape *s);
void ISA_NAME(eff_conv_direct_weights)(float *dw, const float *dy, const eff_conv_input *x, const eff_conv_shape *s,
                                       void *scratch);
/* to [count] = the sum of partial [chunk][count], in order */
void ISA_NAME(eff_conv_add_chunks)(float *to, const float *partial, int64_t count, int64_t chunks);

#endif
