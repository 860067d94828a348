/* Every op of ops.def as a Lua function and, where its first argument is a tensor, as a method of tensors.
 *
 * Arguments go by position in the record's order, or by name in a last table: conv2d(x, w, nil, 2, "same") is
 * conv2d(x, w, { stride = 2, padding = "same" }).
 */
#include "bind/bind.h"

#include <string.h>

static bool is_tensor_kind(const eff_arg *a)
{
    return a->kind == EFF_ARG_TENSOR || a->kind == EFF_ARG_OPTIONAL_TENSOR || a->kind == EFF_ARG_TENSOR_LIST;
}

static int arg_count(const eff_op *op)
{
    int n = 0;
    while (op->args[n].name) n++;
    return n;
}

static void read_tensor_list(lua_State *L, eff_call *c, int index, const eff_arg *arg)
{
    if (!lua_istable(L, index)) eff_raise(L, "%s: %s is a %s, wanted a list of tensors", c->op->name, arg->name, luaL_typename(L, index));
    int n = (int)lua_objlen(L, index);
    if (n > EFF_MAX_INPUTS) eff_raise(L, "%s: %d tensors, at most %d are possible", c->op->name, n, EFF_MAX_INPUTS);
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, index, i + 1);
        c->in[i] = eff_to_operand(L, -1);
        if (!c->in[i]) eff_raise(L, "%s: item %d of %s is a %s, wanted a tensor", c->op->name, i + 1, arg->name, luaL_typename(L, -1));
        lua_pop(L, 1);
    }
    c->n_in = n;
}

/* Reads the value at `index` as argument number i, whose place among the tensors is `place`. */
static void read_argument(lua_State *L, eff_call *c, int index, int i, int place)
{
    const eff_arg *arg = &c->op->args[i];
    if (arg->kind == EFF_ARG_TENSOR_LIST) {
        read_tensor_list(L, c, index, arg);
    } else if (is_tensor_kind(arg)) {
        c->in[place] = eff_to_operand(L, index);
        if (!c->in[place])
            eff_raise(L, "%s: %s is a %s, wanted a tensor", c->op->name, arg->name, luaL_typename(L, index));
    } else {
        eff_read_value(L, index, &c->arg[i], arg, c->op->name);
    }
}

static void push_argument_names(lua_State *L, const eff_op *op)
{
    lua_newtable(L);
    for (int i = 0; op->args[i].name; i++) {
        lua_pushstring(L, op->args[i].name);
        lua_rawseti(L, -2, i + 1);
    }
}

static int tensor_place(const eff_op *op, int index)
{
    int place = 0;
    for (int i = 0; i < index; i++) place += is_tensor_kind(&op->args[i]);
    return place;
}

static void read_named(lua_State *L, eff_call *c, int index)
{
    lua_pushnil(L);
    while (lua_next(L, index)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
        if (!key) eff_raise(L, "%s: named arguments and list items are mixed in one table", c->op->name);
        int i = eff_arg_index(c->op, key);
        if (i < 0) {
            push_argument_names(L, c->op);
            eff_raise_unknown(L, c->op->name, "argument", key, -1);
        }
        read_argument(L, c, lua_gettop(L), i, tensor_place(c->op, i));
        lua_pop(L, 1);
    }
}

static void check_required(lua_State *L, const eff_call *c)
{
    int place = 0;
    for (int i = 0; c->op->args[i].name; i++) {
        const eff_arg *arg = &c->op->args[i];
        bool list = arg->kind == EFF_ARG_TENSOR_LIST && c->n_in > 0; /* a given one has set n_in, to 0 when empty */
        if ((arg->kind == EFF_ARG_TENSOR || list) && !c->in[place])
            eff_raise(L, "%s: %s is missing, wanted %s", c->op->name, arg->name, list ? "a list of tensors" : "a tensor");
        place += is_tensor_kind(arg);
    }
}

static void raise_too_many(lua_State *L, const eff_op *op, int given, int most)
{
    luaL_Buffer names;
    luaL_buffinit(L, &names);
    for (int i = 0; i < most; i++) {
        luaL_addstring(&names, i ? ", " : "");
        luaL_addstring(&names, op->args[i].name);
    }
    luaL_pushresult(&names);
    bool list = most > 0 && op->args[most - 1].kind == EFF_ARG_INTS;
    eff_raise(L, "%s: %d arguments, takes at most %d: (%s)%s", op->name, given, most, lua_tostring(L, -1),
              list ? "; several numbers go in one table, { 1, 2 }" : "");
}

