/* The tensor userdata: boxes, questions, indexing, contents. Operations come from ops (bind/ops.c). */
#include "bind/bind.h"

#include "autograd/backward.h"
#include "autograd/deferred.h"
#include "base/pool.h"
#include "bind/scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- boxes ---- */

/* Lua's collector sees a small box, not the tensor behind it: when the bytes in use pass a soft limit, a whole
 * collection runs; the limit follows what is then still in use. */
static void collect_under_pressure(lua_State *L)
{
    static int64_t limit = 512 << 20;
    if (eff_pool_get_stats().live_bytes <= limit) return;
    lua_gc(L, LUA_GCCOLLECT, 0);
    int64_t live = eff_pool_get_stats().live_bytes;
    if (live > limit / 5 * 4) limit = live + live / 5 * 2;
}

void eff_push_tensor(lua_State *L, eff_tensor *t)
{
    collect_under_pressure(L);
    eff_box *box = lua_newuserdata(L, sizeof *box);
    box->tensor = t;
    box->freed_by_hand = false;
    eff_scope_add(box);
    luaL_getmetatable(L, EFF_TENSOR_TYPE);
    lua_setmetatable(L, -2);
}

static eff_box *to_box(lua_State *L, int index)
{
    eff_box *box = lua_touserdata(L, index);
    if (!box || !lua_getmetatable(L, index)) return NULL;
    luaL_getmetatable(L, EFF_TENSOR_TYPE);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same ? box : NULL;
}

eff_tensor *eff_to_operand(lua_State *L, int index)
{
    eff_box *box = to_box(L, index);
    if (!box) return NULL;
    if (!box->tensor && box->freed_by_hand) eff_raise(L, "tensor was freed by :free(), or by the block that made and used it (:keep() prevents that)");
    if (!box->tensor) eff_raise(L, "tensor was freed at the end of its step; call :keep() on it inside the step");
    return box->tensor;
}

eff_tensor *eff_to_tensor(lua_State *L, int index)
{
    eff_tensor *t = eff_to_operand(L, index);
    if (t) eff_check(L, eff_settle(t));
    return t;
}

/* A tensor that is asked for its shape or type alone */
static const eff_tensor *check_header(lua_State *L)
{
    const eff_tensor *t = eff_to_operand(L, 1);
    if (!t) eff_raise_argument(L, 1, "a tensor");
    return t;
}

eff_tensor *eff_check_tensor(lua_State *L, int index)
{
    eff_tensor *t = eff_to_tensor(L, index);
    if (!t) eff_raise_argument(L, index, "a tensor");
    return t;
}

void eff_keep_box(lua_State *L, int index)
{
    eff_box *box = to_box(L, index);
    if (box) eff_scope_remove(box);
}

static int collect(lua_State *L)
{
    eff_box *box = lua_touserdata(L, 1);
    eff_scope_remove(box);
    eff_tensor_release(box->tensor);
    box->tensor = NULL;
    return 0;
}

static int keep(lua_State *L)
{
    eff_check_tensor(L, 1);
    eff_keep_box(L, 1);
    lua_settop(L, 1);
    return 1;
}

/* Lets go of the elements now, rather than at the end of the step or when the collector comes by. */
static int free_now(lua_State *L)
{
    eff_box *box = to_box(L, 1);
    if (!box) eff_raise_argument(L, 1, "a tensor");
    if (!box->tensor) return 0;
    eff_scope_remove(box);
    eff_tensor_release(box->tensor);
    box->tensor = NULL;
    box->freed_by_hand = true;
    return 0;
}

/* free() for a tensor that a step will free anyway; one that was kept, or made outside a step, stays. */
static int release(lua_State *L)
{
    eff_box *box = to_box(L, 1);
    if (!box) eff_raise_argument(L, 1, "a tensor");
    return box->next ? free_now(L) : 0;
}

/* ---- questions ---- */

