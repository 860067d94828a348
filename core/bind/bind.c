/* Raising, reading arguments and tables; see bind.h. */
#include "bind/bind.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int eff_raise(lua_State *L, const char *format, ...)
{
    char text[1536];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    luaL_where(L, 1);
    lua_pushstring(L, text);
    lua_concat(L, 2);
    lua_error(L);
    __builtin_unreachable();
}

int eff_raise_argument(lua_State *L, int index, const char *wanted)
{
    lua_Debug frame = {0};
    const char *seen = luaL_typename(L, index);
    if (lua_getstack(L, 0, &frame)) lua_getinfo(L, "n", &frame);
    bool method = frame.namewhat && strcmp(frame.namewhat, "method") == 0;
    const char *name = frame.name ? frame.name : "a function of effv2";
    if (method && index == 1) eff_raise(L, "%s: called on a %s, wanted %s", name, seen, wanted);
    eff_raise(L, "%s: argument %d is a %s, wanted %s", name, method ? index - 1 : index, seen, wanted);
}

void eff_check(lua_State *L, eff_status status)
{
    if (status == EFF_E_INTERRUPTED) lua_sethook(L, NULL, 0, 0); /* the program's hook would answer the signal again */
    if (status != EFF_OK) eff_raise(L, "%s", eff_message());
}

int eff_push_failure(lua_State *L, eff_status status)
{
    lua_pushnil(L);
    lua_pushstring(L, eff_message());
    lua_pushstring(L, eff_status_name(status));
    return 3;
}

/* Pushes the names that the table at `known` holds: its items, or its keys when it has no items. */
static void push_names(lua_State *L, int known)
{
    int n = 0;
    if (lua_objlen(L, known) > 0) {
        lua_pushvalue(L, known);
        return;
    }
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, known)) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, ++n);
    }
}

/* Calls effv2.suggest for what helps against an unknown name; pushes "" when that fails. */
static void push_suggestion(lua_State *L, const char *name, int known)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "effv2.suggest");
    if (lua_pcall(L, 1, 1, 0) == 0 && lua_istable(L, -1)) {
        lua_getfield(L, -1, "cure");
        lua_remove(L, -2);
        lua_pushstring(L, name);
        push_names(L, known);
        if (lua_pcall(L, 2, 1, 0) == 0 && lua_isstring(L, -1)) return;
    }
    lua_pop(L, 1);
    lua_pushliteral(L, "");
}

int eff_raise_unknown(lua_State *L, const char *what, const char *kind, const char *name, int known)
{
    if (known < 0) known = lua_gettop(L) + known + 1;
    push_suggestion(L, name, known);
    eff_raise(L, "%s: unknown %s '%s'%s", what, kind, name, lua_tostring(L, -1));
}

void eff_check_callable(lua_State *L, const char *what)
{
    if (lua_isfunction(L, 1)) return;
    if (!luaL_getmetafield(L, 1, "__call"))
        eff_raise(L, "%s: the first argument is a %s, wanted a function or a model to call", what, luaL_typename(L, 1));
    lua_pop(L, 1);
}

static bool read_integer(lua_State *L, int index, int64_t *out)
{
    double x = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : 0.5;
    if (x != floor(x) || fabs(x) > 0x1p53) return false;
    *out = (int64_t)x;
    return true;
}

int64_t eff_check_int(lua_State *L, int index, const char *what)
{
    int64_t i;
    if (lua_type(L, index) != LUA_TNUMBER) eff_raise(L, "%s: a %s, wanted an integer", what, luaL_typename(L, index));
    if (!read_integer(L, index, &i)) eff_raise(L, "%s: %.17g, wanted an integer", what, lua_tonumber(L, index));
    return i;
}

int eff_read_ints(lua_State *L, int index, int64_t *out, int most, const char *what)
{
    if (lua_type(L, index) == LUA_TNUMBER) {
        out[0] = eff_check_int(L, index, what);
        return 1;
    }
    if (!lua_istable(L, index)) eff_raise(L, "%s: a %s, wanted an integer or a list of integers", what, luaL_typename(L, index));
    int n = (int)lua_objlen(L, index);
    if (n > most) eff_raise(L, "%s: a list of %d numbers, at most %d are possible", what, n, most);
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, index, i + 1);
        out[i] = eff_check_int(L, -1, what);
        lua_pop(L, 1);
    }
    return n;
}

