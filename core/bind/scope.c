/* Step scopes; see scope.h. Boxes of a scope are a doubly linked ring around the scope's own box. */
#include "bind/scope.h"

typedef struct scope {
    eff_box ring;
    struct scope *outer;
} scope;

static scope *innermost;

void eff_scope_add(eff_box *box)
{
    box->next = box->last = NULL;
    if (!innermost) return;
    eff_box *ring = &innermost->ring;
    box->last = ring;
    box->next = ring->next;
    ring->next->last = box;
    ring->next = box;
}

void eff_scope_remove(eff_box *box)
{
    if (!box->next) return;
    box->next->last = box->last;
    box->last->next = box->next;
    box->next = box->last = NULL;
}

static void end_scope(scope *s)
{
    while (s->ring.next != &s->ring) {
        eff_box *box = s->ring.next;
        eff_scope_remove(box);
        eff_tensor_release(box->tensor);
        box->tensor = NULL;
    }
    innermost = s->outer;
}

/* step(f, ...): calls f(...) in a scope of its own and returns what f returns; tensors among the results are
 * kept. The scope ends also when f raises. */
int eff_scope_step(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    scope s = {.outer = innermost};
    s.ring.next = s.ring.last = &s.ring;
    innermost = &s;
    int failed = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    for (int i = 1; !failed && i <= lua_gettop(L); i++)
        if (lua_isuserdata(L, i)) eff_keep_box(L, i);
    end_scope(&s);
    if (failed) return lua_error(L);
    return lua_gettop(L);
}
