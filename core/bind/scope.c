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

static void release_all(scope *s)
{
    while (s->ring.next != &s->ring) {
        eff_box *box = s->ring.next;
        eff_scope_remove(box);
        eff_tensor_release(box->tensor);
        box->tensor = NULL;
    }
}

/* The box of this scope that lies at address `userdata`; NULL when there is none. */
static eff_box *find(const scope *s, const void *userdata)
{
    for (eff_box *box = s->ring.next; box != &s->ring; box = box->next)
        if (box == userdata) return box;
    return NULL;
}

/* step(f, ...): calls f(...) in a scope of its own and returns what f returns; tensors among the results move to
 * the scope around it, or are kept when there is none. The scope ends also when f raises. */
int eff_scope_step(lua_State *L)
{
    eff_check_callable(L, "step");
    scope s = {.outer = innermost};
    s.ring.next = s.ring.last = &s.ring;
    innermost = &s;
    int failed = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    innermost = s.outer;
    for (int i = 1; !failed && i <= lua_gettop(L); i++) {
        eff_box *box = lua_isuserdata(L, i) ? find(&s, lua_touserdata(L, i)) : NULL;
        if (!box) continue;
        eff_scope_remove(box);
        eff_scope_add(box);
    }
    release_all(&s);
    if (failed) return lua_error(L);
    return lua_gettop(L);
}
