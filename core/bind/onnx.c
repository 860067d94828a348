/* Writing ONNX files from a table. */
#include "bind/bind.h"

#include "onnx/model.h"

#define MODEL_TYPE "effv2.onnx"

enum { MOST_NAMES = EFF_MAX_INPUTS, MOST_INTS = 64 };

static int collect(lua_State *L)
{
    eff_onnx **box = lua_touserdata(L, 1);
    eff_onnx_free(*box);
    *box = NULL;
    return 0;
}

/* Field `name` of the table on top, which must be of the type; pushes it. */
static void want_field(lua_State *L, const char *name, int type)
{
    lua_getfield(L, -1, name);
    if (lua_type(L, -1) != type)
        eff_raise(L, "onnx_write: %s is a %s, wanted a %s", name, luaL_typename(L, -1), lua_typename(L, type));
}

/* The text stays the table's. */
static const char *text_field(lua_State *L, const char *name)
{
    want_field(L, name, LUA_TSTRING);
    const char *text = lua_tostring(L, -1);
    lua_pop(L, 1);
    return text;
}

static int64_t int_field(lua_State *L, const char *name)
{
    want_field(L, name, LUA_TNUMBER);
    int64_t value = eff_check_int(L, -1, name);
    lua_pop(L, 1);
    return value;
}

/* Calls add(L, model) for each item of the list in field `name`, with the item on top. */
static void for_each(lua_State *L, eff_onnx *model, const char *name, void (*add)(lua_State *, eff_onnx *))
{
    want_field(L, name, LUA_TTABLE);
    int n = (int)lua_objlen(L, -1);
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, i);
        if (!lua_istable(L, -1)) eff_raise(L, "onnx_write: item %d of %s is a %s, wanted a table", i, name, luaL_typename(L, -1));
        add(L, model);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static eff_onnx_type type_of(eff_dtype dtype)
{
    static const eff_onnx_type types[EFF_DTYPE_COUNT] = {
        [EFF_F32] = EFF_ONNX_F32, [EFF_F64] = EFF_ONNX_F64, [EFF_I32] = EFF_ONNX_I32, [EFF_I64] = EFF_ONNX_I64, [EFF_U8] = EFF_ONNX_U8};
    return types[dtype];
}

typedef eff_status add_info(eff_onnx *, const char *, eff_onnx_type, int, const int64_t *);

/* {name, dtype, shape} */
static void read_info(lua_State *L, eff_onnx *model, add_info *add)
{
    int64_t shape[EFF_MAX_DIMS];
    eff_dtype dtype;
    const char *name = text_field(L, "name");
    eff_check(L, eff_dtype_parse(&dtype, text_field(L, "dtype")));
    want_field(L, "shape", LUA_TTABLE);
    int ndim = eff_read_ints(L, -1, shape, EFF_MAX_DIMS, "onnx_write: shape");
    lua_pop(L, 1);
    eff_check(L, add(model, name, type_of(dtype), ndim, shape));
}

static void add_input(lua_State *L, eff_onnx *model) { read_info(L, model, eff_onnx_input); }
static void add_output(lua_State *L, eff_onnx *model) { read_info(L, model, eff_onnx_output); }

/* {name, tensor} */
static void add_initializer(lua_State *L, eff_onnx *model)
{
    const char *name = text_field(L, "name");
    const eff_tensor *t = eff_field_tensor(L, lua_gettop(L), "tensor");
    if (!t || !eff_tensor_is_dense(t)) eff_raise(L, "onnx_write: the tensor '%s' is missing or has gaps", name);
    size_t bytes = (size_t)eff_tensor_numel(t) * eff_dtype_size(t->dtype);
    eff_check(L, eff_onnx_initializer(model, name, type_of(t->dtype), t->ndim, t->shape, eff_tensor_data(t), bytes));
}

/* The texts of the list in field `name`; they stay the table's. */
static int read_names(lua_State *L, const char *name, const char **names)
{
    want_field(L, name, LUA_TTABLE);
    int n = (int)lua_objlen(L, -1);
    if (n > MOST_NAMES) eff_raise(L, "onnx_write: %d %s of a node, at most %d are possible", n, name, MOST_NAMES);
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, -1, i + 1);
        if (lua_type(L, -1) != LUA_TSTRING) eff_raise(L, "onnx_write: item %d of %s is a %s, wanted a string", i + 1, name, luaL_typename(L, -1));
        names[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return n;
}

/* {name, value = string or list of ints, or int, or float} */
static void add_attribute(lua_State *L, eff_onnx *model)
{
    int64_t ints[MOST_INTS];
    const char *name = text_field(L, "name");
    int item = lua_gettop(L);
    lua_getfield(L, item, "float");
    lua_getfield(L, item, "int");
    lua_getfield(L, item, "value");
    if (lua_isnumber(L, item + 1)) {
        eff_check(L, eff_onnx_set_float(model, name, lua_tonumber(L, item + 1)));
    } else if (lua_isnumber(L, item + 2)) {
        eff_check(L, eff_onnx_set_int(model, name, eff_check_int(L, item + 2, name)));
    } else if (lua_type(L, item + 3) == LUA_TSTRING) {
        eff_check(L, eff_onnx_set_string(model, name, lua_tostring(L, item + 3)));
    } else {
        int n = eff_read_ints(L, item + 3, ints, MOST_INTS, name);
        eff_check(L, eff_onnx_set_ints(model, name, n, ints));
    }
    lua_settop(L, item);
}

/* {op, name, inputs, outputs, attributes} */
static void add_node(lua_State *L, eff_onnx *model)
{
    const char *in[MOST_NAMES], *out[MOST_NAMES];
    int n_in = read_names(L, "inputs", in), n_out = read_names(L, "outputs", out);
    eff_check(L, eff_onnx_node(model, text_field(L, "op"), text_field(L, "name"), n_in, in, n_out, out));
    for_each(L, model, "attributes", add_attribute);
}

/* {key, value} */
static void add_metadata(lua_State *L, eff_onnx *model)
{
    eff_check(L, eff_onnx_metadata(model, text_field(L, "key"), text_field(L, "value")));
}

/* onnx_write(path, { graph, ir, opset, producer, version, inputs, outputs, initializers, nodes, metadata }): true, or
 * nil, message, code. A size of -1 in the shape of an input or output is left open. */
static int onnx_write(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    eff_onnx **box = lua_newuserdata(L, sizeof *box);
    *box = NULL;
    luaL_getmetatable(L, MODEL_TYPE);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 2);
    eff_check(L, eff_onnx_new(box, text_field(L, "graph"), int_field(L, "ir"), int_field(L, "opset")));
    eff_check(L, eff_onnx_producer(*box, text_field(L, "producer"), text_field(L, "version")));
    for_each(L, *box, "inputs", add_input);
    for_each(L, *box, "outputs", add_output);
    for_each(L, *box, "initializers", add_initializer);
    for_each(L, *box, "nodes", add_node);
    for_each(L, *box, "metadata", add_metadata);
    eff_status status = eff_onnx_write(*box, path);
    eff_onnx_free(*box);
    *box = NULL;
    if (status != EFF_OK) return eff_push_failure(L, status);
    lua_pushboolean(L, 1);
    return 1;
}

void eff_open_onnx(lua_State *L)
{
    static const luaL_Reg functions[] = {{"onnx_write", onnx_write}, {NULL, NULL}};
    luaL_newmetatable(L, MODEL_TYPE);
    lua_pushcfunction(L, collect);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_register(L, NULL, functions);
}
