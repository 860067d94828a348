/* Folders for one holder, for Lua. */
#include "bind/bind.h"

#include "io/file.h"

#define LOCK_TYPE "effv2.lock"

enum { RELEASED = -1 };

/* lock_dir(path): a lock, or nil, message, code ("state" when somebody has the folder) */
static int lock_dir(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    int *lock = lua_newuserdata(L, sizeof *lock);
    *lock = RELEASED;
    luaL_getmetatable(L, LOCK_TYPE);
    lua_setmetatable(L, -2);
    eff_status status = eff_dir_lock(lock, path);
    return status == EFF_OK ? 1 : eff_push_failure(L, status);
}

/* lock:release(); releasing twice is fine, and the collector releases too */
static int release(lua_State *L)
{
    int *lock = luaL_checkudata(L, 1, LOCK_TYPE);
    if (*lock != RELEASED) eff_dir_unlock(*lock);
    *lock = RELEASED;
    return 0;
}

void eff_open_lock(lua_State *L)
{
    static const luaL_Reg methods[] = {{"release", release}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"lock_dir", lock_dir}, {NULL, NULL}};
    luaL_newmetatable(L, LOCK_TYPE);
    lua_newtable(L);
    luaL_register(L, NULL, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, release);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_register(L, NULL, functions);
}