static void read_call(lua_State *L, eff_call *c, const eff_op *op)
{
    int given = lua_gettop(L), most = arg_count(op);
    eff_call_start(c, op);
    for (int i = 0; i < most; i++) c->n_in += is_tensor_kind(&op->args[i]);
    bool named = given > 0 && eff_is_named_table(L, given);
    int positional = named ? given - 1 : given;
    if (positional > most) raise_too_many(L, op, positional, most);
    for (int i = 0; i < positional; i++)
        if (!lua_isnil(L, i + 1)) read_argument(L, c, i + 1, i, tensor_place(op, i));
    if (named) read_named(L, c, given);
    check_required(L, c);
}

static int call_op(lua_State *L)
{
    eff_call c;
    const eff_op *op = lua_touserdata(L, lua_upvalueindex(1));
    read_call(L, &c, op);
    eff_check(L, eff_call_run(&c));
    int visible = c.n_out - op->hidden;
    for (int i = visible; i < c.n_out; i++) {
        eff_tensor_release(c.out[i]);
        c.out[i] = NULL;
    }
    for (int i = 0; i < visible; i++) eff_push_tensor(L, c.out[i]);
    return visible;
}

/* cost(name, ...): {flops, bytes} of the op on these arguments */
static int op_cost(lua_State *L)
{
    eff_call c;
    eff_cost cost;
    const char *name = luaL_checkstring(L, 1);
    const eff_op *op = eff_op_find(name);
    if (!op) eff_raise(L, "cost: there is no op '%s'", name);
    lua_remove(L, 1);
    read_call(L, &c, op);
    eff_check(L, op->flags & EFF_VIEW ? EFF_OK : op->shape(&c));
    eff_op_cost(&cost, &c);
    lua_createtable(L, 0, 2);
    lua_pushnumber(L, cost.flops);
    lua_setfield(L, -2, "flops");
    lua_pushnumber(L, cost.bytes);
    lua_setfield(L, -2, "bytes");
    return 1;
}

static void push_argument_help(lua_State *L, const eff_arg *a)
{
    static const char *const kinds[] = {"tensor", "tensor or nil", "list of tensors", "integer", "number",
                                        "true or false", "integers", "word"};
    lua_createtable(L, 0, 3);
    lua_pushstring(L, a->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, kinds[a->kind]);
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, a->doc);
    lua_setfield(L, -2, "doc");
    if (!is_tensor_kind(a)) {
        eff_push_value(L, &a->initial, a);
        lua_setfield(L, -2, "default");
    }
}

