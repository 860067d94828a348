/* Functions that make tensors: from tables and bytes, filled, random. */
#include "bind/bind.h"

#include <string.h>
#include <xxhash.h>

static uint64_t user_seed, user_streams;

/* eff_check with the function's name before the message. */
static void check(lua_State *L, const char *what, eff_status status)
{
    if (status != EFF_OK) eff_fail_at(status, "%s", what);
    eff_check(L, status);
}

/* Reads sizes given as numbers or as one list, and an options table {dtype = ...} behind them. */
static void read_sizes(lua_State *L, const char *what, int first, int *ndim, int64_t *shape, eff_dtype *type)
{
    int top = lua_gettop(L);
    *type = EFF_REAL;
    if (top >= first && eff_is_named_table(L, top)) {
        static const char *const names[] = {"dtype", NULL};
        eff_only_keys(L, top, what, names);
        check(L, what, eff_dtype_parse(type, eff_field_string(L, top, "dtype", EFF_REAL_NAME)));
        top--;
    }
    if (top == first && lua_istable(L, first)) {
        *ndim = eff_read_ints(L, first, shape, EFF_MAX_DIMS, what);
        return;
    }
    *ndim = top - first + 1;
    if (*ndim > EFF_MAX_DIMS) eff_raise(L, "%s: %d sizes, at most %d are possible", what, *ndim, EFF_MAX_DIMS);
    for (int i = 0; i < *ndim; i++) shape[i] = eff_check_int(L, first + i, what);
}

static eff_tensor *new_from_sizes(lua_State *L, const char *what, int first)
{
    int ndim;
    int64_t shape[EFF_MAX_DIMS];
    eff_dtype type;
    eff_tensor *t = NULL;
    read_sizes(L, what, first, &ndim, shape, &type);
    check(L, what, eff_tensor_new(&t, type, ndim, shape));
    eff_push_tensor(L, t);
    return t;
}

static int zeros(lua_State *L)
{
    eff_tensor_fill(new_from_sizes(L, "zeros", 1), 0);
    return 1;
}

static int ones(lua_State *L)
{
    eff_tensor_fill(new_from_sizes(L, "ones", 1), 1);
    return 1;
}

/* full(value, sizes...) */
static int full(lua_State *L)
{
    double value = luaL_checknumber(L, 1);
    eff_tensor_fill(new_from_sizes(L, "full", 2), value);
    return 1;
}

/* from_bytes(bytes, sizes...): the row-major bytes that :tobytes() gives, as a tensor */
static int from_bytes(lua_State *L)
{
    size_t bytes;
    const char *data = luaL_checklstring(L, 1, &bytes);
    eff_tensor *t = new_from_sizes(L, "from_bytes", 2);
    size_t wanted = (size_t)eff_tensor_numel(t) * eff_dtype_size(t->dtype);
    char text[EFF_SHAPE_TEXT];
    if (bytes != wanted)
        eff_raise(L, "from_bytes: %zu bytes, %s [%s] takes %zu", bytes, eff_dtype_name(t->dtype),
                  eff_shape_text(text, t->ndim, t->shape), wanted);
    if (bytes) memcpy(eff_tensor_data(t), data, bytes);
    return 1;
}

static eff_tensor *new_random(lua_State *L, const char *what, eff_rng *rng)
{
    eff_tensor *t = new_from_sizes(L, what, 1);
    if (t->dtype != EFF_REAL) eff_raise(L, "%s: a tensor of %s, wanted %s", what, eff_dtype_name(t->dtype), EFF_REAL_NAME);
    eff_rng_start(rng, user_seed, EFF_RNG_USER, user_streams++, 0);
    return t;
}

static int randn(lua_State *L)
{
    eff_rng rng;
    eff_tensor *t = new_random(L, "randn", &rng);
    for (int64_t i = 0, n = eff_tensor_numel(t); i < n; i++) eff_tensor_reals(t)[i] = (real)eff_rng_normal(&rng);
    return 1;
}

static int rand_uniform(lua_State *L)
{
    eff_rng rng;
    eff_tensor *t = new_random(L, "rand", &rng);
    for (int64_t i = 0, n = eff_tensor_numel(t); i < n; i++) eff_tensor_reals(t)[i] = (real)eff_rng_uniform(&rng);
    return 1;
}

/* arange(n): 0, 1, ..., n - 1 as int64 */
static int arange(lua_State *L)
{
    int64_t n = eff_check_int(L, 1, "arange");
    eff_tensor *t = NULL;
    check(L, "arange", eff_tensor_new(&t, EFF_I64, 1, &n));
    for (int64_t i = 0; i < n; i++) ((int64_t *)eff_tensor_data(t))[i] = i;
    eff_push_tensor(L, t);
    return 1;
}

