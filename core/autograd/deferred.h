/* Tensors that are computed where they are read.
 *
 * A deferred tensor has a shape and a history but no storage; its recipe says how to compute it. Three kinds:
 *
 * - act(x * scale + shift) * gate, a norm's result, perhaps times a gate of squeeze-excite or drop-path. The output of a
 *   convolution and its normalised form, which the next convolution reads and keeps for backward, are then one array.
 *   Ops that apply such a recipe on the way in say so in their record (EFF_READS_DEFERRED).
 * - dy * gate + level, the gradient that a gate sends back; for ops with EFF_READS_DEFERRED_GRADIENT.
 * - A call that runs again: its result has storage and a recipe, and who saves it for backward saves the recipe alone.
 *
 * All others, and Lua, are given computed elements. What a recipe refers to must not be changed in place.
 */
#ifndef EFF_AUTOGRAD_DEFERRED_H
#define EFF_AUTOGRAD_DEFERRED_H

#include "autograd/op.h"
#include "kernels/kernels.h"

/* Each of these makes t, which has a shape alone, deferred; its channels are its last axis. */

/* act(x * scale + shift), x dense with t's elements, scale and shift [channels] */
eff_status eff_defer(eff_tensor *t, eff_tensor *x, eff_tensor *scale, eff_tensor *shift, eff_activation act);
/* The deferred norm y times gate [images][channels] */
eff_status eff_defer_gated(eff_tensor *t, const eff_tensor *y, eff_tensor *gate);
/* The dense dy * gate + level, both [images][channels]; level may be NULL */
eff_status eff_defer_gradient(eff_tensor *t, eff_tensor *dy, eff_tensor *gate, eff_tensor *level);

/* Gives the only output of c, which forward has filled, the recipe to run c's forward again. */
eff_status eff_recompute_later(eff_call *c);

static inline bool eff_is_deferred(const eff_tensor *t) { return t && t->recipe && !t->storage; }
bool eff_is_scaled(const eff_tensor *t); /* a deferred norm */
bool eff_is_gated(const eff_tensor *t);  /* one that has a gate already */

/* What kernels read: the recipe of a deferred norm or gradient, the elements of another; t is dense. */
eff_conv_input eff_read_input(const eff_tensor *t);
eff_norm_gradient eff_read_gradient(const eff_tensor *t);

/* A dense tensor with t's elements: computed when t is deferred, else t itself or a copy as eff_tensor_dense has it. */
eff_status eff_computed(eff_tensor **out, eff_tensor *t);

/* y = t + add, in one pass; t is a deferred norm with elements, add dense and of its shape, or NULL. */
void eff_compute_sum(real *y, const eff_tensor *t, const real *add);

/* Turns a deferred t into an ordinary tensor; others stay as they are. */
eff_status eff_settle(eff_tensor *t);

/* t, which has a recipe, without its storage. */
eff_status eff_save_recipe(eff_tensor **out, const eff_tensor *t);

#endif
