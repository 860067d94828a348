/* Tar archives as sources, labelled folders, writing shards, and checksums of files. */
#include "bind/pictures.h"

#include "data/pack.h"

#include <stdio.h>
#include <xxhash.h>

/* ---- sources ---- */

/* The field's list of strings, which live as long as the table, in an array that is left on the stack. */
static const char *const *field_strings(lua_State *L, const char *name, int *count)
{
    lua_getfield(L, 1, name);
    if (!lua_isnil(L, -1) && !lua_istable(L, -1)) eff_raise(L, "%s is no list", name);
    *count = lua_istable(L, -1) ? (int)lua_objlen(L, -1) : 0;
    const char **list = lua_newuserdata(L, ((size_t)*count + 1) * sizeof *list);
    for (int i = 0; i < *count; i++) {
        lua_rawgeti(L, -2, i + 1);
        if (lua_type(L, -1) != LUA_TSTRING) eff_raise(L, "item %d of %s is no string", i + 1, name);
        list[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    return list;
}

/* open_archives { paths =, labels = (a file), class_names = }: a source; or nil, message, code */
static int open_archives(lua_State *L)
{
    static const char *const names[] = {"paths", "labels", "class_names", NULL};
    int count, classes;
    eff_only_keys(L, 1, "open_archives", names);
    const char *labels = eff_field_string(L, 1, "labels", NULL);
    const char *const *paths = field_strings(L, "paths", &count);
    const char *const *class_names = field_strings(L, "class_names", &classes);
    eff_status status = eff_source_open_archives(eff_push_source_box(L), paths, count, labels, class_names, classes);
    return status == EFF_OK ? 1 : eff_push_failure(L, status);
}

/* open_flat { path =, labels = (a file), class_names = }: a source of the pictures of a folder; or nil, message, code
 */
static int open_flat(lua_State *L)
{
    static const char *const names[] = {"path", "labels", "class_names", NULL};
    int classes;
    eff_only_keys(L, 1, "open_flat", names);
    const char *path = eff_field_string(L, 1, "path", NULL), *labels = eff_field_string(L, 1, "labels", NULL);
    if (!path || !labels) eff_raise(L, "open_flat: path and labels are needed");
    const char *const *class_names = field_strings(L, "class_names", &classes);
    eff_status status = eff_source_open_flat(eff_push_source_box(L), path, labels, class_names, classes);
    return status == EFF_OK ? 1 : eff_push_failure(L, status);
}

/* ---- shards ---- */

static void read_pack(lua_State *L, eff_pack *pack)
{
    static const char *const names[] = {"source",  "first",   "count",  "size", "filter",
                                        "quality", "workers", "on_bad", NULL};
    static const char *const bads[] = {"raise", "skip", NULL};
    eff_only_keys(L, 2, "pack_shard", names);
    lua_getfield(L, 2, "source");
    pack->source = eff_check_source(L, -1);
    lua_pop(L, 1);
    pack->first = eff_field_int(L, 2, "first", 1) - 1;
    pack->count = eff_field_int(L, 2, "count", pack->source->count);
    pack->size = (int)eff_field_int(L, 2, "size", 0);
    pack->quality = (int)eff_field_int(L, 2, "quality", 90);
    pack->workers = (int)eff_field_int(L, 2, "workers", 1);
    pack->skip_bad = eff_field_choice(L, 2, "pack_shard", "on_bad", bads, 0) == 1;
    eff_check(
        L, eff_filter_find(&pack->filter, eff_field_string(L, 2, "filter", eff_filter_name(EFF_FILTER_PIL_BICUBIC))));
}

static void push_bad(lua_State *L, const eff_packed *packed)
{
    lua_createtable(L, (int)packed->bad_count, 0);
    for (int64_t i = 0; i < packed->bad_count; i++) {
        lua_createtable(L, 0, 2);
        lua_pushnumber(L, (double)packed->bad[i].index + 1);
        lua_setfield(L, -2, "index");
        lua_pushstring(L, packed->bad[i].why ? packed->bad[i].why : "?");
        lua_setfield(L, -2, "reason");
        lua_rawseti(L, -2, (int)i + 1);
    }
}

/* pack_shard(path, { source =, first = 1, count =, size = 0, filter = "pil_bicubic", quality = 90, workers = 1,
 * on_bad = "raise" | "skip" }): { pictures =, bytes =, sha256 =, bad = list of { index, reason } }; or nil, message,
 * code */
static int pack_shard(lua_State *L)
{
    eff_pack pack = {0};
    eff_packed packed;
    const char *path = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    read_pack(L, &pack);
    eff_status status = eff_pack_shard(&packed, path, &pack);
    if (status == EFF_E_IO || status == EFF_E_FORMAT) return eff_push_failure(L, status);
    eff_check(L, status);
    lua_createtable(L, 0, 4);
    push_bad(L, &packed);
    lua_setfield(L, -2, "bad");
    lua_pushnumber(L, (double)packed.pictures);
    lua_setfield(L, -2, "pictures");
    lua_pushnumber(L, (double)packed.bytes);
    lua_setfield(L, -2, "bytes");
    lua_pushstring(L, packed.sha256);
    lua_setfield(L, -2, "sha256");
    eff_packed_free(&packed);
    return 1;
}

/* sha256(path): of a file, 64 hexadecimal digits; or nil, message, code */
static int sha256(lua_State *L)
{
    char text[EFF_SHA256_DIGITS + 1];
    eff_status status = eff_sha256_file(text, luaL_checkstring(L, 1));
    if (status != EFF_OK) return eff_push_failure(L, status);
    lua_pushstring(L, text);
    return 1;
}

/* digest(text): 16 hexadecimal digits that tell texts apart (XXH3) */
static int digest(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    char digits[17];
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)XXH3_64bits(text, length));
    lua_pushstring(L, digits);
    return 1;
}

void eff_open_archives(lua_State *L)
{
    static const luaL_Reg functions[] = {{"open_archives", open_archives},
                                         {"open_flat", open_flat},
                                         {"pack_shard", pack_shard},
                                         {"sha256", sha256},
                                         {"digest", digest},
                                         {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
