/* Loaders as userdata: batches of float32 pictures as fresh tensors, mixed on the way out.
 *
 * Positions (batch numbers) and epochs count from 0 as in the core, pictures (indices) from 1 as in Lua, labels from 0.
 */
#include "bind/pictures.h"

#include "data/loader.h"
#include "data/mix.h"

#include <string.h>

#define LOADER_TYPE "effv2.loader"

typedef struct loader_box {
    eff_loader *loader; /* NULL once closed */
    eff_loader_config config;
    int64_t classes, epoch, start_batch; /* of the next batches() */
    double mixup, cutmix;
} loader_box;

static loader_box *check_loader(lua_State *L)
{
    loader_box *box = luaL_checkudata(L, 1, LOADER_TYPE);
    if (!box->loader) eff_raise(L, "the loader is closed (effv2.data.loader opens another one)");
    return box;
}

/* loader:close(): ends the workers and returns the memory; closing twice is fine */
static int close_loader(lua_State *L)
{
    loader_box *box = luaL_checkudata(L, 1, LOADER_TYPE);
    eff_loader_close(box->loader);
    box->loader = NULL;
    return 0;
}

static int collect(lua_State *L)
{
    loader_box *box = lua_touserdata(L, 1);
    eff_loader_close(box->loader);
    box->loader = NULL;
    return 0;
}

/* ---- opening ---- */

static int64_t int_between(lua_State *L, const char *name, int64_t missing, int64_t low, int64_t high)
{
    int64_t value = eff_field_int(L, 1, name, missing);
    if (value < low || value > high)
        eff_raise(L, "loader: %s = %lld, must be %lld to %lld", name, (long long)value, (long long)low, (long long)high);
    return value;
}

static void check_alpha(lua_State *L, const char *name, double value)
{
    if (!(value >= 0)) eff_raise(L, "loader: %s = %g; the parameter of the Beta distribution cannot be negative", name, value);
}

static double alpha(lua_State *L, const char *name)
{
    double value = eff_field_number(L, 1, name, 0);
    check_alpha(L, name, value);
    return value;
}

static void read_config(lua_State *L, loader_box *box)
{
    static const char *const shuffles[] = {"none", "all", "shards", NULL};
    static const char *const lasts[] = {"drop", "short", "pad", NULL}, *const bads[] = {"raise", "skip", NULL};
    const int64_t many = 1 << 30, huge = (int64_t)1 << 47;
    eff_loader_config *c = &box->config;
    c->batch_size = (int)int_between(L, "batch_size", 0, 1, many);
    c->seed = (uint64_t)int_between(L, "seed", 0, 0, (int64_t)1 << 53);
    c->shuffle = (eff_shuffle)eff_field_choice(L, 1, "loader", "shuffle", shuffles, EFF_SHUFFLE_ALL);
    c->shard_window = (int)int_between(L, "shard_window", 8, 1, many);
    c->last = (eff_last_batch)eff_field_choice(L, 1, "loader", "last", lasts, EFF_LAST_SHORT);
    c->workers = (int)int_between(L, "workers", 1, 0, many);
    c->prefetch = (int)int_between(L, "prefetch", 2, 0, many);
    c->bad = (eff_bad_policy)eff_field_choice(L, 1, "loader", "on_bad", bads, EFF_BAD_RAISE);
    c->max_bad = int_between(L, "max_bad", 0, 0, huge);
    c->pixel_limit = int_between(L, "pixel_limit", EFF_IMAGE_MAX_PIXELS, 1, EFF_IMAGE_MAX_PIXELS);
    c->ranks = (int)int_between(L, "ranks", 1, 1, many);
    c->rank = (int)int_between(L, "rank", 0, 0, c->ranks - 1);
    box->classes = int_between(L, "classes", c->source->classes, 1, many);
    box->epoch = int_between(L, "epoch", 0, 0, huge);
    box->start_batch = int_between(L, "start_batch", 0, 0, huge);
    box->mixup = alpha(L, "mixup");
    box->cutmix = alpha(L, "cutmix");
}

