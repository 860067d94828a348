/* Interfaces of the kernel families: numerics on raw arrays.
 *
 * A kernel knows no tensor, allocates nothing and cannot fail: callers have checked the shapes and hand in
 * scratch of the size that the family's *_scratch function names (in bytes; 0 means NULL is fine).
 * Outputs come first. Every output is assigned, not added to (the tape sums what several consumers send).
 * Arrays are dense and row-major; images are NHWC: [n][h][w][c].
 * Kernels run their own parallel loops through eff_parallel_for, with chunks fixed by the problem, so their
 * results have the same bits at any thread count.
 */
#ifndef EFF_KERNELS_KERNELS_H
#define EFF_KERNELS_KERNELS_H

#include "base/real.h"

#include <stdbool.h>

typedef enum eff_activation { EFF_ACT_NONE, EFF_ACT_RELU, EFF_ACT_SILU } eff_activation;

/* ---- convolution: families "conv2d" (any groups) and "depthwise" (groups == c, o == c * multiplier) ---- */

typedef struct eff_conv_shape {
    int64_t n, h, w, c;             /* input  [n][h][w][c] */
    int64_t oh, ow, o;              /* output [n][oh][ow][o] */
    int64_t kh, kw;                 /* weights [kh][kw][c/groups][o]; output channel j is of group j / (o/groups) */
    int64_t stride_h, stride_w;
    int64_t dilation_h, dilation_w;
    int64_t pad_top, pad_left;      /* zeros before; those after follow from oh and ow */
    int64_t groups;
    bool weights_kept; /* forward only: packed weights stay from call to call, so the cost of packing does not count */
} eff_conv_shape;

typedef enum eff_pass { EFF_FORWARD, EFF_BACKWARD_DATA, EFF_BACKWARD_WEIGHTS } eff_pass;

/* What is read in place of x: act(x * scale + shift) * gate, with scale and shift [c] and gate [n][c] or NULL. Where
 * scale is NULL, x is read as it is. */
typedef struct eff_conv_input {
    const real *x, *scale, *shift, *gate;
    eff_activation act;
} eff_conv_input;

/* What becomes of the sums: y = act(sums + bias + add), or act(sums + bias) + add where add_last is set */
typedef struct eff_conv_output {
    real *y;
    const real *bias; /* [o] or NULL */
    const real *add;  /* as y (a residual path), or NULL */
    eff_activation act;
    bool add_last;
} eff_conv_output;

typedef struct eff_conv_kernels {
    size_t (*scratch)(const eff_conv_shape *s, eff_pass pass);
    /* Whether the pass can read a scaled input; NULL: never, the caller computes it first. Forward and weights only */
    bool (*reads_scaled)(const eff_conv_shape *s, eff_pass pass);
    /* y = conv(x, w), finished as eff_conv_output says */
    void (*forward)(const eff_conv_output *y, const eff_conv_input *x, const real *w, const eff_conv_shape *s,
                    void *scratch);
    /* dx [n][h][w][c] */
    void (*backward_data)(real *dx, const real *dy, const real *w, const eff_conv_shape *s, void *scratch);
    /* dw, shaped as w */
    void (*backward_weights)(real *dw, const real *dy, const eff_conv_input *x, const eff_conv_shape *s, void *scratch);
    /* For weights that stay the same from call to call, in the order in which forward reads them; they depend on kh,
     * kw, c and o alone. NULL where forward reads w as it is. Scratch is that of forward. */
    size_t (*packed_bytes)(const eff_conv_shape *s);
    void (*pack)(void *packed, const real *w, const eff_conv_shape *s);
    void (*forward_packed)(const eff_conv_output *y, const eff_conv_input *x, const void *packed,
                           const eff_conv_shape *s, void *scratch);
} eff_conv_kernels;

/* ---- family "expand_depthwise": a 1x1 convolution and a depthwise one on its result, for inference ---- */

/* The input of the depthwise convolution, [n][h][w][d], is act(x w + bias) of x [n][h][w][c]. */
typedef struct eff_expansion {
    const real *x;
    const void *w;    /* [c][d], or what pack made of it where there is pack */
    const real *bias; /* [d] or NULL */
    int64_t c;
    eff_activation act;
} eff_expansion;

typedef struct eff_expand_shape {
    eff_conv_shape depthwise; /* groups == c == o */
    int64_t c;                /* channels before they are expanded */
} eff_expand_shape;

typedef struct eff_expand_kernels {
    size_t (*scratch)(const eff_expand_shape *s);
    /* The expansion's weights in the order in which forward reads them; `expand` is its own shape. NULL: as they are */
    size_t (*packed_bytes)(const eff_conv_shape *expand);
    void (*pack)(void *packed, const real *w, const eff_conv_shape *expand);
    /* y as of the depthwise convolution, without `add`, and the sums [n][d] of y's pixels */
    void (*forward)(const eff_conv_output *y, real *sums, const eff_expansion *x, const real *w, const eff_expand_shape *s,
                    void *scratch);
} eff_expand_kernels;