static int shape(lua_State *L)
{
    const eff_tensor *t = check_header(L);
    eff_push_ints(L, t->ndim, t->shape);
    return 1;
}

static int size(lua_State *L)
{
    const eff_tensor *t = check_header(L);
    int64_t axis = eff_check_int(L, 2, "size: axis");
    if (axis < 0) axis += t->ndim + 1;
    if (axis < 1 || axis > t->ndim) eff_raise(L, "size: axis %d of a tensor with %d dimensions (1 to %d, or -1 from the end)", (int)lua_tonumber(L, 2), t->ndim, t->ndim);
    lua_pushnumber(L, (double)t->shape[axis - 1]);
    return 1;
}

static int dim(lua_State *L)
{
    lua_pushnumber(L, check_header(L)->ndim);
    return 1;
}

static int numel(lua_State *L)
{
    lua_pushnumber(L, (double)eff_tensor_numel(check_header(L)));
    return 1;
}

static int dtype(lua_State *L)
{
    lua_pushstring(L, eff_dtype_name(check_header(L)->dtype));
    return 1;
}

static int is_dense(lua_State *L)
{
    lua_pushboolean(L, eff_tensor_is_dense(eff_check_tensor(L, 1)));
    return 1;
}

static int length(lua_State *L)
{
    const eff_tensor *t = eff_check_tensor(L, 1);
    lua_pushnumber(L, t->ndim ? (double)t->shape[0] : 0);
    return 1;
}

static int to_string(lua_State *L)
{
    eff_box *box = lua_touserdata(L, 1);
    if (!box->tensor) {
        lua_pushstring(L, box->freed_by_hand ? "[a tensor that was freed]"
                                             : "[a tensor that was freed at the end of its step]");
        return 1;
    }
    size_t bytes = eff_tensor_format(box->tensor, NULL, 0) + 1;
    char *text = malloc(bytes);
    if (!text) eff_raise(L, "no memory to print a tensor");
    eff_tensor_format(box->tensor, text, bytes);
    lua_pushlstring(L, text, bytes - 1);
    free(text);
    return 1;
}

/* ---- contents ---- */

static int item(lua_State *L)
{
    const eff_tensor *t = eff_check_tensor(L, 1);
    char text[EFF_SHAPE_TEXT];
    int64_t index[EFF_MAX_DIMS] = {0};
    if (eff_tensor_numel(t) != 1)
        eff_raise(L, "item: a tensor of %s has %lld elements, wanted 1 (index it, or use :totable())", eff_shape_text(text, t->ndim, t->shape),
                  (long long)eff_tensor_numel(t));
    lua_pushnumber(L, eff_tensor_get(t, index));
    return 1;
}

static void push_nested(lua_State *L, const eff_tensor *t, int axis, int64_t *index)
{
    if (axis == t->ndim) {
        lua_pushnumber(L, eff_tensor_get(t, index));
        return;
    }
    luaL_checkstack(L, 4, "a deep tensor");
    lua_createtable(L, (int)t->shape[axis], 0);
    for (int64_t i = 0; i < t->shape[axis]; i++) {
        index[axis] = i;
        push_nested(L, t, axis + 1, index);
        lua_rawseti(L, -2, (int)i + 1);
    }
}

static int to_table(lua_State *L)
{
    int64_t index[EFF_MAX_DIMS] = {0};
    push_nested(L, eff_check_tensor(L, 1), 0, index);
    return 1;
}

/* The tensor's bytes in row-major order, for comparing and hashing. */
static int to_bytes(lua_State *L)
{
    eff_tensor *dense = NULL;
    eff_check(L, eff_tensor_dense(&dense, eff_check_tensor(L, 1)));
    lua_pushlstring(L, eff_tensor_data(dense), (size_t)eff_tensor_numel(dense) * eff_dtype_size(dense->dtype));
    eff_tensor_release(dense);
    return 1;
}

