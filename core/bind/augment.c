/* Augmentation pipelines as userdata: built from a list of plain tables, one a step, then frozen.
 *
 * lua/effv2/augment.lua writes these tables; what a magnitude means is decided there.
 */
#include "bind/pictures.h"

#define PIPELINE_TYPE "effv2.pipeline"

eff_pipeline *eff_check_pipeline(lua_State *L, int index)
{
    return *(eff_pipeline **)luaL_checkudata(L, index, PIPELINE_TYPE);
}

static int collect(lua_State *L)
{
    eff_pipeline **box = lua_touserdata(L, 1);
    eff_pipeline_release(*box);
    *box = NULL;
    return 0;
}

/* The operations of the step at index: a list of operations, or of lists of them (which are applied one after another). */
static void add_operations(lua_State *L, int index, eff_pipeline *pipeline)
{
    eff_policy_op op;
    lua_getfield(L, index, "operations");
    int list = lua_gettop(L), count = lua_istable(L, list) ? (int)lua_objlen(L, list) : 0;
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, list, i);
        int item = lua_gettop(L), group = lua_istable(L, item) ? (int)lua_objlen(L, item) : 0;
        if (group == 0) {
            eff_read_operation(L, item, &op);
            eff_check(L, eff_pipeline_add_op(pipeline, &op, true));
        }
        for (int k = 1; k <= group; k++) {
            lua_rawgeti(L, item, k);
            eff_read_operation(L, lua_gettop(L), &op);
            eff_check(L, eff_pipeline_add_op(pipeline, &op, k == 1));
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* ---- pipelines ---- */

static void add_step(lua_State *L, int index, eff_pipeline *pipeline)
{
    eff_step step;
    eff_read_step(L, index, &step);
    eff_check(L, eff_pipeline_add(pipeline, &step));
    if (step.kind == EFF_STEP_POLICY) add_operations(L, index, pipeline);
}

/* Pipeline(list of steps): frozen, for loaders and for calling */
static int new_pipeline(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    eff_pipeline **box = lua_newuserdata(L, sizeof *box);
    *box = NULL;
    luaL_getmetatable(L, PIPELINE_TYPE);
    lua_setmetatable(L, -2);
    eff_check(L, eff_pipeline_create(box));
    for (int i = 1; i <= (int)lua_objlen(L, 1); i++) {
        lua_rawgeti(L, 1, i);
        add_step(L, lua_gettop(L), *box);
        lua_pop(L, 1);
    }
    eff_check(L, eff_pipeline_finish(*box));
    return 1;
}

/* pipeline:size(): height, width of its samples */
static int size(lua_State *L)
{
    int height, width;
    eff_pipeline_size(eff_check_pipeline(L, 1), &height, &width);
    lua_pushnumber(L, height);
    lua_pushnumber(L, width);
    return 2;
}

static uint64_t stream_number(lua_State *L, int index, const char *what)
{
    int64_t value = lua_isnoneornil(L, index) ? 0 : eff_check_int(L, index, what);
    if (value < 0) eff_raise(L, "%s: %lld is negative", what, (long long)value);
    return (uint64_t)value;
}

static void start_stream(lua_State *L, int first, eff_rng *rng)
{
    uint64_t seed = stream_number(L, first, "seed"), epoch = stream_number(L, first + 1, "epoch");
    eff_rng_start(rng, seed, EFF_RNG_AUGMENT, epoch, stream_number(L, first + 2, "index"));
}

/* pipeline(picture [, seed, epoch, index]): float32 of height x width x 3, drawn from the stream of these numbers */
static int run(lua_State *L)
{
    eff_pipeline *pipeline = eff_check_pipeline(L, 1);
    eff_image image = eff_check_image(L, 2, "pipeline");
    eff_picture picture = eff_picture_of(&image);
    eff_augment_scratch scratch = {0};
    eff_tensor *t = NULL;
    eff_rng rng;
    int height, width;
    start_stream(L, 3, &rng);
    eff_pipeline_size(pipeline, &height, &width);
    int64_t shape[3] = {height, width, 3};
    eff_check(L, eff_tensor_new(&t, EFF_F32, 3, shape));
    eff_push_tensor(L, t);
    eff_status status = eff_pipeline_run(pipeline, eff_tensor_data(t), &picture, &rng, &scratch);
    eff_augment_scratch_free(&scratch);
    eff_check(L, status);
    return 1;
}

static eff_status apply_to_copy(eff_image *out, const eff_image *in, const eff_policy_op *op,
                                const eff_op_style *style, eff_rng *rng)
{
    eff_image spare[2] = {{0}, {0}};
    eff_status status = eff_image_copy(out, in, eff_image_whole(in));
    if (status == EFF_OK) status = eff_policy_op_apply(op, out, style, rng, spare);
    eff_image_free(&spare[0]);
    eff_image_free(&spare[1]);
    return status;
}

/* apply_operation(picture, { primitive =, args =, signed =, ... } [, style]): the changed picture. style is
 * { rule = "tf" or "pil", filter = "nearest", "bilinear" or "bicubic" (of warps), other = a second filter that is taken
 * half of the time, fill = { 128, 128, 128 }, seed = 0 }. */
static int apply_operation(lua_State *L)
{
    static const char *const names[] = {"rule", "filter", "other", "fill", "seed", NULL};
    eff_image image = eff_check_image(L, 1, "apply_operation"), out = {0};
    eff_policy_op op;
    eff_op_style style;
    eff_rng rng;
    lua_settop(L, 3);
    eff_read_operation(L, 2, &op);
    if (lua_isnil(L, 3)) {
        lua_newtable(L);
        lua_replace(L, 3);
    }
    luaL_checktype(L, 3, LUA_TTABLE);
    eff_only_keys(L, 3, "apply_operation", names);
    eff_read_op_style(L, 3, "apply_operation", &style);
    int64_t seed = eff_field_int(L, 3, "seed", 0);
    if (seed < 0) eff_raise(L, "seed: %lld is negative", (long long)seed);
    eff_rng_start(&rng, (uint64_t)seed, EFF_RNG_AUGMENT, 0, 0);
    eff_status status = apply_to_copy(&out, &image, &op, &style, &rng);
    eff_tensor *t = NULL;
    if (status == EFF_OK) status = eff_image_tensor(&t, &out);
    eff_image_free(&out);
    eff_check(L, status);
    eff_push_tensor(L, t);
    return 1;
}

/* image_primitives(): a list of { name, arguments (in words), count } */
static int image_primitives(lua_State *L)
{
    lua_createtable(L, EFF_PRIMITIVE_COUNT, 0);
    for (int i = 0; i < EFF_PRIMITIVE_COUNT; i++) {
        const eff_primitive_info *info = eff_primitive_describe((eff_primitive)i);
        lua_createtable(L, 0, 3);
        lua_pushstring(L, info->name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, info->arguments);
        lua_setfield(L, -2, "arguments");
        lua_pushnumber(L, info->argument_count);
        lua_setfield(L, -2, "count");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

void eff_open_augment(lua_State *L)
{
    static const luaL_Reg functions[] = {{"Pipeline", new_pipeline}, {"apply_operation", apply_operation},
                                         {"image_primitives", image_primitives}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"size", size}, {"__call", run}, {"__gc", collect}, {NULL, NULL}};
    luaL_newmetatable(L, PIPELINE_TYPE);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    luaL_register(L, NULL, methods);
    lua_pop(L, 1);
    luaL_register(L, NULL, functions);
}
