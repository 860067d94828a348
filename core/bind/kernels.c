/* Kernel variants as userdata: list them, look at them, pin one for its family. */
#include "bind/bind.h"

#include "kernels/variants.h"

#include <fnmatch.h>
#include <string.h>

#define EFF_KERNEL_TYPE "effv2.kernel"

static const eff_variant *check_kernel(lua_State *L, int index)
{
    return *(const eff_variant **)luaL_checkudata(L, index, EFF_KERNEL_TYPE);
}

static void push_kernel(lua_State *L, const eff_variant *v)
{
    const eff_variant **box = lua_newuserdata(L, sizeof *box);
    *box = v;
    luaL_getmetatable(L, EFF_KERNEL_TYPE);
    lua_setmetatable(L, -2);
}

/* kernels([pattern]): the variants whose name matches, e.g. "conv2d.*" */
static int kernels(lua_State *L)
{
    const char *pattern = luaL_optstring(L, 1, "*");
    int found = 0;
    lua_newtable(L);
    for (int i = 0; i < eff_variant_count(); i++) {
        const eff_variant *v = eff_variant_at(i);
        if (fnmatch(pattern, v->name, 0) != 0) continue;
        push_kernel(L, v);
        lua_rawseti(L, -2, ++found);
    }
    return 1;
}

/* kernel_used(family): the variant that computed the family's last problem, or nil */
static int kernel_used(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    for (int i = 0; i < EFF_FAMILY_COUNT; i++) {
        if (strcmp(eff_family_name(i), name) != 0) continue;
        if (eff_variant_used(i)) push_kernel(L, eff_variant_used(i));
        else lua_pushnil(L);
        return 1;
    }
    eff_raise(L, "kernel_used: there is no family '%s'", name);
}

static int get_index(lua_State *L)
{
    const eff_variant *v = check_kernel(L, 1);
    luaL_getmetatable(L, EFF_KERNEL_TYPE);
    lua_getfield(L, -1, "methods");
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    if (!lua_isnil(L, -1)) return 1;
    const char *key = luaL_checkstring(L, 2);
    lua_createtable(L, 0, 5);
    lua_pushstring(L, v->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, v->doc);
    lua_setfield(L, -2, "doc");
    lua_pushstring(L, eff_family_name(v->family));
    lua_setfield(L, -2, "family");
    lua_pushstring(L, eff_isa_name(v->isa));
    lua_setfield(L, -2, "isa");
    lua_pushboolean(L, v->isa <= eff_isa_current());
    lua_setfield(L, -2, "available");
    lua_getfield(L, -1, key);
    return 1;
}

/* kernel:pin(): its family uses it wherever it can. kernel:unpin(): the family chooses again. */
static int pin(lua_State *L)
{
    const eff_variant *v = check_kernel(L, 1);
    if (v->isa > eff_isa_current())
        eff_raise(L, "%s needs the instruction set %s, in use is %s", v->name, eff_isa_name(v->isa),
                  eff_isa_name(eff_isa_current()));
    eff_variant_pin(v->family, v);
    lua_settop(L, 1);
    return 1;
}

static int unpin(lua_State *L)
{
    eff_variant_pin(check_kernel(L, 1)->family, NULL);
    lua_settop(L, 1);
    return 1;
}

/* kernel:with(f, ...): calls f with this variant pinned; returns what f returns */
static int with(lua_State *L)
{
    const eff_variant *v = check_kernel(L, 1), *before = eff_variant_pinned(v->family);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    if (v->isa > eff_isa_current()) return pin(L);
    eff_variant_pin(v->family, v);
    int failed = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
    eff_variant_pin(v->family, before);
    if (failed) return lua_error(L);
    return lua_gettop(L) - 1;
}

static int to_string(lua_State *L)
{
    const eff_variant *v = check_kernel(L, 1);
    lua_pushfstring(L, "%s: %s", v->name, v->doc);
    return 1;
}

void eff_open_kernels(lua_State *L)
{
    static const luaL_Reg methods[] = {{"pin", pin}, {"unpin", unpin}, {"with", with}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__index", get_index}, {"__tostring", to_string}, {NULL, NULL}};
    luaL_newmetatable(L, EFF_KERNEL_TYPE);
    luaL_register(L, NULL, meta);
    lua_newtable(L);
    luaL_register(L, NULL, methods);
    lua_setfield(L, -2, "methods");
    lua_pop(L, 1);
    lua_pushcfunction(L, kernels);
    lua_setfield(L, -2, "kernels");
    lua_pushcfunction(L, kernel_used);
    lua_setfield(L, -2, "kernel_used");
}
