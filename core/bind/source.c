/* Data sources as userdata. Pictures count from 1 here, labels from 0 as everywhere. */
#include "bind/pictures.h"

#include <stdlib.h>
#include <string.h>

#include "data/order.h"

#define SOURCE_TYPE "effv2.source"

eff_source *eff_check_source(lua_State *L, int index)
{
    return *(eff_source **)luaL_checkudata(L, index, SOURCE_TYPE);
}

eff_source **eff_push_source_box(lua_State *L)
{
    eff_source **box = lua_newuserdata(L, sizeof *box);
    *box = NULL;
    luaL_getmetatable(L, SOURCE_TYPE);
    lua_setmetatable(L, -2);
    return box;
}

static int collect(lua_State *L)
{
    eff_source **box = lua_touserdata(L, 1);
    eff_source_release(*box);
    *box = NULL;
    return 0;
}

/* ---- opening ---- */

static const char *need_string(lua_State *L, const char *name)
{
    const char *value = eff_field_string(L, 1, name, NULL);
    if (!value) eff_raise(L, "open_source: %s is missing", name);
    return value;
}

static uint64_t read_seed(lua_State *L)
{
    int64_t seed = eff_field_int(L, 1, "seed", 0);
    if (seed < 0) eff_raise(L, "open_source: seed = %lld is negative", (long long)seed);
    return (uint64_t)seed;
}

static eff_source *field_source(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    eff_source *source = lua_isnil(L, -1) ? NULL : eff_check_source(L, -1);
    lua_pop(L, 1); /* the table keeps it */
    return source;
}

typedef enum source_kind { FOLDER, PICTURES, TABLE, CIFAR, FLOWERS, CARS, IMAGENET21K, SHAPES } source_kind;

/* open_source { kind = "folder" | "pictures" | "csv" | "cifar" | "flowers" | "cars" | "imagenet21k" | "shapes",
 * split =, path =, val_ratio =, seed =, count =, like = (csv: a source that has the classes) }: a source; or nil,
 * message, code */
static int open_source(lua_State *L)
{
    static const char *const names[] = {"kind", "split", "path", "val_ratio", "seed", "count", "like", NULL};
    static const char *const kinds[] = {"folder",  "pictures", "csv",         "cifar",
                                        "flowers", "cars",     "imagenet21k", "shapes", NULL};
    eff_only_keys(L, 1, "open_source", names);
    int kind = eff_field_choice(L, 1, "open_source", "kind", kinds, -1);
    if (kind < 0) eff_raise(L, "open_source: kind is missing");
    const char *split = eff_field_string(L, 1, "split", "train");
    const char *path = kind == SHAPES ? NULL : need_string(L, "path");
    eff_folder_options folder = {
        .split = split, .val_ratio = eff_field_number(L, 1, "val_ratio", 0.1), .seed = read_seed(L)};
    int64_t count = eff_field_int(L, 1, "count", 0);
    const eff_source *like = field_source(L, "like");
    eff_source **box = eff_push_source_box(L);
    eff_status status = EFF_OK;
    switch ((source_kind)kind) {
    case FOLDER: status = eff_source_open_folder(box, path, &folder); break;
    case PICTURES: status = eff_source_open_pictures(box, path); break;
    case TABLE: status = eff_source_open_table(box, path, split, like); break;
    case CIFAR: status = eff_source_open_cifar(box, path, split); break;
    case FLOWERS: status = eff_source_open_flowers(box, path, split); break;
    case CARS: status = eff_source_open_cars(box, path, split); break;
    case IMAGENET21K: status = eff_source_open_imagenet21k(box, path); break;
    case SHAPES: status = eff_source_open_shapes(box, split, count, folder.seed); break;
    }
    return status == EFF_OK ? 1 : eff_push_failure(L, status);
}

/* csv_has_splits(path): whether a CSV file has a column that says what is to train, val and test; or nil, message,
 * code */
static int csv_has_splits(lua_State *L)
{
    bool has;
    eff_status status = eff_table_has_splits(luaL_checkstring(L, 1), &has);
    if (status != EFF_OK) return eff_push_failure(L, status);
    lua_pushboolean(L, has);
    return 1;
}

/* ---- questions ---- */

static int64_t check_index(lua_State *L, const eff_source *source)
{
    int64_t i = eff_check_int(L, 2, "picture number");
    if (i < 1 || i > source->count)
        eff_raise(L, "picture %lld: the source has %lld (1 to %lld)", (long long)i, (long long)source->count,
                  (long long)source->count);
    return i - 1;
}

static int size(lua_State *L)
{
    lua_pushnumber(L, (double)eff_check_source(L, 1)->count);
    return 1;
}

static int label(lua_State *L)
{
    const eff_source *source = eff_check_source(L, 1);
    lua_pushnumber(L, eff_source_label(source, check_index(L, source)));
    return 1;
}