static int fill(lua_State *L)
{
    eff_tensor_fill(eff_check_tensor(L, 1), luaL_checknumber(L, 2));
    lua_settop(L, 1);
    return 1;
}

static int copy(lua_State *L)
{
    eff_check(L, eff_tensor_copy(eff_check_tensor(L, 1), eff_check_tensor(L, 2)));
    lua_settop(L, 1);
    return 1;
}

static int clone(lua_State *L)
{
    const eff_tensor *t = eff_check_tensor(L, 1);
    eff_tensor *out = NULL;
    eff_check(L, eff_tensor_like(&out, t));
    eff_check(L, eff_tensor_copy(out, t));
    eff_push_tensor(L, out);
    return 1;
}

static int dense(lua_State *L)
{
    eff_tensor *out = NULL;
    eff_check(L, eff_tensor_dense(&out, eff_check_tensor(L, 1)));
    eff_push_tensor(L, out);
    return 1;
}

static int detach(lua_State *L)
{
    eff_tensor *out = NULL;
    eff_check(L, eff_tensor_alias(&out, eff_check_tensor(L, 1)));
    eff_push_tensor(L, out);
    return 1;
}

/* ---- indexing: t[i] is a slice of the first axis, or a number ---- */

static int64_t check_row(lua_State *L, const eff_tensor *t, int index)
{
    int64_t i = eff_check_int(L, index, "tensor index"), n = t->ndim ? t->shape[0] : 0, row = i < 0 ? i + n : i - 1;
    if (t->ndim == 0) eff_raise(L, "a scalar tensor has no elements to index (use :item())");
    if (i == 0 || row < 0 || row >= n)
        eff_raise(L, "index %lld is outside 1..%lld (the size of the first axis)", (long long)i, (long long)n);
    return row;
}

static eff_status row_of(eff_tensor **out, eff_tensor *t, int64_t row)
{
    eff_call slice, reshape;
    eff_call_start(&slice, &eff_op_slice);
    slice.n_in = 1;
    slice.in[0] = t;
    slice.arg[1].i = 1;
    slice.arg[2].i = slice.arg[3].i = row + 1;
    EFF_TRY(eff_call_run(&slice));
    eff_call_start(&reshape, &eff_op_reshape);
    reshape.n_in = 1;
    reshape.in[0] = slice.out[0];
    reshape.arg[1].i = t->ndim - 1;
    for (int d = 1; d < t->ndim; d++) reshape.arg[1].list[d - 1] = t->shape[d];
    eff_status status = eff_call_run(&reshape);
    eff_call_release_outputs(&slice);
    *out = reshape.out[0];
    return status;
}

static int get_row(lua_State *L)
{
    eff_tensor *t = eff_check_tensor(L, 1), *out = NULL;
    int64_t row = check_row(L, t, 2), index[EFF_MAX_DIMS] = {row};
    if (t->ndim == 1) {
        lua_pushnumber(L, eff_tensor_get(t, index));
        return 1;
    }
    eff_check(L, row_of(&out, t, row));
    eff_push_tensor(L, out);
    return 1;
}

static int get_index(lua_State *L)
{
    if (lua_type(L, 2) == LUA_TNUMBER) return get_row(L);
    luaL_getmetatable(L, EFF_TENSOR_TYPE);
    lua_getfield(L, -1, "methods");
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    if (lua_isnil(L, -1) && lua_type(L, 2) == LUA_TSTRING) {
        eff_check_tensor(L, 1);
        eff_raise_unknown(L, "tensor", "method", lua_tostring(L, 2), -2);
    }
    return 1;
}

