/* Convolution weights in the order in which kernels read them, kept with the weights' storage from call to call. */
#ifndef EFF_OPS_CONV_PACKING_H
#define EFF_OPS_CONV_PACKING_H

#include "kernels/kernels.h"
#include "tensor/tensor.h"

/* The weight as k packs it, made at the first call; it stays the storage's and is valid until the weight is written to,
 * freed, or packed for other kernels. k->pack is not NULL, and the weight is dense. */
eff_status eff_conv_packed(const void **packed, const eff_tensor *weight, const eff_conv_kernels *k,
                           const eff_conv_shape *s);

#endif
