/* Shared by views; see view.h. */
#include "ops/view.h"

eff_status eff_view_shape(eff_call *c)
{
    c->n_out = 1;
    return EFF_OK;
}
