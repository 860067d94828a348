/* Matrix products for ops; see product.h. */
#include "ops/product.h"

#include "base/pool.h"

#include <string.h>

eff_status eff_product(real *c, const real *a, const real *b, const eff_gemm_shape *s)
{
    if (s->k == 0 && !s->accumulate) memset(c, 0, (size_t)(s->m * s->n) * sizeof *c);
    if (s->m == 0 || s->n == 0 || s->k == 0) return EFF_OK;
    const eff_gemm_kernels *k = eff_gemm_kernels_for(s);
    size_t bytes = k->scratch(s);
    void *scratch = bytes ? eff_pool_alloc(bytes) : NULL;
    if (bytes && !scratch) return eff_fail(EFF_E_MEMORY, "no memory for a matrix product's scratch (%zu bytes)", bytes);
    k->run(c, a, b, s, scratch);
    eff_pool_free(scratch);
    return EFF_OK;
}
