/* Packed convolution weights; see conv_packing.h. */
#include "ops/conv_packing.h"

#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

typedef struct packing {
    eff_link link; /* first, so that a storage's link is this one */
    eff_pack *pack;
    int64_t offset, shape[4]; /* of the weight: several may share a storage */
    void *data;
} packing;

static void destroy(eff_link *link)
{
    packing *p = (packing *)link;
    eff_pool_free(p->data);
    free(p);
}

static bool fits(const packing *p, const eff_tensor *weight, eff_pack *pack)
{
    return p && p->pack == pack && p->offset == weight->offset && memcmp(p->shape, weight->shape, sizeof p->shape) == 0;
}

static packing *make(const eff_tensor *weight, eff_packed_bytes *bytes, eff_pack *pack, const eff_conv_shape *s)
{
    packing *p = malloc(sizeof *p);
    if (!p) return NULL;
    *p = (packing){.link = {.refs = 1, .destroy = destroy}, .pack = pack, .offset = weight->offset};
    memcpy(p->shape, weight->shape, sizeof p->shape);
    p->data = eff_pool_alloc(bytes(s));
    if (p->data) {
        pack(p->data, eff_tensor_reals(weight), s);
        return p;
    }
    free(p);
    return NULL;
}

eff_status eff_conv_packed(const void **packed, const eff_tensor *weight, eff_packed_bytes *bytes, eff_pack *pack,
                           const eff_conv_shape *s)
{
    packing *p = (packing *)weight->storage->packed;
    if (!fits(p, weight, pack)) {
        p = make(weight, bytes, pack, s);
        if (!p) return eff_fail(EFF_E_MEMORY, "conv2d: no memory for packed weights");
        eff_link_release(weight->storage->packed);
        weight->storage->packed = &p->link;
    }
    *packed = p->data;
    return EFF_OK;
}
