/* Tar archives and labelled folders as sources. */
#include "bind/pictures.h"

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

void eff_open_archives(lua_State *L)
{
    static const luaL_Reg functions[] = {{"open_archives", open_archives},
                                         {"open_flat", open_flat},
                                         {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