void eff_push_ints(lua_State *L, int n, const int64_t *values)
{
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_pushnumber(L, (double)values[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

bool eff_is_named_table(lua_State *L, int index)
{
    if (!lua_istable(L, index)) return false;
    lua_pushnil(L);
    if (!lua_next(L, index < 0 ? index - 1 : index)) return false;
    bool named = lua_type(L, -2) == LUA_TSTRING;
    lua_pop(L, 2);
    return named;
}

static int push_choices(lua_State *L, const char *const *choices)
{
    lua_newtable(L);
    for (int i = 0; choices[i]; i++) {
        lua_pushstring(L, choices[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return lua_gettop(L);
}

static int64_t read_choice(lua_State *L, int index, const eff_arg *arg, const char *what)
{
    const char *word = lua_tostring(L, index);
    for (int i = 0; arg->choices[i]; i++)
        if (strcmp(arg->choices[i], word) == 0) return i;
    eff_raise_unknown(L, what, arg->name, word, push_choices(L, arg->choices));
}

static void wrong_type(lua_State *L, int index, const eff_arg *arg, const char *what, const char *wanted)
{
    eff_raise(L, "%s: %s is a %s, wanted %s", what, arg->name, luaL_typename(L, index), wanted);
}

/* The slow way to an EFF_ARG_INT or EFF_ARG_INTS that is no plain integer, with its name for an error */
static void read_other_integers(lua_State *L, int index, eff_value *value, const eff_arg *arg, const char *what)
{
    char name[96];
    snprintf(name, sizeof name, "%s: %s", what, arg->name);
    if (arg->kind == EFF_ARG_INTS)
        value->i = eff_read_ints(L, index, value->list, EFF_MAX_DIMS, name);
    else
        value->i = eff_check_int(L, index, name);
}

void eff_read_value(lua_State *L, int index, eff_value *value, const eff_arg *arg, const char *what)
{
    int type = lua_type(L, index);
    if (index < 0) index = lua_gettop(L) + index + 1;
    switch (arg->kind) {
    case EFF_ARG_INT:
        if (!read_integer(L, index, &value->i)) read_other_integers(L, index, value, arg, what);
        return;
    case EFF_ARG_REAL:
        if (type != LUA_TNUMBER) wrong_type(L, index, arg, what, "a number");
        value->f = lua_tonumber(L, index);
        return;
    case EFF_ARG_BOOL:
        if (type != LUA_TBOOLEAN) wrong_type(L, index, arg, what, "true or false");
        value->i = lua_toboolean(L, index);
        return;
    case EFF_ARG_CHOICE:
        if (type != LUA_TSTRING) wrong_type(L, index, arg, what, "a word");
        value->i = read_choice(L, index, arg, what);
        return;
    case EFF_ARG_INTS:
        if (type == LUA_TSTRING && arg->choices) {
            value->list[0] = EFF_WORD(read_choice(L, index, arg, what));
            value->i = 1;
        } else if (read_integer(L, index, &value->list[0])) {
            value->i = 1;
        } else {
            read_other_integers(L, index, value, arg, what);
        }
        return;
    default: eff_raise(L, "%s: %s is not a plain value", what, arg->name);
    }
}

void eff_push_value(lua_State *L, const eff_value *value, const eff_arg *arg)
{
    switch (arg->kind) {
    case EFF_ARG_INT: lua_pushnumber(L, (double)value->i); return;
    case EFF_ARG_REAL: lua_pushnumber(L, value->f); return;
    case EFF_ARG_BOOL: lua_pushboolean(L, (int)value->i); return;
    case EFF_ARG_CHOICE: lua_pushstring(L, arg->choices[value->i]); return;
    case EFF_ARG_INTS:
        if (value->i == 0) lua_pushnil(L);
        else if (arg->choices && value->list[0] <= EFF_WORD(0)) lua_pushstring(L, arg->choices[-1000 - value->list[0]]);
        else if (value->i == 1) lua_pushnumber(L, (double)value->list[0]);
        else eff_push_ints(L, (int)value->i, value->list);
        return;
    default: lua_pushnil(L);
    }
}

void eff_only_keys(lua_State *L, int index, const char *what, const char *const *names)
{
    if (!lua_istable(L, index)) eff_raise(L, "%s: a %s, wanted a table of named arguments", what, luaL_typename(L, index));
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        bool known = false;
        const char *key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
        if (!key) eff_raise(L, "%s: wants named arguments, got a list item", what);
        for (int i = 0; names[i] && !known; i++) known = strcmp(names[i], key) == 0;
        if (!known) eff_raise_unknown(L, what, "argument", key, push_choices(L, names));
    }
}

static bool get_field(lua_State *L, int index, const char *name, int type, const char *wanted)
{
    lua_getfield(L, index, name);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return false;
    }
    if (lua_type(L, -1) != type) eff_raise(L, "%s is a %s, wanted %s", name, luaL_typename(L, -1), wanted);
    return true;
}

double eff_field_number(lua_State *L, int index, const char *name, double missing)
{
    if (!get_field(L, index, name, LUA_TNUMBER, "a number")) return missing;
    double x = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return x;
}

int64_t eff_field_int(lua_State *L, int index, const char *name, int64_t missing)
{
    if (!get_field(L, index, name, LUA_TNUMBER, "an integer")) return missing;
    int64_t x = eff_check_int(L, -1, name);
    lua_pop(L, 1);
    return x;
}

bool eff_field_bool(lua_State *L, int index, const char *name, bool missing)
{
    if (!get_field(L, index, name, LUA_TBOOLEAN, "true or false")) return missing;
    bool x = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return x;
}

const char *eff_field_string(lua_State *L, int index, const char *name, const char *missing)
{
    if (!get_field(L, index, name, LUA_TSTRING, "a string")) return missing;
    const char *x = lua_tostring(L, -1);
    lua_pop(L, 1); /* the table keeps it alive */
    return x;
}

eff_tensor *eff_field_tensor(lua_State *L, int index, const char *name)
{
    if (!get_field(L, index, name, LUA_TUSERDATA, "a tensor")) return NULL;
    eff_tensor *t = eff_check_tensor(L, -1);
    lua_pop(L, 1);
    return t;
}
