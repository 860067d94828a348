/* Running scripts; see script.h.
 *
 * The message of an error begins with the place in the script that the user started, even when the error was
 * raised deep inside the library: the message handler walks the stack to the innermost frame of that script.
 * A script chooses its exit code by raising a table { exit_code = ..., message = ... }.
 */
#define _GNU_SOURCE
#include "program/script.h"

#include "base/interrupt.h"
#include "program/state.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line of a chunk; source is NULL when unknown. */
typedef struct place {
    const char *source; /* belongs to a function on the stack */
    int line;
} place;

typedef struct run {
    const char *source; /* chunk name of the script */
    const run_settings *settings;
    int exit_code;
} run;

void script_complain(const char *text)
{
    fflush(stdout);
    fprintf(stderr, "effv2: %s\n", text);
}

/* Pushes "recipes/x.lua:12". Lua cuts long file names in its own messages; this does not. */
static void push_place(lua_State *L, const place *where)
{
    lua_pushfstring(L, "%s:%d", where->source + (where->source[0] == '@' || where->source[0] == '='), where->line);
}

/* Makes globals of the locals of a frame of the script, where no global of the name exists. */
static void keep_locals(lua_State *L, lua_Debug *frame)
{
    const char *name;
    for (int i = 1; (name = lua_getlocal(L, frame, i)) != NULL; i++) {
        if (!isalpha((unsigned char)name[0])) {
            lua_pop(L, 1);
            continue;
        }
        lua_pushstring(L, name);
        lua_rawget(L, LUA_GLOBALSINDEX);
        int taken = !lua_isnil(L, -1);
        lua_pop(L, 1);
        if (taken) {
            lua_pop(L, 1);
            continue;
        }
        lua_pushstring(L, name);
        lua_insert(L, -2);
        lua_rawset(L, LUA_GLOBALSINDEX);
    }
}

/* Looks through the stack for the innermost frame of the script and for the frame that `message` names.
 * Returns the length of that frame's name in the message. */
static size_t find_places(lua_State *L, const run *now, const char *message, place *script, place *origin)
{
    size_t prefix = 0;
    char shown[LUA_IDSIZE + 16];
    lua_Debug frame;
    for (int level = 1; lua_getstack(L, level, &frame); level++) {
        lua_getinfo(L, "Sl", &frame);
        if (frame.currentline < 0) continue;
        int length = snprintf(shown, sizeof shown, "%s:%d: ", frame.short_src, frame.currentline);
        if (!prefix && strncmp(message, shown, (size_t)length) == 0) {
            prefix = (size_t)length;
            *origin = (place){frame.source, frame.currentline};
        }
        if (strcmp(frame.source, now->source) != 0) continue;
        if (!script->source) *script = (place){frame.source, frame.currentline};
        if (now->settings->keep_locals) keep_locals(L, &frame);
    }
    return prefix;
}

/* Pushes the message with its place: the script's line first. The place inside the library that Lua put before
 * the message is left out, unless the library itself made the mistake. */
static void push_located(lua_State *L, const run *now, const char *message)
{
    place script = {NULL, 0}, origin = {NULL, 0};
    const char *rest = message + find_places(L, now, message, &script, &origin);
    int from_script = origin.source && strcmp(origin.source, now->source) == 0;
    int from_library = origin.source && state_is_library(origin.source);
    const place *first = from_script ? &origin : &script;
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    if (first->source) {
        push_place(L, first);
        luaL_addvalue(&text);
        luaL_addstring(&text, ": ");
    }
    luaL_addstring(&text, from_script || from_library ? rest : message);
    if (from_library && strncmp(rest, "attempt to ", 11) == 0) {
        luaL_addstring(&text, " (");
        push_place(L, &origin);
        luaL_addvalue(&text);
        luaL_addstring(&text, ")");
    }
    luaL_pushresult(&text);
}

/* Pushes the error's message as a string, or nil when it has none. Returns its exit code, -1 when it names none. */
static int push_message(lua_State *L, int error)
{
    int code = -1;
    if (lua_istable(L, error)) {
        lua_pushliteral(L, "exit_code");
        lua_rawget(L, error);
        if (lua_isnumber(L, -1)) code = (int)lua_tointeger(L, -1);
        lua_pushliteral(L, "message");
        lua_rawget(L, error);
        lua_remove(L, -2);
        if (lua_isstring(L, -1) || code >= 0) return code;
        lua_pop(L, 1);
    }
    if (lua_isstring(L, error)) {
        lua_pushvalue(L, error);
    } else if (!luaL_callmeta(L, error, "__tostring")) {
        lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, error));
    }
    return code;
}