/* ---- family "norm": per-channel normalisation of x [rows][c], fused with an activation ----
 * y = act(x_hat * gamma + beta), x_hat = (x - mean) * rstd */

/* The gradient that comes back to a norm: dy * gate + level, with gate and level [image][c] and `image_rows` rows an
 * image; dy itself where gate is NULL. level may be NULL. */
typedef struct eff_norm_gradient {
    const real *dy, *gate, *level;
    int64_t image_rows;
} eff_norm_gradient;

typedef struct eff_norm_kernels {
    /* image_rows as in eff_norm_gradient; rows where there is no gate */
    size_t (*scratch)(int64_t rows, int64_t image_rows, int64_t c);
    /* mean [c] and biased variance [c] over the rows */
    void (*statistics)(real *mean, real *variance, const real *x, int64_t rows, int64_t c, void *scratch);
    /* y [image][row][c] = x, which is scaled, plus add (as y, or NULL); y may be x's array */
    void (*apply)(real *y, const eff_conv_input *x, const real *add, int64_t images, int64_t rows, int64_t c);
    /* dgamma = sum dz * x_hat, dbeta = sum dz over the rows, where dz = dy * act'(x_hat * gamma + beta) */
    void (*reduce)(real *dgamma, real *dbeta, const eff_norm_gradient *dy, const real *x, const real *mean, const real *rstd,
                   const real *gamma, const real *beta, eff_activation act, int64_t rows, int64_t c, void *scratch);
    /* dx = gamma * rstd * (dz - (dbeta + x_hat * dgamma) / rows) when training,
     * dx = gamma * rstd * dz when the statistics were constants (dgamma == NULL); dx may be dy's array */
    void (*backward)(real *dx, const eff_norm_gradient *dy, const real *x, const real *mean, const real *rstd, const real *gamma,
                     const real *beta, const real *dgamma, const real *dbeta, eff_activation act, int64_t rows,
                     int64_t c);
    /* sums [image][c] = over the rows of each image of the input x, times dy [image][row][c] or, where that is NULL, 1 */
    void (*image_sums)(real *sums, const eff_conv_input *x, const real *dy, int64_t images, int64_t rows, int64_t c);
} eff_norm_kernels;

/* ---- family "elementwise" ---- */

typedef enum eff_unary {
    EFF_UNARY_SILU, EFF_UNARY_RELU, EFF_UNARY_GELU /* exact: x * Phi(x) */, EFF_UNARY_SIGMOID, EFF_UNARY_TANH,
    EFF_UNARY_EXP, EFF_UNARY_LOG, EFF_UNARY_SQRT, EFF_UNARY_SQUARE, EFF_UNARY_NEG, EFF_UNARY_ABS, EFF_UNARY_COUNT
} eff_unary;

typedef enum eff_binary { EFF_BINARY_ADD, EFF_BINARY_SUB, EFF_BINARY_MUL, EFF_BINARY_DIV, EFF_BINARY_COUNT } eff_binary;

typedef struct eff_elementwise_kernels {
    void (*unary)(eff_unary f, real *y, const real *x, int64_t n);
    /* dx = dy * f'(x). RELU, SIGMOID, TANH, EXP and SQRT read y = f(x), SILU, GELU, LOG, SQUARE and ABS read x:
     * callers keep only that one, and what they pass for the other is readable but meaningless */
    void (*unary_backward)(eff_unary f, real *dx, const real *dy, const real *x, const real *y, int64_t n);
    /* y = a (op) b, both [n] */
    void (*binary)(eff_binary f, real *y, const real *a, const real *b, int64_t n);
    /* y [outer][rows][c] = a [outer][rows][c] (op) b [outer][c]; outer == 1 adds a bias, outer == batch scales
     * the channels of each image (squeeze-excite) */
    void (*binary_rows)(eff_binary f, real *y, const real *a, const real *b, int64_t outer, int64_t rows, int64_t c);
    /* y [outer][c] = sum over rows of a [outer][rows][c] * b [outer][rows][c]; b == NULL stands for ones */
    void (*dot_rows)(real *y, const real *a, const real *b, int64_t outer, int64_t rows, int64_t c, void *scratch);
    size_t (*dot_rows_scratch)(int64_t outer, int64_t rows, int64_t c);
} eff_elementwise_kernels;

/* ---- family "gemm": c [m][n] = op(a) op(b) (+ c when accumulate), op transposes when asked ----
 * a is [m][k] or, transposed, [k][m]; b is [k][n] or, transposed, [n][k]; all dense. */

typedef struct eff_gemm_shape {
    int64_t m, n, k;
    bool transpose_a, transpose_b, accumulate;
} eff_gemm_shape;

typedef struct eff_gemm_kernels {
    size_t (*scratch)(const eff_gemm_shape *s);
    void (*run)(real *c, const real *a, const real *b, const eff_gemm_shape *s, void *scratch);
} eff_gemm_kernels;

#endif