/* source:labels(i): all labels of a picture, a list; the first is source:label(i) */
static int labels(lua_State *L)
{
    const eff_source *source = eff_check_source(L, 1);
    const int32_t *list;
    int32_t only;
    int count = eff_source_labels(source, check_index(L, source), &list, &only);
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushnumber(L, list[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* source:has_several_labels(): whether pictures may have more than one label; batches then have `targets` */
static int has_several_labels(lua_State *L)
{
    lua_pushboolean(L, eff_source_has_several_labels(eff_check_source(L, 1)));
    return 1;
}

static int name(lua_State *L)
{
    char text[4096];
    const eff_source *source = eff_check_source(L, 1);
    eff_source_name(source, check_index(L, source), text, sizeof text);
    lua_pushstring(L, text);
    return 1;
}

static eff_status picture_tensor(eff_tensor **out, eff_reader *reader, const eff_source *source, int64_t index)
{
    const eff_image *image;
    eff_status status = eff_picture_whole(&image, &reader->picture, &reader->image);
    if (status == EFF_OK) return eff_image_tensor(out, image);
    char path[4096];
    eff_source_name(source, index, path, sizeof path);
    return eff_fail_at(status, "%s", path);
}

/* source:image(i [, side]): the picture as it is stored; drawn ones at about `side` pixels. Or nil, message, code */
static int image(lua_State *L)
{
    const eff_source *source = eff_check_source(L, 1);
    int64_t index = check_index(L, source), side = lua_isnoneornil(L, 3) ? 0 : eff_check_int(L, 3, "image: side");
    if (side < 0 || side > EFF_IMAGE_MAX_SIDE) eff_raise(L, "image: a side of %lld pixels", (long long)side);
    eff_reader reader = {.wanted = (int)side};
    eff_tensor *t = NULL;
    eff_status status = eff_source_read(source, index, &reader);
    if (status == EFF_OK) status = picture_tensor(&t, &reader, source, index);
    eff_reader_free(&reader);
    if (status != EFF_OK) return eff_push_failure(L, status);
    eff_push_tensor(L, t);
    return 1;
}

static const char *format_of(const eff_picture *picture)
{
    return picture->image ? "pixels" : picture->size > 0 && picture->data[0] == 0xFF ? "JPEG" : "PNG";
}

/* source:image_size(i): height and width from the file's header, and "JPEG", "PNG" or, where there is no file,
 * "pixels"; or nil, message, code */
static int image_size(lua_State *L)
{
    const eff_source *source = eff_check_source(L, 1);
    int64_t index = check_index(L, source);
    eff_reader reader = {0};
    eff_status status = eff_source_read(source, index, &reader);
    int height = reader.picture.height, width = reader.picture.width;
    const char *format = status == EFF_OK ? format_of(&reader.picture) : NULL;
    eff_reader_free(&reader);
    if (status != EFF_OK) return eff_push_failure(L, status);
    lua_pushnumber(L, height);
    lua_pushnumber(L, width);
    lua_pushstring(L, format);
    return 3;
}

static int kind_of(lua_State *L)
{
    lua_pushstring(L, eff_check_source(L, 1)->kind);
    return 1;
}

static int class_names(lua_State *L)
{
    const eff_source *source = eff_check_source(L, 1);
    lua_createtable(L, source->classes, 0);
    for (int i = 0; i < source->classes; i++) {
        lua_pushstring(L, source->class_names[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* source:class_counts(): pictures of each class, in the order of class_names; one of several labels counts in each */
static int class_counts(lua_State *L)
{
    const eff_source *source = eff_check_source(L, 1);
    int64_t *counts = lua_newuserdata(L, (size_t)source->classes * sizeof *counts);
    memset(counts, 0, (size_t)source->classes * sizeof *counts);
    for (int64_t i = 0; i < source->count; i++) {
        const int32_t *list;
        int32_t only;
        int count = eff_source_labels(source, i, &list, &only);
        for (int k = 0; k < count; k++) counts[list[k]]++;
    }
    eff_push_ints(L, source->classes, counts);
    return 1;
}

/* source:notice(): what was strange but not wrong, one line each; nil when nothing was */
static int notice(lua_State *L)
{
    lua_pushstring(L, eff_check_source(L, 1)->notice); /* NULL pushes nil */
    return 1;
}

/* source:subset(list): the pictures with these numbers, as a source */
static int subset(lua_State *L)
{
    eff_source *source = eff_check_source(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    int64_t n = (int64_t)lua_objlen(L, 2), *indices = lua_newuserdata(L, (size_t)n * sizeof *indices + 1);
    for (int64_t i = 0; i < n; i++) {
        lua_rawgeti(L, 2, (int)i + 1);
        indices[i] = eff_check_int(L, -1, "subset") - 1;
        if (indices[i] < 0 || indices[i] >= source->count)
            eff_raise(L, "subset: picture %lld; the source has %lld (1 to %lld)", (long long)indices[i] + 1,
                      (long long)source->count, (long long)source->count);
        lua_pop(L, 1);
    }
    eff_check(L, eff_source_open_subset(eff_push_source_box(L), source, indices, n));
    return 1;
}

static eff_status open_shuffled(eff_source **out, eff_source *source, uint64_t seed)
{
    eff_order order = {.shuffle = EFF_SHUFFLE_ALL, .seed = seed};
    int64_t *list = malloc((size_t)source->count * sizeof *list);
    if (!list) return eff_fail(EFF_E_MEMORY, "no memory to shuffle %lld pictures", (long long)source->count);
    eff_status status = eff_order_fill(list, &order, source, 0);
    if (status == EFF_OK) status = eff_source_open_subset(out, source, list, source->count);
    free(list);
    return status;
}

/* source:cached(megabytes): the source, with as many of its decoded pictures kept in memory */
static int cached(lua_State *L)
{
    eff_source *source = eff_check_source(L, 1);
    double megabytes = luaL_checknumber(L, 2);
    if (!(megabytes >= 0 && megabytes < 1e9)) eff_raise(L, "cached: %g megabytes", megabytes);
    eff_check(L, eff_source_open_cached(eff_push_source_box(L), source, (int64_t)(megabytes * 1e6)));
    return 1;
}

/* source:cached_bytes(): how much is kept so far */
static int cached_bytes(lua_State *L)
{
    lua_pushnumber(L, (double)eff_source_cached_bytes(eff_check_source(L, 1)));
    return 1;
}

/* source:shuffled([seed = 0]): its pictures in a random order, as a source */
static int shuffled(lua_State *L)
{
    eff_source *source = eff_check_source(L, 1);
    int64_t seed = lua_isnoneornil(L, 2) ? 0 : eff_check_int(L, 2, "shuffled: seed");
    if (seed < 0) eff_raise(L, "shuffled: seed = %lld is negative", (long long)seed);
    eff_check(L, open_shuffled(eff_push_source_box(L), source, (uint64_t)seed));
    return 1;
}

/* source:hold_out { count = | share =, seed = 0 }: the source without the pictures held out, and these, chosen by a
 * stable hash of their names; or nil, message, code */
static int hold_out(lua_State *L)
{
    static const char *const names[] = {"count", "share", "seed", NULL};
    eff_source *source = eff_check_source(L, 1);
    eff_only_keys(L, 2, "hold_out", names);
    int64_t count = eff_field_int(L, 2, "count", 0), seed = eff_field_int(L, 2, "seed", 0);
    double share = eff_field_number(L, 2, "share", 0);
    if ((count != 0) == (share != 0)) eff_raise(L, "hold_out: wanted is either count or share");
    if (seed < 0) eff_raise(L, "hold_out: seed = %lld is negative", (long long)seed);
    eff_source **rest = eff_push_source_box(L), **held = eff_push_source_box(L);
    eff_status status = eff_source_hold_out(rest, held, source, count, share, (uint64_t)seed);
    return status == EFF_OK ? 2 : eff_push_failure(L, status);
}

/* source:divide { split = "train" | "val", val_ratio =, seed = }: a part, as a source; or nil, message, code */
static int divide(lua_State *L)
{
    static const char *const names[] = {"split", "val_ratio", "seed", NULL}, *const splits[] = {"train", "val", NULL};
    eff_source *source = eff_check_source(L, 1);
    eff_only_keys(L, 2, "divide", names);
    const char *split = splits[eff_field_choice(L, 2, "divide", "split", splits, 0)];
    double ratio = eff_field_number(L, 2, "val_ratio", 0.1);
    int64_t seed = eff_field_int(L, 2, "seed", 0);
    eff_status status = eff_source_divide(eff_push_source_box(L), source, split, ratio, (uint64_t)seed);
    return status == EFF_OK ? 1 : eff_push_failure(L, status);
}

static int to_string(lua_State *L)
{
    const eff_source *source = eff_check_source(L, 1);
    lua_pushfstring(L, "source of %d pictures in %d classes (%s)", (int)source->count, source->classes, source->kind);
    return 1;
}

void eff_open_source(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"open_source", open_source}, {"csv_has_splits", csv_has_splits}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"size", size}, {"label", label}, {"labels", labels},
                                       {"has_several_labels", has_several_labels}, {"name", name}, {"image", image},
                                       {"image_size", image_size},
                                       {"kind", kind_of}, {"class_names", class_names},
                                       {"class_counts", class_counts}, {"notice", notice}, {"subset", subset},
                                       {"hold_out", hold_out},
                                       {"divide", divide}, {"shuffled", shuffled}, {"cached", cached},
                                       {"cached_bytes", cached_bytes},
                                       {"__len", size}, {"__tostring", to_string}, {"__gc", collect}, {NULL, NULL}};
    luaL_newmetatable(L, SOURCE_TYPE);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    luaL_register(L, NULL, methods);
    lua_pop(L, 1);
    luaL_register(L, NULL, functions);
}