/* Loader { source =, pipeline =, batch_size =, ... }; the arguments of effv2.data.loader, with a compiled pipeline */
static int open_loader(lua_State *L)
{
    static const char *const names[] = {"source", "pipeline", "batch_size", "seed", "epoch", "shuffle", "shard_window",
                                        "last", "workers", "prefetch", "start_batch", "mixup", "cutmix", "classes", "on_bad",
                                        "max_bad", "pixel_limit", "rank", "ranks", NULL};
    eff_only_keys(L, 1, "loader", names);
    lua_settop(L, 1);
    loader_box *box = lua_newuserdata(L, sizeof *box);
    memset(box, 0, sizeof *box);
    luaL_getmetatable(L, LOADER_TYPE);
    lua_setmetatable(L, -2);
    lua_getfield(L, 1, "source");
    box->config.source = eff_check_source(L, -1);
    lua_getfield(L, 1, "pipeline");
    box->config.pipeline = eff_check_pipeline(L, -1);
    lua_settop(L, 2);
    read_config(L, box);
    eff_check(L, eff_loader_open(&box->loader, &box->config)); /* holds source and pipeline from here on */
    eff_check(L, eff_loader_start(box->loader, box->epoch, box->start_batch));
    return 1;
}

/* The field pipeline, which is compiled, or one of effv2.augment, compiled for the field size; NULL when there is none.
 * It is left on the stack. */
static eff_pipeline *field_pipeline(lua_State *L, int table)
{
    lua_getfield(L, table, "pipeline");
    if (lua_isnil(L, -1)) return NULL;
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "compile");
        lua_insert(L, -2);
        lua_getfield(L, table, "size");
        lua_call(L, 2, 1);
    }
    return eff_check_pipeline(L, -1);
}

/* loader:set { pipeline = (one of effv2.augment), size = (of the samples, else the pipeline's), mixup =, cutmix = }: holds
 * from the next batch on, of this epoch or of the next. What was made ahead is made again; the threads go on. */
static int set(lua_State *L)
{
    static const char *const names[] = {"pipeline", "size", "mixup", "cutmix", NULL};
    loader_box *box = check_loader(L);
    eff_only_keys(L, 2, "loader:set", names);
    double mixup = eff_field_number(L, 2, "mixup", box->mixup), cutmix = eff_field_number(L, 2, "cutmix", box->cutmix);
    check_alpha(L, "mixup", mixup);
    check_alpha(L, "cutmix", cutmix);
    eff_pipeline *pipeline = field_pipeline(L, 2);
    if (pipeline) eff_check(L, eff_loader_set_pipeline(box->loader, pipeline));
    box->mixup = mixup;
    box->cutmix = cutmix;
    return 0;
}

/* ---- batches ---- */

/* With fewer classes than the source has, a label may lie beyond them. */
static void check_labels(lua_State *L, const loader_box *box, const eff_batch *batch)
{
    const eff_source *source = box->config.source;
    if (source->classes <= box->classes) return;
    for (int64_t i = 0; i < batch->count; i++) {
        const int32_t *list;
        int32_t only;
        int count = eff_source_labels(source, batch->indices[i], &list, &only);
        for (int k = 0; k < count; k++) {
            char name[1024];
            if (list[k] < box->classes) continue;
            eff_source_name(source, batch->indices[i], name, sizeof name);
            eff_raise(L, "label %d of %s is outside 0 to %lld (%lld classes)", (int)list[k], name,
                      (long long)box->classes - 1, (long long)box->classes);
        }
    }
}

/* Sets field `name` of the table on top to a new tensor; returns it (it lives as long as the table). */
static eff_tensor *set_tensor(lua_State *L, const char *name, eff_dtype type, int ndim, const int64_t *shape)
{
    eff_tensor *t = NULL;
    eff_check(L, eff_tensor_new(&t, type, ndim, shape));
    eff_push_tensor(L, t);
    lua_setfield(L, -2, name);
    return t;
}

static eff_tensor *set_copy(lua_State *L, const char *name, eff_dtype type, int ndim, const int64_t *shape, const void *from)
{
    eff_tensor *t = set_tensor(L, name, type, ndim, shape);
    memcpy(eff_tensor_data(t), from, (size_t)eff_tensor_numel(t) * eff_dtype_size(type));
    return t;
}

static void set_targets(lua_State *L, const loader_box *box, const eff_batch *batch, eff_tensor *images)
{
    int64_t shape[2] = {batch->count, box->classes};
    eff_mix mix = {.mixup_alpha = box->mixup, .cutmix_alpha = box->cutmix, .seed = box->config.seed, .epoch = batch->epoch,
                   .batch = batch->position * box->config.ranks + box->config.rank};
    float *targets = eff_tensor_data(set_tensor(L, "targets", EFF_F32, 2, shape));
    eff_source_targets(box->config.source, targets, batch->indices, batch->count, box->classes);
    eff_check(L, eff_mix_batch(eff_tensor_data(images), targets, batch->count, batch->height, batch->width, box->classes, &mix));
}

