/* Step scopes: what is made inside and not kept is released at the end. Private to bind/. */
#ifndef EFF_BIND_SCOPE_H
#define EFF_BIND_SCOPE_H

#include "bind/bind.h"

typedef struct eff_box {
    eff_tensor *tensor;          /* NULL once freed */
    struct eff_box *next, *last; /* in the list of its scope; both NULL when kept or made outside */
    bool freed_by_hand;
} eff_box;

/* Puts a new box into the innermost scope, if there is one. */
void eff_scope_add(eff_box *box);
void eff_scope_remove(eff_box *box);

/* Lua: effv2.step(f, ...) */
int eff_scope_step(lua_State *L);

#endif
