/* Layers as userdata: constructors from layers.def, calling, parameters, modes. */
#include "bind/bind.h"

#include <string.h>

eff_layer *eff_check_layer(lua_State *L, int index) { return *(eff_layer **)luaL_checkudata(L, index, EFF_LAYER_TYPE); }

static int collect(lua_State *L)
{
    eff_layer **box = lua_touserdata(L, 1);
    eff_layer_release(*box);
    *box = NULL;
    return 0;
}

static void push_argument_names(lua_State *L, const eff_layer_type *type)
{
    lua_newtable(L);
    for (int i = 0; type->args[i].name; i++) {
        lua_pushstring(L, type->args[i].name);
        lua_rawseti(L, -2, i + 1);
    }
}

/* Sets the argument `key` of values from the top of the stack. */
static void read_named_value(lua_State *L, const eff_layer_type *type, eff_value *values, const char *key)
{
    int i = eff_layer_arg(type, key);
    if (i < 0) {
        push_argument_names(L, type);
        eff_raise_unknown(L, type->name, "argument", key, -1);
    }
    eff_read_value(L, -1, &values[i], &type->args[i], type->name);
}

/* Conv2d { in_channels = ..., ... } */
static int construct(lua_State *L)
{
    const eff_layer_type *type = lua_touserdata(L, lua_upvalueindex(1));
    eff_value values[EFF_MAX_ARGS];
    eff_layer *layer = NULL;
    for (int i = 0; type->args[i].name; i++) values[i] = type->args[i].initial;
    if (!lua_isnoneornil(L, 1) && !lua_istable(L, 1))
        eff_raise(L, "%s: a %s, wanted a table of named arguments", type->name, luaL_typename(L, 1));
    lua_settop(L, 1);
    if (lua_istable(L, 1)) {
        lua_pushnil(L);
        while (lua_next(L, 1)) {
            if (lua_type(L, -2) != LUA_TSTRING) eff_raise(L, "%s: wants named arguments, got a list item", type->name);
            read_named_value(L, type, values, lua_tostring(L, -2));
            lua_pop(L, 1);
        }
    }
    eff_check(L, eff_layer_new(&layer, type, values));
    eff_layer **box = lua_newuserdata(L, sizeof *box);
    *box = layer;
    luaL_getmetatable(L, EFF_LAYER_TYPE);
    lua_setmetatable(L, -2);
    return 1;
}

static int call(lua_State *L)
{
    eff_layer *layer = eff_check_layer(L, 1);
    eff_tensor *x = eff_to_operand(L, 2), *y = NULL;
    if (!x)
        eff_raise(L, "%s: x is %s%s, wanted a tensor", layer->type->name, lua_isnoneornil(L, 2) ? "" : "a ",
                  lua_isnoneornil(L, 2) ? "missing" : luaL_typename(L, 2));
    eff_status status = eff_layer_forward(&y, layer, x);
    if (status != EFF_OK) eff_fail_at(status, "%s", layer->type->name);
    eff_check(L, status);
    eff_push_tensor(L, y);
    return 1;
}

/* A list of {name = ..., tensor = ..., decay = ...} */
static void push_tensors(lua_State *L, int n, const eff_layer_tensor *list)
{
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_createtable(L, 0, 3);
        lua_pushstring(L, list[i].name);
        lua_setfield(L, -2, "name");
        eff_push_tensor(L, eff_tensor_retain(list[i].tensor));
        eff_keep_box(L, -1);
        lua_setfield(L, -2, "tensor");
        lua_pushboolean(L, list[i].decay);
        lua_setfield(L, -2, "decay");
        lua_rawseti(L, -2, i + 1);
    }
}

static int named_parameters(lua_State *L)
{
    const eff_layer *layer = eff_check_layer(L, 1);
    push_tensors(L, layer->n_parameters, layer->parameter);
    return 1;
}

static int named_buffers(lua_State *L)
{
    const eff_layer *layer = eff_check_layer(L, 1);
    push_tensors(L, layer->n_buffers, layer->buffer);
    return 1;
}