static void set_number(lua_State *L, const char *name, int64_t value)
{
    lua_pushnumber(L, (double)value);
    lua_setfield(L, -2, name);
}

static void push_batch(lua_State *L, const loader_box *box, const eff_batch *batch)
{
    int64_t shape[4] = {batch->count, batch->height, batch->width, 3};
    lua_createtable(L, 0, 8);
    eff_tensor *images = set_tensor(L, "images", EFF_F32, 4, shape);
    eff_batch_write_images(eff_tensor_data(images), batch);
    set_copy(L, "labels", EFF_I64, 1, shape, batch->labels);
    int64_t *indices = eff_tensor_data(set_copy(L, "indices", EFF_I64, 1, shape, batch->indices));
    for (int64_t i = 0; i < batch->count; i++) indices[i]++;
    bool mixed = box->mixup > 0 || box->cutmix > 0;
    if (mixed || eff_source_has_several_labels(box->config.source)) set_targets(L, box, batch, images);
    set_number(L, "count", batch->count);
    set_number(L, "padding", batch->padding);
    set_number(L, "position", batch->position);
    set_number(L, "epoch", batch->epoch);
}

/* loader:next(): the next batch, or nil at the end of the epoch */
static int next_batch(lua_State *L)
{
    loader_box *box = check_loader(L);
    const eff_batch *batch = NULL;
    eff_check(L, eff_loader_next(box->loader, &batch));
    if (!batch) return 0;
    check_labels(L, box, batch);
    push_batch(L, box, batch);
    return 1;
}

static int iterate(lua_State *L)
{
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    return next_batch(L);
}

/* loader:batches([{ epoch =, start_batch = }]): a function that gives batch after batch, for
 * `for batch in loader:batches() do`; starts the loader's own epoch at its start_batch, or those given */
static int batches(lua_State *L)
{
    static const char *const names[] = {"epoch", "start_batch", NULL};
    loader_box *box = check_loader(L);
    int64_t epoch = box->epoch, position = box->start_batch;
    if (!lua_isnoneornil(L, 2)) {
        eff_only_keys(L, 2, "batches", names);
        epoch = eff_field_int(L, 2, "epoch", epoch);
        position = eff_field_int(L, 2, "start_batch", 0);
    }
    eff_check(L, eff_loader_start(box->loader, epoch, position));
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, iterate, 1);
    return 1;
}

/* loader:bad(): the unreadable pictures that were skipped, a list of { index, reason } */
static int bad(lua_State *L)
{
    const loader_box *box = check_loader(L);
    int64_t n = eff_loader_bad_count(box->loader);
    lua_createtable(L, (int)n, 0);
    for (int64_t i = 0; i < n; i++) {
        int64_t index;
        const char *why = eff_loader_bad(box->loader, i, &index);
        lua_createtable(L, 0, 2);
        lua_pushstring(L, why);
        lua_setfield(L, -2, "reason");
        set_number(L, "index", index + 1);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

/* loader:waited(): seconds spent so far in waiting for batches that were not ready */
static int waited(lua_State *L)
{
    lua_pushnumber(L, eff_loader_waited(check_loader(L)->loader));
    return 1;
}

/* #loader: batches in a whole epoch */
static int length(lua_State *L)
{
    lua_pushnumber(L, (double)eff_loader_batches(check_loader(L)->loader));
    return 1;
}

static int to_string(lua_State *L)
{
    const loader_box *box = luaL_checkudata(L, 1, LOADER_TYPE);
    if (!box->loader) lua_pushliteral(L, "loader (closed)");
    else
        lua_pushfstring(L, "loader of %d batches of %d pictures, %d workers", (int)eff_loader_batches(box->loader),
                        box->config.batch_size, box->config.workers);
    return 1;
}

void eff_open_loader(lua_State *L)
{
    static const luaL_Reg functions[] = {{"Loader", open_loader}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"batches", batches}, {"next", next_batch}, {"close", close_loader}, {"bad", bad}, {"waited", waited}, {"set", set},
                                       {"__len", length}, {"__tostring", to_string}, {"__gc", collect}, {NULL, NULL}};
    luaL_newmetatable(L, LOADER_TYPE);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    luaL_register(L, NULL, methods);
    lua_pop(L, 1);
    luaL_register(L, NULL, functions);
}
