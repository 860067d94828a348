/* Flat parameters and their updates; lua/effv2/optim.lua makes optimisers of them. */
#include "bind/bind.h"

#include "autograd/backward.h"
#include "optim/update.h"

#include <string.h>

static eff_tensor *check_flat(lua_State *L, int index, int64_t n, const char *what)
{
    char text[EFF_SHAPE_TEXT];
    eff_tensor *t = eff_check_tensor(L, index);
    if (t->dtype != EFF_REAL || t->ndim != 1 || !eff_tensor_is_dense(t) || (n >= 0 && t->shape[0] != n))
        eff_raise(L, "%s: %s %s, wanted a flat %s tensor of %lld elements", what, eff_dtype_name(t->dtype),
                  eff_shape_text(text, t->ndim, t->shape), EFF_REAL_NAME, (long long)n);
    return t;
}

static int64_t check_list(lua_State *L, int index)
{
    int64_t total = 0;
    int n = (int)lua_objlen(L, index);
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, index, i + 1);
        eff_tensor *t = eff_check_tensor(L, -1);
        if (t->dtype != EFF_REAL) eff_raise(L, "flatten: tensor %d is %s, wanted %s", i + 1, eff_dtype_name(t->dtype), EFF_REAL_NAME);
        total += eff_tensor_numel(t);
        lua_pop(L, 1);
    }
    return total;
}

/* Makes t's gradient a view of flat_grad at offset, counting as zero. */
static eff_status give_gradient(eff_tensor *t, const eff_tensor *flat_grad, int64_t offset)
{
    eff_tensor *view = NULL, *shaped = NULL;
    EFF_TRY(eff_tensor_slice(&view, flat_grad, 0, offset, offset + eff_tensor_numel(t), 1));
    eff_status status = eff_tensor_reshape(&shaped, view, t->ndim, t->shape);
    eff_tensor_release(view);
    if (status != EFF_OK) return status;
    eff_tensor_release(t->grad);
    t->grad = shaped;
    t->grad_is_zero = true;
    return EFF_OK;
}

/* flatten(list of tensors [, with_gradients]): moves them into one flat tensor, of which they become views.
 * Returns it, and the flat gradient. */
static int flatten(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    bool with_gradients = lua_toboolean(L, 2);
    int64_t total = check_list(L, 1), offset = 0;
    eff_tensor *flat = NULL, *flat_grad = NULL;
    eff_check(L, eff_tensor_zeros(&flat, EFF_REAL, 1, &total));
    eff_push_tensor(L, flat);
    if (with_gradients) {
        eff_check(L, eff_tensor_zeros(&flat_grad, EFF_REAL, 1, &total));
        eff_push_tensor(L, flat_grad);
    }
    int results = lua_gettop(L);
    for (int i = 0, n = (int)lua_objlen(L, 1); i < n; i++) {
        lua_rawgeti(L, 1, i + 1);
        eff_tensor *t = eff_check_tensor(L, -1);
        eff_check(L, eff_tensor_rehome(t, flat->storage, offset));
        if (with_gradients) eff_check(L, give_gradient(t, flat_grad, offset));
        offset += eff_tensor_numel(t);
        lua_settop(L, results);
    }
    return with_gradients ? 2 : 1;
}

/* settle(list of parameters): zeroes the gradients that no backward has written since zero_grad */
static int settle(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    for (int i = 0, n = (int)lua_objlen(L, 1); i < n; i++) {
        lua_rawgeti(L, 1, i + 1);
        eff_check(L, eff_grad_settle(eff_check_tensor(L, -1)));
        lua_pop(L, 1);
    }
    return 0;
}

static int zero_grads(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    for (int i = 0, n = (int)lua_objlen(L, 1); i < n; i++) {
        lua_rawgeti(L, 1, i + 1);
        eff_grad_zero(eff_check_tensor(L, -1));
        lua_pop(L, 1);
    }
    return 0;
}