static int parameters(lua_State *L)
{
    const eff_layer *layer = eff_check_layer(L, 1);
    lua_createtable(L, layer->n_parameters, 0);
    for (int i = 0; i < layer->n_parameters; i++) {
        eff_push_tensor(L, eff_tensor_retain(layer->parameter[i].tensor));
        eff_keep_box(L, -1);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int train(lua_State *L)
{
    eff_check_layer(L, 1)->training = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
    lua_settop(L, 1);
    return 1;
}

static int eval(lua_State *L)
{
    eff_check_layer(L, 1)->training = false;
    lua_settop(L, 1);
    return 1;
}

static int is_training(lua_State *L)
{
    lua_pushboolean(L, eff_check_layer(L, 1)->training);
    return 1;
}

static int type_name(lua_State *L)
{
    lua_pushstring(L, eff_check_layer(L, 1)->type->name);
    return 1;
}

static bool same_value(const eff_value *a, const eff_value *b, eff_arg_kind kind)
{
    if (kind == EFF_ARG_REAL) return a->f == b->f;
    return a->i == b->i && (kind != EFF_ARG_INTS || memcmp(a->list, b->list, (size_t)a->i * sizeof a->list[0]) == 0);
}

/* "Conv2d { in_channels = 3, ... }": what differs from the defaults */
static int to_string(lua_State *L)
{
    const eff_layer *layer = eff_check_layer(L, 1);
    luaL_Buffer text;
    int written = 0;
    lua_settop(L, 1);
    luaL_buffinit(L, &text);
    luaL_addstring(&text, layer->type->name);
    luaL_addstring(&text, " {");
    for (int i = 0; layer->type->args[i].name; i++) {
        const eff_arg *arg = &layer->type->args[i];
        char number[64];
        if (same_value(&layer->arg[i], &arg->initial, arg->kind)) continue;
        luaL_addstring(&text, written++ ? ", " : " ");
        luaL_addstring(&text, arg->name);
        luaL_addstring(&text, " = ");
        const eff_value *v = &layer->arg[i];
        if (arg->kind == EFF_ARG_CHOICE) snprintf(number, sizeof number, "\"%s\"", arg->choices[v->i]);
        else if (arg->kind == EFF_ARG_BOOL) snprintf(number, sizeof number, "%s", v->i ? "true" : "false");
        else if (arg->kind == EFF_ARG_REAL) snprintf(number, sizeof number, "%.6g", v->f);
        else if (arg->kind == EFF_ARG_INT) snprintf(number, sizeof number, "%lld", (long long)v->i);
        else if (v->list[0] <= EFF_WORD(0)) snprintf(number, sizeof number, "\"%s\"", arg->choices[-1000 - v->list[0]]);
        else if (v->i == 1) snprintf(number, sizeof number, "%lld", (long long)v->list[0]);
        else snprintf(number, sizeof number, "{ %lld, %lld%s }", (long long)v->list[0], (long long)v->list[1], v->i > 2 ? ", ..." : "");
        luaL_addstring(&text, number);
    }
    luaL_addstring(&text, written ? " }" : "}");
    luaL_pushresult(&text);
    return 1;
}

static const luaL_Reg methods[] = {{"forward", call}, {"parameters", parameters}, {"named_parameters", named_parameters},
                                   {"named_buffers", named_buffers}, {"train", train}, {"eval", eval},
                                   {"is_training", is_training}, {"type", type_name}, {NULL, NULL}};

/* Raises with the nearest of the names that get_index knows. */
static void raise_unknown_field(lua_State *L, const eff_layer *layer, const char *key)
{
    int n = 0;
    lua_newtable(L);
    for (int i = 0; layer->type->args[i].name; i++) {
        lua_pushstring(L, layer->type->args[i].name);
        lua_rawseti(L, -2, ++n);
    }
    for (int i = 0; i < layer->n_parameters + layer->n_buffers; i++) {
        const eff_layer_tensor *t = i < layer->n_parameters ? &layer->parameter[i] : &layer->buffer[i - layer->n_parameters];
        lua_pushstring(L, t->name);
        lua_rawseti(L, -2, ++n);
    }
    for (const luaL_Reg *m = methods; m->name; m++) {
        lua_pushstring(L, m->name);
        lua_rawseti(L, -2, ++n);
    }
    eff_raise_unknown(L, layer->type->name, "field", key, -1);
}

/* layer.name: a method, a parameter or buffer, or an argument */
static int get_index(lua_State *L)
{
    const eff_layer *layer = eff_check_layer(L, 1);
    const char *key = luaL_checkstring(L, 2);
    luaL_getmetatable(L, EFF_LAYER_TYPE);
    lua_getfield(L, -1, "methods");
    lua_getfield(L, -1, key);
    if (!lua_isnil(L, -1)) return 1;
    for (int i = 0; i < layer->n_parameters + layer->n_buffers; i++) {
        const eff_layer_tensor *t = i < layer->n_parameters ? &layer->parameter[i] : &layer->buffer[i - layer->n_parameters];
        if (strcmp(t->name, key) != 0) continue;
        eff_push_tensor(L, eff_tensor_retain(t->tensor));
        eff_keep_box(L, -1);
        return 1;
    }
    int i = eff_layer_arg(layer->type, key);
    if (i >= 0) eff_push_value(L, &layer->arg[i], &layer->type->args[i]);
    else raise_unknown_field(L, layer, key);
    return 1;
}

/* layer.p = 0.3: numbers and switches may change during a run; sizes belong to the parameters and may not. */
static int set_index(lua_State *L)
{
    eff_layer *layer = eff_check_layer(L, 1);
    const char *key = luaL_checkstring(L, 2);
    int i = eff_layer_arg(layer->type, key);
    if (i < 0) {
        push_argument_names(L, layer->type);
        eff_raise_unknown(L, layer->type->name, "field", key, -1);
    }
    const eff_arg *arg = &layer->type->args[i];
    if (arg->kind != EFF_ARG_REAL && arg->kind != EFF_ARG_BOOL)
        eff_raise(L, "%s: %s is fixed when the layer is made (make another layer)", layer->type->name, key);
    eff_value held = layer->arg[i];
    eff_read_value(L, 3, &layer->arg[i], arg, layer->type->name);
    bool probability = strcmp(key, "p") == 0, share = strcmp(key, "momentum") == 0;
    double v = layer->arg[i].f;
    if ((probability && !(v >= 0 && v < 1)) || (share && !(v >= 0 && v <= 1))) {
        layer->arg[i] = held;
        eff_raise(L, "%s: %s is %g, must be in [0, 1)", layer->type->name, key, v);
    }
    return 0;
}

static int layer_records(lua_State *L)
{
    lua_newtable(L);
    for (int i = 0; i < eff_layer_type_count(); i++) {
        const eff_layer_type *type = eff_layer_type_at(i);
        lua_createtable(L, 0, 3);
        lua_pushstring(L, type->name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, type->doc);
        lua_setfield(L, -2, "doc");
        lua_newtable(L);
        for (int j = 0; type->args[j].name; j++) {
            lua_createtable(L, 0, 2);
            lua_pushstring(L, type->args[j].name);
            lua_setfield(L, -2, "name");
            lua_pushstring(L, type->args[j].doc);
            lua_setfield(L, -2, "doc");
            lua_rawseti(L, -2, j + 1);
        }
        lua_setfield(L, -2, "args");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* without_drawing(f, ...): calls f; the layers that it makes have unset weights, for those who overwrite them all.
 * Returns what f returns. */
static int without_drawing(lua_State *L)
{
    eff_check_callable(L, "without_drawing");
    bool before = eff_layer_set_drawing(false);
    int failed = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    eff_layer_set_drawing(before);
    if (failed) return lua_error(L);
    return lua_gettop(L);
}

void eff_open_layers(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", collect}, {"__call", call}, {"__tostring", to_string}, {"__index", get_index},
                                    {"__newindex", set_index}, {NULL, NULL}};
    luaL_newmetatable(L, EFF_LAYER_TYPE);
    luaL_register(L, NULL, meta);
    lua_newtable(L);
    luaL_register(L, NULL, methods);
    lua_setfield(L, -2, "methods");
    lua_pop(L, 1);
    lua_newtable(L);
    for (int i = 0; i < eff_layer_type_count(); i++) {
        lua_pushlightuserdata(L, (void *)eff_layer_type_at(i));
        lua_pushcclosure(L, construct, 1);
        lua_setfield(L, -2, eff_layer_type_at(i)->name);
    }
    lua_setfield(L, -2, "layers");
    lua_pushcfunction(L, layer_records);
    lua_setfield(L, -2, "layer_records");
    lua_pushcfunction(L, without_drawing);
    lua_setfield(L, -2, "without_drawing");
}