/* The message handler: turns the error into the text for the user, or nil, and chooses the exit code. */
static int explain(lua_State *L)
{
    run *now = lua_touserdata(L, lua_upvalueindex(1));
    int code = push_message(L, 1);
    int text = lua_gettop(L);
    if (code < 0) {
        int signal = eff_interrupt_take();
        code = signal ? 128 + signal : EXIT_ERROR;
    }
    now->exit_code = code;
    const char *message = lua_tostring(L, text);
    if (!message) return 1;
    if (code == EXIT_DONE || code == EXIT_CHECKPOINTED || code == EXIT_INTERRUPTED) {
        lua_pushvalue(L, text); /* nothing is wrong at any line */
    } else {
        push_located(L, now, message);
    }
    if (now->settings->verbose) {
        luaL_traceback(L, L, lua_tostring(L, -1), 1);
    }
    return 1;
}

/* Debug hook of a return: the end of the script's main function is the last moment that its locals exist. */
static void keep_locals_at_end(lua_State *L, lua_Debug *frame)
{
    lua_getinfo(L, "S", frame);
    if (strcmp(frame->what, "main") != 0) return;
    lua_getfield(L, LUA_REGISTRYINDEX, "effv2.script");
    const char *source = lua_tostring(L, -1);
    if (source && strcmp(source, frame->source) == 0) keep_locals(L, frame);
    lua_pop(L, 1);
}

/* Calls the function below its arguments, the topmost `arguments` values; `source` is its chunk name. */
static int call(lua_State *L, int arguments, const char *source, const run_settings *settings)
{
    run now = {source, settings, EXIT_DONE};
    int handler = lua_gettop(L) - arguments;
    lua_pushlightuserdata(L, &now);
    lua_pushcclosure(L, explain, 1);
    lua_insert(L, handler);
    if (settings->keep_locals) {
        lua_pushstring(L, source);
        lua_setfield(L, LUA_REGISTRYINDEX, "effv2.script");
        lua_sethook(L, keep_locals_at_end, LUA_MASKRET, 0);
    }
    int status = lua_pcall(L, arguments, 0, handler);
    if (settings->keep_locals) lua_sethook(L, NULL, 0, 0);
    if (status != 0) {
        if (now.exit_code == EXIT_DONE && status != LUA_ERRRUN) now.exit_code = EXIT_ERROR; /* no handler ran */
        if (lua_isstring(L, -1)) script_complain(lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    lua_remove(L, handler);
    return now.exit_code;
}

/* The global `arg`, and the same values on the stack. */
static void push_arguments(lua_State *L, const char *name, int count, char **arguments)
{
    lua_createtable(L, count, 1);
    lua_pushstring(L, name);
    lua_rawseti(L, -2, 0);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, arguments[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setglobal(L, "arg");
    luaL_checkstack(L, count + 8, "too many arguments");
    for (int i = 0; i < count; i++) lua_pushstring(L, arguments[i]);
}

/* Runs what luaL_load... left on the stack. */
static int run_loaded(lua_State *L, int load_status, const char *source, const char *name, int count, char **arguments,
                      const run_settings *settings)
{
    if (load_status != 0) {
        script_complain(lua_tostring(L, -1));
        lua_pop(L, 1);
        return load_status == LUA_ERRFILE ? EXIT_USAGE : EXIT_ERROR;
    }
    push_arguments(L, name, count, arguments);
    return call(L, count, source, settings);
}

int script_run_file(lua_State *L, const char *path, int count, char **arguments, const run_settings *settings)
{
    if (strcmp(path, "-") == 0) {
        return run_loaded(L, luaL_loadfile(L, NULL), "=stdin", path, count, arguments, settings);
    }
    size_t size = strlen(path) + 2;
    char *source = malloc(size);
    if (!source) {
        script_complain("out of memory");
        return EXIT_ERROR;
    }
    snprintf(source, size, "@%s", path);
    state_add_script_folder(L, path);
    int code = run_loaded(L, luaL_loadfile(L, path), source, path, count, arguments, settings);
    free(source);
    return code;
}

int script_run_code(lua_State *L, const char *code, const run_settings *settings)
{
    static const char *const source = "=(command line)";
    int status = luaL_loadbuffer(L, code, strlen(code), source);
    return run_loaded(L, status, source, "-e", 0, NULL, settings);
}
