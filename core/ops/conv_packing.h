/* Convolution weights in the order in which kernels read them, kept with the weights' storage from call to call. */
#ifndef EFF_OPS_CONV_PACKING_H
#define EFF_OPS_CONV_PACKING_H

#include "kernels/kernels.h"
#include "tensor/tensor.h"

typedef size_t eff_packed_bytes(const eff_conv_shape *s);
typedef void eff_pack(void *packed, const real *w, const eff_conv_shape *s);

/* The weight as `pack` of some kernels makes it, at the first call; it stays the storage's and is valid until the weight
 * is written to, freed, or packed otherwise. The weight is dense. */
eff_status eff_conv_packed(const void **packed, const eff_tensor *weight, eff_packed_bytes *bytes, eff_pack *pack,
                           const eff_conv_shape *s);

#endif
