/* Files from Lua: safetensors in and out, atomic writing, folders. The world's failures return nil, message, code. */
#include "bind/bind.h"

#include "io/file.h"
#include "io/safetensors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- safetensors ---- */

static const eff_st_dtype to_file[EFF_DTYPE_COUNT] = {EFF_ST_F32, EFF_ST_F64, EFF_ST_I32, EFF_ST_I64, EFF_ST_U8};

static eff_dtype from_file(eff_st_dtype dtype)
{
    for (int i = 0; i < EFF_DTYPE_COUNT; i++)
        if (to_file[i] == dtype) return (eff_dtype)i;
    return EFF_F32; /* half precisions are converted */
}

/* Raises for whatever is no tensor (any more), before there is a writer that an error would leave behind. */
static void check_tensors(lua_State *L, int index)
{
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING || !eff_to_tensor(L, -1))
            eff_raise(L, "save: wants a table of name = tensor, got %s = %s", luaL_typename(L, -2), luaL_typename(L, -1));
        lua_pop(L, 1);
    }
}

static eff_status add_tensors(lua_State *L, int index, eff_st_writer *writer)
{
    lua_pushnil(L);
    while (lua_next(L, index)) {
        const char *name = lua_tostring(L, -2);
        const eff_tensor *t = eff_to_tensor(L, -1);
        if (!eff_tensor_is_dense(t)) return eff_fail(EFF_E_ARGUMENT, "save: tensor '%s' has gaps (call :contiguous())", name);
        EFF_TRY(eff_st_writer_add(writer, name, to_file[t->dtype], t->ndim, t->shape, eff_tensor_data(t)));
        lua_pop(L, 1);
    }
    return EFF_OK;
}

static eff_status add_metadata(lua_State *L, int index, eff_st_writer *writer)
{
    if (!lua_istable(L, index)) return EFF_OK;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            return eff_fail(EFF_E_TYPE, "save: metadata maps strings to strings, got %s = %s", luaL_typename(L, -2), luaL_typename(L, -1));
        EFF_TRY(eff_st_writer_metadata(writer, lua_tostring(L, -2), lua_tostring(L, -1)));
        lua_pop(L, 1);
    }
    return EFF_OK;
}

/* save(path, {name = tensor}, {key = string}): true, or nil, message, code. Appears whole or not at all. */
static int save(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    eff_st_writer *writer = NULL;
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    check_tensors(L, 2);
    eff_check(L, eff_st_writer_new(&writer));
    eff_status status = add_tensors(L, 2, writer);
    if (status == EFF_OK) status = add_metadata(L, 3, writer);
    bool misuse = status != EFF_OK;
    if (status == EFF_OK) status = eff_st_writer_write(writer, path, true);
    eff_st_writer_free(writer);
    if (misuse) eff_check(L, status);
    if (status != EFF_OK) return eff_push_failure(L, status);
    lua_pushboolean(L, 1);
    return 1;
}

static eff_status read_entry(lua_State *L, const eff_st_reader *reader, const eff_st_entry *entry)
{
    eff_tensor *t = NULL;
    if (entry->ndim > EFF_MAX_DIMS)
        return eff_fail(EFF_E_FORMAT, "tensor '%s' has %d dimensions, at most %d are possible", entry->name, entry->ndim, EFF_MAX_DIMS);
    EFF_TRY(eff_tensor_new(&t, from_file(entry->dtype), entry->ndim, entry->shape));
    eff_status status = to_file[t->dtype] == entry->dtype ? eff_st_reader_read(eff_tensor_data(t), reader, entry)
                                                          : eff_st_reader_read_f32(eff_tensor_data(t), reader, entry);
    if (status == EFF_OK) eff_push_tensor(L, t);
    else eff_tensor_release(t);
    return status;
}

static void push_metadata(lua_State *L, const eff_st_reader *reader)
{
    lua_newtable(L);
    for (int64_t i = 0; i < eff_st_reader_metadata_count(reader); i++) {
        const char *key, *value;
        eff_st_reader_metadata_pair(&key, &value, reader, i);
        lua_pushstring(L, value);
        lua_setfield(L, -2, key);
    }
}

