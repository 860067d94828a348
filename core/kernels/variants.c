/* The variants of variants.def and the choice among them; see variants.h. */
#include "kernels/variants.h"

#include <stdatomic.h>
#include <string.h>

#define EFF_VARIANT(name) extern const eff_variant eff_variant_##name;
#include "kernels/variants.def"
#undef EFF_VARIANT

static const eff_variant *const variants[] = {
#define EFF_VARIANT(name) &eff_variant_##name,
#include "kernels/variants.def"
#undef EFF_VARIANT
};

enum { COUNT = sizeof variants / sizeof variants[0] };

/* Loader threads ask as well. */
static const eff_variant *_Atomic pinned[EFF_FAMILY_COUNT], *_Atomic used[EFF_FAMILY_COUNT];

const char *eff_family_name(eff_family family)
{
    static const char *const names[EFF_FAMILY_COUNT] = {"conv2d", "depthwise", "expand_depthwise", "norm", "elementwise", "gemm",
                                                         "pixels"};
    return names[family];
}

int eff_variant_count(void) { return COUNT; }

const eff_variant *eff_variant_at(int index) { return variants[index]; }

const eff_variant *eff_variant_find(const char *name)
{
    for (int i = 0; i < COUNT; i++)
        if (strcmp(variants[i]->name, name) == 0) return variants[i];
    return NULL;
}

static bool can_do(const eff_variant *v, const void *problem)
{
    return v->isa <= eff_isa_current() && (!v->supports || v->supports(problem));
}

static const eff_variant *choose(eff_family family, const void *problem)
{
    const eff_variant *first = eff_variant_pinned(family);
    if (first && can_do(first, problem)) return first;
    for (int i = COUNT - 1; i >= 0; i--)
        if (variants[i]->family == family && can_do(variants[i], problem)) return variants[i];
    return NULL;
}

const eff_variant *eff_variant_pick(eff_family family, const void *problem)
{
    const eff_variant *chosen = choose(family, problem);
    atomic_store_explicit(&used[family], chosen, memory_order_relaxed);
    return chosen;
}

const eff_variant *eff_variant_used(eff_family family) { return atomic_load_explicit(&used[family], memory_order_relaxed); }

void eff_variant_pin(eff_family family, const eff_variant *variant) 
{
    atomic_store_explicit(&pinned[family], variant, memory_order_relaxed);
}

const eff_variant *eff_variant_pinned(eff_family family) { return atomic_load_explicit(&pinned[family], memory_order_relaxed); }
