/* The registry of kernel variants: who can compute a family's problems, and who is asked.
 *
 * Adding a variant: define `const eff_variant eff_variant_<name>` in its family's file and add the line
 * EFF_VARIANT(<name>) to variants.def. The reference variants stay for ever; they are the only ones in the
 * double-precision build.
 */
#ifndef EFF_KERNELS_VARIANTS_H
#define EFF_KERNELS_VARIANTS_H

#include "base/cpu.h"
#include "kernels/kernels.h"
#include "kernels/pixels.h"

typedef enum eff_family {
    EFF_FAMILY_CONV2D,      /* eff_conv_kernels, problem: eff_conv_shape */
    EFF_FAMILY_DEPTHWISE,   /* eff_conv_kernels, problem: eff_conv_shape */
    EFF_FAMILY_EXPAND_DEPTHWISE, /* eff_expand_kernels, problem: eff_expand_shape */
    EFF_FAMILY_NORM,        /* eff_norm_kernels, no problem */
    EFF_FAMILY_ELEMENTWISE, /* eff_elementwise_kernels, no problem */
    EFF_FAMILY_GEMM,        /* eff_gemm_kernels, problem: eff_gemm_shape */
    EFF_FAMILY_PIXELS,      /* eff_pixel_kernels, no problem; not in double precision */
    EFF_FAMILY_COUNT
} eff_family;

typedef struct eff_variant {
    const char *name; /* "conv2d.direct.avx512": family, algorithm, instruction set where there is one */
    const char *doc;
    eff_family family;
    eff_isa isa;                           /* the least that it needs */
    bool (*supports)(const void *problem); /* NULL: every problem of the family */
    const void *kernels;                   /* the family's struct */
} eff_variant;

const char *eff_family_name(eff_family family);

int eff_variant_count(void);
const eff_variant *eff_variant_at(int index);            /* in the order of variants.def */
const eff_variant *eff_variant_find(const char *name);   /* NULL when there is none */

/* The pinned variant where there is one that can do it; else the last of variants.def whose instruction set is
 * in use and that supports the problem. Never NULL: the reference can do everything. */
const eff_variant *eff_variant_pick(eff_family family, const void *problem);

/* What pick returned last; NULL before. */
const eff_variant *eff_variant_used(eff_family family);

/* Makes pick prefer `variant` for its family; NULL for the family's own choice again. */
void eff_variant_pin(eff_family family, const eff_variant *variant);
const eff_variant *eff_variant_pinned(eff_family family);

static inline const eff_conv_kernels *eff_conv2d_kernels(const eff_conv_shape *s)
{
    return eff_variant_pick(EFF_FAMILY_CONV2D, s)->kernels;
}
static inline const eff_conv_kernels *eff_depthwise_kernels(const eff_conv_shape *s)
{
    return eff_variant_pick(EFF_FAMILY_DEPTHWISE, s)->kernels;
}
static inline const eff_expand_kernels *eff_expand_kernels_for(const eff_expand_shape *s)
{
    return eff_variant_pick(EFF_FAMILY_EXPAND_DEPTHWISE, s)->kernels;
}
static inline const eff_norm_kernels *eff_norm_kernels_now(void)
{
    return eff_variant_pick(EFF_FAMILY_NORM, NULL)->kernels;
}
static inline const eff_elementwise_kernels *eff_elementwise_kernels_now(void)
{
    return eff_variant_pick(EFF_FAMILY_ELEMENTWISE, NULL)->kernels;
}
static inline const eff_pixel_kernels *eff_pixel_kernels_now(void)
{
    return eff_variant_pick(EFF_FAMILY_PIXELS, NULL)->kernels;
}
static inline const eff_gemm_kernels *eff_gemm_kernels_for(const eff_gemm_shape *s)
{
    return eff_variant_pick(EFF_FAMILY_GEMM, s)->kernels;
}

#endif