/* Reads lr, decay, decayed, gradient_scale, average and average_decay of the options table at index. */
static eff_update read_update(lua_State *L, int index, int64_t n)
{
    eff_update u = {.n = n};
    luaL_checktype(L, index, LUA_TTABLE);
    u.lr = eff_field_number(L, index, "lr", 0);
    u.decay = eff_field_number(L, index, "weight_decay", 0);
    u.decayed = eff_field_int(L, index, "decayed", n);
    u.gradient_scale = eff_field_number(L, index, "gradient_scale", 1);
    eff_tensor *average = eff_field_tensor(L, index, "average");
    if (!average) return u;
    eff_push_tensor(L, eff_tensor_retain(average));
    u.average = eff_tensor_reals(check_flat(L, -1, n, "average"));
    u.average_decay = eff_field_number(L, index, "average_decay", 0);
    lua_pop(L, 1);
    return u;
}

/* update_rmsprop(w, g, ms, mom, {lr, weight_decay, decayed, gradient_scale, rho, momentum, eps}) */
static int update_rmsprop(lua_State *L)
{
    eff_tensor *w = check_flat(L, 1, -1, "rmsprop");
    int64_t n = w->shape[0];
    eff_tensor *g = check_flat(L, 2, n, "rmsprop"), *ms = check_flat(L, 3, n, "rmsprop"), *mom = check_flat(L, 4, n, "rmsprop");
    eff_update u = read_update(L, 5, n);
    eff_update_rmsprop(eff_tensor_reals(w), eff_tensor_reals(ms), eff_tensor_reals(mom), eff_tensor_reals(g), &u,
                       eff_field_number(L, 5, "rho", 0.9), eff_field_number(L, 5, "momentum", 0.9),
                       eff_field_number(L, 5, "eps", 1e-3));
    return 0;
}

/* update_sgd(w, g, v, {..., momentum, nesterov}) */
static int update_sgd(lua_State *L)
{
    eff_tensor *w = check_flat(L, 1, -1, "sgd");
    int64_t n = w->shape[0];
    eff_tensor *g = check_flat(L, 2, n, "sgd"), *v = check_flat(L, 3, n, "sgd");
    eff_update u = read_update(L, 4, n);
    eff_update_sgd(eff_tensor_reals(w), eff_tensor_reals(v), eff_tensor_reals(g), &u, eff_field_number(L, 4, "momentum", 0),
                   eff_field_bool(L, 4, "nesterov", false));
    return 0;
}

/* update_adamw(w, g, m, v, {..., beta1, beta2, eps, step}) */
static int update_adamw(lua_State *L)
{
    eff_tensor *w = check_flat(L, 1, -1, "adamw");
    int64_t n = w->shape[0];
    eff_tensor *g = check_flat(L, 2, n, "adamw"), *m = check_flat(L, 3, n, "adamw"), *v = check_flat(L, 4, n, "adamw");
    eff_update u = read_update(L, 5, n);
    eff_update_adamw(eff_tensor_reals(w), eff_tensor_reals(m), eff_tensor_reals(v), eff_tensor_reals(g), &u,
                     eff_field_number(L, 5, "beta1", 0.9), eff_field_number(L, 5, "beta2", 0.999),
                     eff_field_number(L, 5, "eps", 1e-8), eff_field_int(L, 5, "step", 1));
    return 0;
}

/* update_average(average, w, decay) */
static int update_average(lua_State *L)
{
    eff_tensor *average = check_flat(L, 1, -1, "average");
    eff_tensor *w = check_flat(L, 2, average->shape[0], "average");
    eff_update_average(eff_tensor_reals(average), eff_tensor_reals(w), w->shape[0], luaL_checknumber(L, 3));
    return 0;
}

/* norm(t): the Euclidean norm of a flat tensor */
static int norm(lua_State *L)
{
    eff_tensor *t = check_flat(L, 1, -1, "norm");
    lua_pushnumber(L, eff_norm_of(eff_tensor_reals(t), t->shape[0]));
    return 1;
}

void eff_open_optim(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"flatten", flatten}, {"settle_gradients", settle}, {"zero_gradients", zero_grads}, {"update_rmsprop", update_rmsprop},
        {"update_sgd", update_sgd}, {"update_adamw", update_adamw}, {"update_average", update_average}, {"flat_norm", norm},
        {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
