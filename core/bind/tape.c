/* Differentiation from Lua: no_grad, step scopes, functions with a backward written in Lua. */
#include "bind/bind.h"

#include "bind/scope.h"

#include <stdlib.h>

/* no_grad(f, ...): calls f without recording; returns what f returns */
static int no_grad(lua_State *L)
{
    eff_check_callable(L, "no_grad");
    bool before = eff_set_grad_enabled(false);
    int failed = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    eff_set_grad_enabled(before);
    if (failed) return lua_error(L);
    return lua_gettop(L);
}

static int grad_enabled(lua_State *L)
{
    lua_pushboolean(L, eff_grad_enabled());
    return 1;
}

/* ---- a function in Lua with its own backward ----
 * The node's context holds registry references to the backward function and to what forward returned for it. */

typedef struct lua_context {
    lua_State *L;
    int backward, saved;
    eff_tensor *result; /* of forward; until the call has run */
} lua_context;

static void forget(eff_call *c)
{
    lua_context *context = c->context;
    luaL_unref(context->L, LUA_REGISTRYINDEX, context->backward);
    luaL_unref(context->L, LUA_REGISTRYINDEX, context->saved);
    free(context);
}

static eff_status take_gradient(lua_State *L, eff_call *c, int i)
{
    char got[EFF_SHAPE_TEXT], want[EFF_SHAPE_TEXT];
    if (!c->wants[i] || lua_isnil(L, -1)) return EFF_OK;
    eff_tensor *t = eff_to_tensor(L, -1);
    if (!t) return eff_fail(EFF_E_TYPE, "gradient %d is a %s, wanted a tensor or nil", i + 1, luaL_typename(L, -1));
    if (t->dtype != EFF_REAL || !eff_tensor_same_shape(t, c->in[i]))
        return eff_fail(EFF_E_SHAPE, "gradient %d is %s %s, the input is %s", i + 1, eff_dtype_name(t->dtype),
                        eff_shape_text(got, t->ndim, t->shape), eff_shape_text(want, c->in[i]->ndim, c->in[i]->shape));
    return eff_call_hand_on(c, i, t);
}

/* Calls backward(saved, dy) in Lua; it returns a gradient, or nil, for each input. */
static eff_status call_backward(eff_call *c)
{
    lua_context *context = c->context;
    lua_State *L = context->L;
    int top = lua_gettop(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, context->backward);
    lua_rawgeti(L, LUA_REGISTRYINDEX, context->saved);
    eff_push_tensor(L, eff_tensor_retain(c->dout[0]));
    if (lua_pcall(L, 2, c->n_in, 0) != 0) {
        eff_status status = eff_fail(EFF_E_ARGUMENT, "%s", lua_isstring(L, -1) ? lua_tostring(L, -1) : "an error");
        lua_settop(L, top);
        return status;
    }
    eff_status status = EFF_OK;
    for (int i = c->n_in - 1; i >= 0; i--) {
        if (status == EFF_OK) status = take_gradient(L, c, i);
        lua_pop(L, 1);
    }
    lua_settop(L, top);
    return status;
}

static eff_status given_shape(eff_call *c)
{
    c->n_out = 1;
    return EFF_OK;
}

/* The result was computed in Lua before the call; here it only becomes the call's output. */
static eff_status given_forward(eff_call *c)
{
    const lua_context *context = c->context;
    return eff_tensor_alias(&c->out[0], context->result);
}

static const eff_op function_op = {
    .name = "function",
    .doc = "a differentiable function written in Lua",
    .flags = EFF_STRIDED | EFF_VIEW,
    .shape = given_shape,
    .forward = given_forward,
    .backward = call_backward,
    .forget = forget,
};

/* Keeps what forward returned for backward alive beyond the current step scope. */
static lua_context *new_context(lua_State *L, int backward, int saved)
{
    lua_context *context = malloc(sizeof *context);
    if (!context) eff_raise(L, "no memory for a function's context");
    context->L = L;
    lua_pushvalue(L, backward);
    context->backward = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, saved);
    context->saved = luaL_ref(L, LUA_REGISTRYINDEX);
    return context;
}

/* apply_function(forward, backward, inputs...): y, saved = forward(inputs...) without recording; in backward,
 * dx1, dx2, ... = backward(saved, dy). */
static int apply_function(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    eff_call c;
    eff_call_start(&c, &function_op);
    int n = lua_gettop(L) - 2;
    if (n < 1 || n >= EFF_MAX_INPUTS) eff_raise(L, "Function: %d inputs, wanted 1 to %d", n, EFF_MAX_INPUTS - 1);
    for (int i = 0; i < n; i++) c.in[i] = eff_check_tensor(L, i + 3);
    lua_pushcfunction(L, no_grad);
    lua_pushvalue(L, 1);
    for (int i = 0; i < n; i++) lua_pushvalue(L, i + 3);
    lua_call(L, n + 1, 2);
    eff_tensor *y = eff_to_tensor(L, -2);
    if (!y) eff_raise(L, "Function: forward returned a %s, wanted a tensor (and what backward needs)", luaL_typename(L, -2));
    c.n_in = n;
    lua_context *context = new_context(L, 2, lua_gettop(L));
    context->result = y;
    c.context = context;
    eff_status status = eff_call_run(&c);
    if (status != EFF_OK || !c.training) forget(&c);
    eff_check(L, status);
    eff_push_tensor(L, c.out[0]);
    return 1;
}

void eff_open_tape(lua_State *L)
{
    static const luaL_Reg functions[] = {{"no_grad", no_grad}, {"grad_enabled", grad_enabled}, {"step", eff_scope_step},
                                         {"apply_function", apply_function}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