/* op_records(): a list of {name, doc, args, differentiable, samples}, for help and the tests */
static int op_records(lua_State *L)
{
    lua_newtable(L);
    for (int i = 0; i < eff_op_count(); i++) {
        const eff_op *op = eff_op_at(i);
        lua_newtable(L);
        lua_pushstring(L, op->name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, op->doc);
        lua_setfield(L, -2, "doc");
        lua_pushboolean(L, op->backward != eff_no_grad);
        lua_setfield(L, -2, "differentiable");
        lua_newtable(L);
        for (int j = 0; op->args[j].name; j++) {
            push_argument_help(L, &op->args[j]);
            lua_rawseti(L, -2, j + 1);
        }
        lua_setfield(L, -2, "args");
        lua_newtable(L);
        for (int j = 0; op->samples[j]; j++) {
            lua_pushstring(L, op->samples[j]);
            lua_rawseti(L, -2, j + 1);
        }
        lua_setfield(L, -2, "samples");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* ---- arithmetic of tensors and numbers ---- */

static int apply_affine(lua_State *L, eff_tensor *x, double scale, double shift)
{
    eff_call c;
    eff_call_start(&c, &eff_op_affine);
    c.n_in = 1;
    c.in[0] = x;
    c.arg[1].f = scale;
    c.arg[2].f = shift;
    eff_check(L, eff_call_run(&c));
    eff_push_tensor(L, c.out[0]);
    return 1;
}

static int apply(lua_State *L, const eff_op *op, eff_tensor *a, eff_tensor *b)
{
    eff_call c;
    eff_call_start(&c, op);
    c.in[c.n_in++] = a;
    if (b) c.in[c.n_in++] = b;
    eff_check(L, eff_call_run(&c));
    eff_push_tensor(L, c.out[0]);
    return 1;
}

static eff_tensor *number_tensor(lua_State *L, double value)
{
    eff_tensor *t = NULL;
    eff_check(L, eff_tensor_new(&t, EFF_REAL, 0, NULL));
    eff_tensor_fill(t, value);
    eff_push_tensor(L, t);
    return t;
}

/* The tensor that is operand 1 or 2 of an arithmetic operator. */
static eff_tensor *operand(lua_State *L, int index, const char *sign)
{
    eff_tensor *t = eff_to_operand(L, index);
    if (!t)
        eff_raise(L, "%s: the %s operand is a %s, wanted a tensor or a number", sign, index == 1 ? "first" : "second",
                  luaL_typename(L, index));
    return t;
}

static int add(lua_State *L)
{
    if (lua_isnumber(L, 1)) return apply_affine(L, operand(L, 2, "+"), 1, lua_tonumber(L, 1));
    if (lua_isnumber(L, 2)) return apply_affine(L, operand(L, 1, "+"), 1, lua_tonumber(L, 2));
    return apply(L, &eff_op_add, operand(L, 1, "+"), operand(L, 2, "+"));
}

static int sub(lua_State *L)
{
    if (lua_isnumber(L, 1)) return apply_affine(L, operand(L, 2, "-"), -1, lua_tonumber(L, 1));
    if (lua_isnumber(L, 2)) return apply_affine(L, operand(L, 1, "-"), 1, -lua_tonumber(L, 2));
    return apply(L, &eff_op_sub, operand(L, 1, "-"), operand(L, 2, "-"));
}

static int mul(lua_State *L)
{
    if (lua_isnumber(L, 1)) return apply_affine(L, operand(L, 2, "*"), lua_tonumber(L, 1), 0);
    if (lua_isnumber(L, 2)) return apply_affine(L, operand(L, 1, "*"), lua_tonumber(L, 2), 0);
    return apply(L, &eff_op_mul, operand(L, 1, "*"), operand(L, 2, "*"));
}

static int division(lua_State *L)
{
    if (lua_isnumber(L, 2)) return apply_affine(L, operand(L, 1, "/"), 1 / lua_tonumber(L, 2), 0);
    eff_tensor *b = operand(L, 2, "/");
    eff_tensor *a = lua_isnumber(L, 1) ? number_tensor(L, lua_tonumber(L, 1)) : operand(L, 1, "/");
    return apply(L, &eff_op_div, a, b);
}

static int power(lua_State *L)
{
    eff_tensor *x = eff_check_tensor(L, 1);
    double p = luaL_checknumber(L, 2);
    if (p == 2) return apply(L, &eff_op_square, x, NULL);
    if (p == 0.5) return apply(L, &eff_op_sqrt, x, NULL);
    eff_raise(L, "a tensor can be raised to the powers 2 and 0.5, not %g (write exp(log(x) * p))", p);
}

static int negate(lua_State *L) { return apply(L, &eff_op_neg, eff_check_tensor(L, 1), NULL); }

static void add_arithmetic(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__add", add}, {"__sub", sub}, {"__mul", mul}, {"__div", division},
                                    {"__pow", power}, {"__unm", negate}, {NULL, NULL}};
    for (const luaL_Reg *m = meta; m->name; m++) {
        lua_pushcfunction(L, m->func);
        lua_setfield(L, -2, m->name);
    }
}

void eff_open_ops(lua_State *L)
{
    int module = lua_gettop(L);
    luaL_getmetatable(L, EFF_TENSOR_TYPE);
    add_arithmetic(L);
    lua_getfield(L, -1, "methods");
    for (int i = 0; i < eff_op_count(); i++) {
        const eff_op *op = eff_op_at(i);
        lua_pushlightuserdata(L, (void *)op);
        lua_pushcclosure(L, call_op, 1);
        if (op->args[0].kind == EFF_ARG_TENSOR) {
            lua_pushvalue(L, -1);
            lua_setfield(L, -3, op->name);
        }
        lua_setfield(L, module, op->name);
    }
    lua_settop(L, module);
    lua_pushcfunction(L, op_cost);
    lua_setfield(L, module, "cost");
    lua_pushcfunction(L, op_records);
    lua_setfield(L, module, "op_records");
}
