/* JSON for Lua: tables to text and back, exact in its numbers. */
#include "bind/bind.h"

#include "io/json.h"

#include <stdlib.h>

enum { MAX_DEPTH = 64 };

static json_t *from_lua(lua_State *L, int index, int depth);

static int list_length(lua_State *L, int index)
{
    int n = (int)lua_objlen(L, index), keys = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        keys++;
        if (lua_type(L, -1) != LUA_TNUMBER) {
            lua_pop(L, 1);
            return -1;
        }
    }
    return keys == n ? n : -1;
}

static json_t *array_from(lua_State *L, int index, int n, int depth)
{
    json_t *array = json_array();
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, index, i + 1);
        json_array_append_new(array, from_lua(L, lua_gettop(L), depth));
        lua_pop(L, 1);
    }
    return array;
}

static json_t *object_from(lua_State *L, int index, int depth)
{
    json_t *object = json_object();
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pushvalue(L, -2); /* lua_tostring would change a number key under lua_next */
        const char *key = lua_tostring(L, -1);
        json_t *value = key ? from_lua(L, lua_gettop(L) - 1, depth) : NULL;
        if (value) json_object_set_new(object, key, value);
        lua_pop(L, 2);
    }
    return object;
}

/* Functions, userdata and tables nested too deep become null. */
static json_t *from_lua(lua_State *L, int index, int depth)
{
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN: return json_boolean(lua_toboolean(L, index));
    case LUA_TNUMBER: return eff_json_number(lua_tonumber(L, index));
    case LUA_TSTRING: {
        size_t bytes;
        const char *text = lua_tolstring(L, index, &bytes);
        json_t *string = json_stringn(text, bytes);
        return string ? string : json_string("(not UTF-8)");
    }
    case LUA_TTABLE: {
        if (depth == MAX_DEPTH || !lua_checkstack(L, 8)) return json_null();
        int n = list_length(L, index);
        return n > 0 ? array_from(L, index, n, depth + 1) : object_from(L, index, depth + 1);
    }
    default: return json_null();
    }
}

/* json_encode(value [, pretty]): object keys in byte order */
static int encode(lua_State *L)
{
    char *text = NULL;
    size_t bytes = 0;
    luaL_checkany(L, 1);
    json_t *value = from_lua(L, 1, 0);
    eff_status status = eff_json_write(&text, &bytes, value, EFF_JSON_SORTED | (lua_toboolean(L, 2) ? EFF_JSON_PRETTY : 0));
    json_decref(value);
    eff_check(L, status);
    lua_pushlstring(L, text, bytes);
    free(text);
    return 1;
}

static void to_lua(lua_State *L, const json_t *value)
{
    luaL_checkstack(L, 4, "deep JSON");
    switch (json_typeof(value)) {
    case JSON_OBJECT: {
        const char *key;
        json_t *item;
        lua_newtable(L);
        json_object_foreach((json_t *)value, key, item) {
            lua_pushstring(L, key);
            to_lua(L, item);
            lua_rawset(L, -3);
        }
        return;
    }
    case JSON_ARRAY:
        lua_createtable(L, (int)json_array_size(value), 0);
        for (size_t i = 0; i < json_array_size(value); i++) {
            to_lua(L, json_array_get(value, i));
            lua_rawseti(L, -2, (int)i + 1);
        }
        return;
    case JSON_STRING: lua_pushlstring(L, json_string_value(value), json_string_length(value)); return;
    case JSON_INTEGER: lua_pushnumber(L, (double)json_integer_value(value)); return;
    case JSON_REAL: lua_pushnumber(L, json_real_value(value)); return;
    case JSON_TRUE:
    case JSON_FALSE: lua_pushboolean(L, json_is_true(value)); return;
    case JSON_NULL: lua_pushnil(L); return;
    }
}

/* json_decode(text [, source]): the value, or nil, message, code */
static int decode(lua_State *L)
{
    size_t bytes;
    const char *text = luaL_checklstring(L, 1, &bytes);
    json_t *value = NULL;
    eff_status status = eff_json_parse(&value, text, bytes, luaL_optstring(L, 2, "JSON"));
    if (status != EFF_OK) return eff_push_failure(L, status);
    to_lua(L, value);
    json_decref(value);
    return 1;
}

void eff_open_json(lua_State *L)
{
    static const luaL_Reg functions[] = {{"json_encode", encode}, {"json_decode", decode}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