static int nested_shape(lua_State *L, int index, int64_t *shape)
{
    int ndim = 0;
    lua_pushvalue(L, index);
    while (lua_istable(L, -1)) {
        if (ndim == EFF_MAX_DIMS) eff_raise(L, "tensor: tables nested more than %d deep", EFF_MAX_DIMS);
        shape[ndim++] = (int64_t)lua_objlen(L, -1);
        lua_rawgeti(L, -1, 1);
    }
    lua_settop(L, index + 1);
    return ndim;
}

static void copy_nested(lua_State *L, eff_tensor *t, int axis, int64_t *at)
{
    luaL_checkstack(L, 4, "a deep table");
    if (axis == t->ndim) {
        if (lua_type(L, -1) != LUA_TNUMBER) eff_raise(L, "tensor: a %s among the numbers", luaL_typename(L, -1));
        eff_tensor_set(t, at, lua_tonumber(L, -1));
        return;
    }
    if (!lua_istable(L, -1))
        eff_raise(L, "tensor: a %s among the rows of axis %d, wanted a table of %lld items as in the first row",
                  luaL_typename(L, -1), axis + 1, (long long)t->shape[axis]);
    if ((int64_t)lua_objlen(L, -1) != t->shape[axis])
        eff_raise(L, "tensor: the nested tables are ragged: a row of axis %d has %d items, the first one has %lld", axis + 1,
                  (int)lua_objlen(L, -1), (long long)t->shape[axis]);
    for (int64_t i = 0; i < t->shape[axis]; i++) {
        at[axis] = i;
        lua_rawgeti(L, -1, (int)i + 1);
        copy_nested(L, t, axis + 1, at);
        lua_pop(L, 1);
    }
}

/* tensor(nested tables of numbers, or a number [, dtype]) */
static int tensor(lua_State *L)
{
    int64_t shape[EFF_MAX_DIMS], at[EFF_MAX_DIMS] = {0};
    eff_dtype type;
    eff_tensor *t = NULL;
    if (lua_isnoneornil(L, 1)) eff_raise(L, "tensor: nothing given, wanted a number or nested tables of numbers");
    check(L, "tensor", eff_dtype_parse(&type, luaL_optstring(L, 2, EFF_REAL_NAME)));
    lua_settop(L, 1);
    int ndim = nested_shape(L, 1, shape);
    check(L, "tensor", eff_tensor_new(&t, type, ndim, shape));
    eff_push_tensor(L, t);
    lua_pushvalue(L, 1);
    copy_nested(L, t, 0, at);
    lua_pop(L, 1);
    return 1;
}

/* manual_seed(n): of randn, rand, initial parameters and dropout */
static int manual_seed(lua_State *L)
{
    int64_t seed = eff_check_int(L, 1, "manual_seed");
    if (seed < 0) eff_raise(L, "manual_seed: %lld, wanted a whole number from 0", (long long)seed);
    user_seed = (uint64_t)seed;
    user_streams = 0;
    eff_layer_seed((uint64_t)seed);
    eff_generator_set((uint64_t)seed, 0);
    return 0;
}

/* seed_step(seed, step): the random ops that follow draw the numbers of this step, whatever ran before */
static int seed_step(lua_State *L)
{
    eff_generator_set((uint64_t)eff_check_int(L, 1, "seed_step: seed"), (uint64_t)eff_check_int(L, 2, "seed_step: step"));
    return 0;
}

/* random_share(seed, i): number i of the stream of random image sizes, in [0, 1) */
static int random_share(lua_State *L)
{
    eff_rng rng;
    eff_rng_start(&rng, (uint64_t)eff_check_int(L, 1, "random_share: seed"), EFF_RNG_SCHEDULE,
                  (uint64_t)eff_check_int(L, 2, "random_share: index"), 0);
    lua_pushnumber(L, eff_rng_uniform(&rng));
    return 1;
}

/* random_parameter(seed, trial, name): the number in [0, 1) behind a parameter of a trial of a study */
static int random_parameter(lua_State *L)
{
    eff_rng rng;
    size_t bytes;
    const char *name = luaL_checklstring(L, 3, &bytes);
    eff_rng_start(&rng, (uint64_t)eff_check_int(L, 1, "random_parameter: seed"), EFF_RNG_SEARCH,
                  (uint64_t)eff_check_int(L, 2, "random_parameter: trial"), XXH3_64bits(name, bytes));
    lua_pushnumber(L, eff_rng_uniform(&rng));
    return 1;
}

void eff_open_make(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"zeros", zeros}, {"ones", ones}, {"full", full}, {"from_bytes", from_bytes}, {"randn", randn}, {"rand", rand_uniform},
        {"arange", arange}, {"tensor", tensor}, {"manual_seed", manual_seed}, {"seed_step", seed_step},
        {"random_share", random_share}, {"random_parameter", random_parameter}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
