/* Lua state; see state.h. */
#define _GNU_SOURCE
#include "program/state.h"

#include "program/interrupts.h"

#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

int luaopen_effv2_core(lua_State *L);

static char library[PATH_MAX];

/* Takes folder as the library's if it holds effv2/init.lua. */
static int try_library(const char *folder)
{
    char path[PATH_MAX + 32];
    if (!realpath(folder, library)) return 0;
    snprintf(path, sizeof path, "%s/effv2/init.lua", library);
    if (access(path, R_OK) == 0) return 1;
    library[0] = '\0';
    return 0;
}

/* Installed: PREFIX/bin/effv2 and PREFIX/share/effv2/lua. In the source tree: build/PRESET/effv2 and lua. */
static void find_library(void)
{
    static const char *const places[] = {"../share/effv2/lua", "../../lua"};
    char program[PATH_MAX], path[PATH_MAX + 32];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0) length = 0;
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    if (slash) *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", program, places[i]);
        if (try_library(path)) return;
    }
#ifdef EFFV2_SOURCE_LUA /* a build folder elsewhere */
    try_library(EFFV2_SOURCE_LUA);
#endif
}

const char *state_library(void) { return library; }

int state_is_library(const char *source)
{
    size_t length = strlen(library);
    return length && source[0] == '@' && strncmp(source + 1, library, length) == 0 && source[1 + length] == '/';
}

int state_is_prompt(const char *source)
{
    return state_is_library(source) && strcmp(source + 1 + strlen(library), "/effv2/repl.lua") == 0;
}

/* A state over malloc lets the sanitizers and valgrind see each Lua object. */
static void *allocate(void *context, void *block, size_t old_size, size_t size)
{
    (void)context, (void)old_size;
    if (size) return realloc(block, size);
    free(block);
    return NULL;
}

void state_close(lua_State *L)
{
    interrupts_detach();
    lua_close(L);
}

/* os.exit that always closes the state, so that finalisers run and files are complete. */
static int exit_program(lua_State *L)
{
    int code = lua_isboolean(L, 1) ? !lua_toboolean(L, 1) : luaL_optint(L, 1, 0);
    state_close(L);
    exit(code);
}

static void prepend_path(lua_State *L, const char *folder)
{
    lua_getglobal(L, "package");
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;", folder, folder);
    lua_getfield(L, -2, "path");
    lua_concat(L, 2);
    lua_setfield(L, -2, "path");
    lua_pop(L, 1);
}

void state_add_script_folder(lua_State *L, const char *script)
{
    const char *slash = strrchr(script, '/');
    lua_pushlstring(L, slash ? script : ".", slash ? (size_t)(slash - script) : 1);
    prepend_path(L, lua_tostring(L, -1));
    if (library[0]) prepend_path(L, library); /* a neighbour called effv2.lua does not hide the library */
    lua_pop(L, 1);
}

static int set_up(lua_State *L)
{
    luaL_openlibs(L);
    if (library[0]) prepend_path(L, library);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_effv2_core);
    lua_setfield(L, -2, "effv2.core");
    lua_getglobal(L, "os");
    lua_pushcfunction(L, exit_program);
    lua_setfield(L, -2, "exit");
    return 0;
}

lua_State *state_new(void)
{
    const char *wish = getenv("EFFV2_LUA_MALLOC");
    int plain = SANITIZED || (wish && strcmp(wish, "1") == 0);
    lua_State *L = plain ? lua_newstate(allocate, NULL) : luaL_newstate();
    if (!L) return NULL;
    find_library();
    if (lua_cpcall(L, set_up, NULL) == 0) return L;
    lua_close(L);
    return NULL;
}

int state_set_global(lua_State *L)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "effv2");
    if (lua_pcall(L, 1, 1, 0) != 0) return -1;
    lua_setglobal(L, "effv2");
    return 0;
}
