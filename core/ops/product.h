/* Matrix products for ops: the gemm family with its scratch taken from the pool. */
#ifndef EFF_OPS_PRODUCT_H
#define EFF_OPS_PRODUCT_H

#include "autograd/op.h"
#include "kernels/variants.h"

eff_status eff_product(real *c, const real *a, const real *b, const eff_gemm_shape *s);

#endif