static int set_index(lua_State *L)
{
    eff_tensor *t = eff_check_tensor(L, 1), *window = NULL;
    if (lua_type(L, 2) != LUA_TNUMBER) eff_raise(L, "a tensor has no field '%s' to set (t[i] = value sets elements)", luaL_checkstring(L, 2));
    int64_t row = check_row(L, t, 2);
    eff_tensor *value = eff_to_tensor(L, 3);
    if (!value && !lua_isnumber(L, 3)) eff_raise(L, "t[i] = a %s, wanted a number or a tensor", luaL_typename(L, 3));
    double number = value ? 0 : lua_tonumber(L, 3);
    eff_check(L, eff_tensor_slice(&window, t, 0, row, row + 1, 1));
    eff_status status = EFF_OK;
    if (!value) {
        eff_tensor_fill(window, number);
    } else {
        for (int d = 1; d < window->ndim; d++) { /* drop the first axis, keeping strides */
            window->shape[d - 1] = window->shape[d];
            window->stride[d - 1] = window->stride[d];
        }
        window->ndim--;
        status = eff_tensor_copy(window, value);
    }
    eff_tensor_release(window);
    eff_check(L, status);
    return 0;
}

/* ---- differentiation ---- */

static int requires_grad(lua_State *L)
{
    eff_tensor *t = eff_check_tensor(L, 1);
    if (lua_isnoneornil(L, 2)) {
        lua_pushboolean(L, t->requires_grad);
        return 1;
    }
    if (t->maker) eff_raise(L, "requires_grad: the tensor is a result; only leaves can be switched (see :detach())");
    if (t->dtype != EFF_REAL) eff_raise(L, "requires_grad: a tensor of %s has no gradient", eff_dtype_name(t->dtype));
    t->requires_grad = lua_toboolean(L, 2);
    lua_settop(L, 1);
    return 1;
}

static int grad(lua_State *L)
{
    eff_tensor *t = eff_check_tensor(L, 1);
    if (!t->grad) {
        lua_pushnil(L);
        return 1;
    }
    eff_check(L, eff_grad_settle(t));
    eff_push_tensor(L, eff_tensor_retain(t->grad));
    return 1;
}

static int zero_grad(lua_State *L)
{
    eff_grad_zero(eff_check_tensor(L, 1));
    lua_settop(L, 1);
    return 1;
}

static int backward(lua_State *L)
{
    eff_tensor *t = eff_check_tensor(L, 1);
    bool keep_graph = false;
    eff_tensor *gradient = NULL;
    if (lua_istable(L, 2)) {
        static const char *const names[] = {"gradient", "keep_graph", NULL};
        eff_only_keys(L, 2, "backward", names);
        gradient = eff_field_tensor(L, 2, "gradient");
        keep_graph = eff_field_bool(L, 2, "keep_graph", false);
    } else if (!lua_isnoneornil(L, 2)) {
        gradient = eff_check_tensor(L, 2);
    }
    eff_check(L, eff_backward(t, gradient, keep_graph));
    return 0;
}

void eff_open_tensor(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"keep", keep}, {"free", free_now}, {"release", release}, {"shape", shape}, {"size", size}, {"dim", dim}, {"numel", numel}, {"dtype", dtype},
        {"is_dense", is_dense}, {"item", item}, {"totable", to_table}, {"tobytes", to_bytes}, {"fill", fill},
        {"copy", copy}, {"clone", clone}, {"detach", detach}, {"requires_grad", requires_grad},
        {"grad", grad}, {"zero_grad", zero_grad}, {"backward", backward}, {"contiguous", dense}, {NULL, NULL}};
    luaL_newmetatable(L, EFF_TENSOR_TYPE);
    lua_newtable(L);
    for (const luaL_Reg *m = methods; m->name; m++) {
        lua_pushcfunction(L, m->func);
        lua_setfield(L, -2, m->name);
    }
    lua_setfield(L, -2, "methods");
    static const luaL_Reg meta[] = {{"__gc", collect}, {"__tostring", to_string}, {"__len", length},
                                    {"__index", get_index}, {"__newindex", set_index}, {NULL, NULL}};
    for (const luaL_Reg *m = meta; m->name; m++) {
        lua_pushcfunction(L, m->func);
        lua_setfield(L, -2, m->name);
    }
    lua_pop(L, 1);
}