/* load(path [, need_checksum]): {name = tensor}, {key = string}; or nil, message, code */
static int load(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    bool need_checksum = lua_toboolean(L, 2);
    eff_st_reader *reader = NULL;
    eff_status status = eff_st_reader_open(&reader, path);
    if (status == EFF_OK && need_checksum && !eff_st_reader_metadata(reader, EFF_ST_CHECKSUM_KEY))
        status = eff_fail(EFF_E_FORMAT, "%s: no checksum, so this is no checkpoint of effv2", path);
    if (status == EFF_OK) status = eff_st_reader_verify(reader);
    lua_newtable(L);
    for (int64_t i = 0; status == EFF_OK && i < eff_st_reader_count(reader); i++) {
        const eff_st_entry *entry = eff_st_reader_entry(reader, i);
        status = read_entry(L, reader, entry);
        if (status == EFF_OK) lua_setfield(L, -2, entry->name);
    }
    if (status == EFF_OK) push_metadata(L, reader);
    eff_st_reader_close(reader);
    return status == EFF_OK ? 2 : eff_push_failure(L, status);
}

/* inspect(path): a list of {name, dtype, shape}, and the metadata, without reading the tensors */
static int inspect(lua_State *L)
{
    eff_st_reader *reader = NULL;
    eff_status status = eff_st_reader_open(&reader, luaL_checkstring(L, 1));
    if (status != EFF_OK) return eff_push_failure(L, status);
    lua_newtable(L);
    for (int64_t i = 0; i < eff_st_reader_count(reader); i++) {
        const eff_st_entry *entry = eff_st_reader_entry(reader, i);
        lua_createtable(L, 0, 3);
        lua_pushstring(L, entry->name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, eff_st_dtype_name(entry->dtype));
        lua_setfield(L, -2, "dtype");
        eff_push_ints(L, entry->ndim, entry->shape);
        lua_setfield(L, -2, "shape");
        lua_rawseti(L, -2, (int)i + 1);
    }
    push_metadata(L, reader);
    eff_st_reader_close(reader);
    return 2;
}

/* ---- files and folders ---- */

static int push_outcome(lua_State *L, eff_status status)
{
    if (status != EFF_OK) return eff_push_failure(L, status);
    lua_pushboolean(L, 1);
    return 1;
}

/* write_file(path, text): atomically */
static int write_file(lua_State *L)
{
    size_t bytes;
    const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &bytes);
    return push_outcome(L, eff_file_write(path, text, bytes));
}

static int read_file(lua_State *L)
{
    char *data = NULL;
    size_t bytes = 0;
    eff_status status = eff_file_read(&data, &bytes, luaL_checkstring(L, 1), (size_t)1 << 32);
    if (status != EFF_OK) return eff_push_failure(L, status);
    lua_pushlstring(L, data, bytes);
    free(data);
    return 1;
}

static int append_line(lua_State *L)
{
    size_t bytes;
    const char *path = luaL_checkstring(L, 1), *line = luaL_checklstring(L, 2, &bytes);
    return push_outcome(L, eff_file_append_line(path, line, bytes));
}

static int make_dir(lua_State *L) { return push_outcome(L, eff_dir_create(luaL_checkstring(L, 1))); }

static int file_exists(lua_State *L)
{
    lua_pushboolean(L, eff_file_exists(luaL_checkstring(L, 1)));
    return 1;
}

static int dir_exists(lua_State *L)
{
    lua_pushboolean(L, eff_dir_exists(luaL_checkstring(L, 1)));
    return 1;
}

/* remove_file(path): a file or an empty folder */
static int remove_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    if (remove(path) == 0) return push_outcome(L, EFF_OK);
    return push_outcome(L, eff_fail_errno(path, "remove", errno));
}

/* rename_file(from, to): replaces `to` */
static int rename_file(lua_State *L)
{
    const char *from = luaL_checkstring(L, 1), *to = luaL_checkstring(L, 2);
    if (rename(from, to) == 0) return push_outcome(L, EFF_OK);
    return push_outcome(L, eff_fail_errno(from, "rename", errno));
}

/* list_dir(path): a sorted list of {name, is_dir} */
static int list_dir(lua_State *L)
{
    eff_dir_list list;
    eff_status status = eff_dir_list_read(&list, luaL_checkstring(L, 1));
    if (status != EFF_OK) return eff_push_failure(L, status);
    lua_createtable(L, (int)list.count, 0);
    for (int64_t i = 0; i < (int64_t)list.count; i++) {
        lua_createtable(L, 0, 2);
        lua_pushstring(L, list.entries[i].name);
        lua_setfield(L, -2, "name");
        lua_pushboolean(L, list.entries[i].is_dir);
        lua_setfield(L, -2, "is_dir");
        lua_rawseti(L, -2, (int)i + 1);
    }
    eff_dir_list_free(&list);
    return 1;
}

void eff_open_io(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"save", save}, {"load", load}, {"inspect", inspect}, {"write_file", write_file}, {"read_file", read_file},
        {"append_line", append_line}, {"make_dir", make_dir}, {"file_exists", file_exists}, {"dir_exists", dir_exists},
        {"remove_file", remove_file}, {"rename_file", rename_file}, {"list_dir", list_dir}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
