/* Tracing: the operations that a function runs on a tensor, as a table. */
#include "bind/bind.h"

#include "autograd/trace.h"

static void push_value(lua_State *L, const eff_trace_value *v)
{
    lua_createtable(L, 0, 4);
    lua_pushstring(L, eff_dtype_name(v->dtype));
    lua_setfield(L, -2, "dtype");
    eff_push_ints(L, v->ndim, v->shape);
    lua_setfield(L, -2, "shape");
    if (!v->constant) return;
    eff_push_tensor(L, eff_tensor_retain(v->tensor));
    eff_keep_box(L, -1);
    lua_setfield(L, -2, "constant");
    lua_pushlightuserdata(L, eff_tensor_data(v->tensor));
    lua_setfield(L, -2, "address");
}

/* A list of numbers of values, from 1; false where there is none */
static void push_numbers(lua_State *L, int n, const int *numbers)
{
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        if (numbers[i] < 0) lua_pushboolean(L, 0);
        else lua_pushnumber(L, numbers[i] + 1);
        lua_rawseti(L, -2, i + 1);
    }
}

static void push_step(lua_State *L, const eff_trace_step *s)
{
    lua_createtable(L, 0, 5);
    lua_pushstring(L, s->op->name);
    lua_setfield(L, -2, "op");
    lua_pushnumber(L, s->place);
    lua_setfield(L, -2, "place");
    push_numbers(L, s->n_in, s->in);
    lua_setfield(L, -2, "inputs");
    push_numbers(L, s->n_out, s->out);
    lua_setfield(L, -2, "outputs");
    lua_newtable(L);
    for (int i = 0; s->op->args && s->op->args[i].name; i++) {
        eff_push_value(L, &s->arg[i], &s->op->args[i]);
        lua_setfield(L, -2, s->op->args[i].name);
    }
    lua_setfield(L, -2, "args");
}

static int push_trace(lua_State *L)
{
    const eff_trace *trace = lua_touserdata(L, 1);
    lua_createtable(L, 0, 3);
    lua_createtable(L, trace->n_values, 0);
    for (int i = 0; i < trace->n_values; i++) {
        push_value(L, &trace->values[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "values");
    lua_createtable(L, trace->n_steps, 0);
    for (int i = 0; i < trace->n_steps; i++) {
        push_step(L, &trace->steps[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "steps");
    return 1;
}

/* trace(f, x): calls f(x) and returns which operations computed its result, a tensor, from x:
 * { values = { {dtype, shape, constant, address}, ... }, steps = { {op, place, inputs, outputs, args}, ... }, result }.
 * x is value 1; result is the number of f's result among the values, false when it was not computed from x. */
static int trace(lua_State *L)
{
    eff_check_callable(L, "trace");
    eff_tensor *x = eff_check_tensor(L, 2);
    lua_settop(L, 2);
    eff_check(L, eff_trace_start(x));
    int failed = lua_pcall(L, 1, 1, 0);
    const eff_trace *done = eff_trace_stop();
    eff_tensor *y = failed ? NULL : eff_to_operand(L, -1);
    int result = y ? eff_trace_find(y) : -1;
    if (!failed) {
        lua_pushcfunction(L, push_trace);
        lua_pushlightuserdata(L, (void *)done);
        failed = lua_pcall(L, 1, 1, 0);
    }
    eff_trace_clear();
    if (failed) return lua_error(L);
    push_numbers(L, 1, &result);
    lua_rawgeti(L, -1, 1);
    lua_setfield(L, -3, "result");
    lua_pop(L, 1);
    return 1;
}

void eff_open_trace(lua_State *L)
{
    static const luaL_Reg functions[] = {{"trace", trace}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
