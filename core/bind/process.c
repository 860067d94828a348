/* Processes for Lua: starting, watching and ending them. */
#define _GNU_SOURCE
#include "bind/bind.h"

#include "base/process.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* Pushes a list of C strings as a block that the collector owns; `count` of them will be filled in. */
static char **push_pointers(lua_State *L, size_t count) { return lua_newuserdata(L, (count + 1) * sizeof(char *)); }

/* Fills list with the texts of the table at index as C strings, which the table keeps alive. */
static void read_texts(lua_State *L, int index, char **list, const char *what)
{
    for (int i = 0, n = (int)lua_objlen(L, index); i < n; i++) {
        lua_rawgeti(L, index, i + 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            eff_raise(L, "start_process: %s[%d] is a %s, wanted a text", what, i + 1, luaL_typename(L, -1));
        list[i] = (char *)lua_tostring(L, -1); /* posix_spawn's type; it only reads it */
        lua_pop(L, 1);
    }
}

static char **push_arguments(lua_State *L, int index)
{
    size_t n = lua_objlen(L, index);
    if (n == 0) eff_raise(L, "start_process: command is an empty list, wanted a program and its arguments");
    char **list = push_pointers(L, n);
    read_texts(L, index, list, "command");
    list[n] = NULL;
    return list;
}

static bool starts_with_name(const char *entry, const char *addition)
{
    size_t name = strcspn(addition, "=");
    return strncmp(entry, addition, name) == 0 && entry[name] == '=';
}

/* Pushes this process's environment with the list of "NAME=value" at index put over it. */
static char **push_environment(lua_State *L, int index)
{
    size_t own = 0, added = lua_objlen(L, index), n = added;
    while (environ[own]) own++;
    char **list = push_pointers(L, own + added);
    read_texts(L, index, list, "environment");
    for (size_t i = 0; i < own; i++) {
        bool replaced = false;
        for (size_t k = 0; k < added && !replaced; k++) replaced = starts_with_name(environ[i], list[k]);
        if (!replaced) list[n++] = environ[i];
    }
    list[n] = NULL;
    return list;
}

/* start_process(command, environment, output): the process's number, or nil, message, code. command: a list of the
 * program's path and its arguments; environment: a list of "NAME=value" beside this process's; output: a file */
static int start_process(lua_State *L)
{
    int64_t pid;
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    eff_command command = {.output = luaL_checkstring(L, 3)};
    command.arguments = push_arguments(L, 1);
    command.environment = push_environment(L, 2);
    eff_status status = eff_process_start(&pid, &command);
    if (status != EFF_OK) return eff_push_failure(L, status);
    lua_pushnumber(L, (double)pid);
    return 1;
}

/* look_at_process(pid [, wait]): nil while the child runs; then "exit" or "signal", and the code or the signal */
static int look_at_process(lua_State *L)
{
    eff_process_end end;
    eff_check(L, eff_process_look(&end, eff_check_int(L, 1, "look_at_process"), lua_toboolean(L, 2)));
    if (!end.ended) return 0;
    lua_pushstring(L, end.killed ? "signal" : "exit");
    lua_pushnumber(L, end.code);
    return 2;
}

/* signal_process(pid, signal): to the process group of a child; true, or nil, message, code */
static int signal_process(lua_State *L)
{
    eff_status status =
        eff_process_signal(eff_check_int(L, 1, "signal_process"), (int)eff_check_int(L, 2, "signal_process"));
    if (status != EFF_OK) return eff_push_failure(L, status);
    lua_pushboolean(L, 1);
    return 1;
}

/* signal_name(number): such as "Killed" */
static int signal_name(lua_State *L)
{
    lua_pushstring(L, strsignal((int)eff_check_int(L, 1, "signal_name")));
    return 1;
}

/* process_stamp([pid]): a text that names this life of the process; nil when it does not live */
static int process_stamp(lua_State *L)
{
    char stamp[EFF_STAMP_BYTES];
    eff_process_stamp(stamp, lua_isnoneornil(L, 1) ? getpid() : eff_check_int(L, 1, "process_stamp"));
    if (!stamp[0]) return 0;
    lua_pushstring(L, stamp);
    return 1;
}

/* follow_process(parent): this process is killed when its parent ends; false when `parent` is no more its parent */
static int follow_process(lua_State *L)
{
    lua_pushboolean(L, eff_process_follow(eff_check_int(L, 1, "follow_process")));
    return 1;
}

/* take_variable(name): the value of an environment variable, which processes started from now on do not see; or nil */
static int take_variable(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1), *value = getenv(name);
    if (!value) return 0;
    lua_pushstring(L, value);
    unsetenv(name);
    return 1;
}

/* program_path(): of the running program */
static int program_path(lua_State *L)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    if (length < 0) return 0;
    lua_pushlstring(L, path, (size_t)length);
    return 1;
}

/* sleep(seconds): less when a signal arrives */
static int sleep_seconds(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    struct timespec pause = {.tv_sec = (time_t)seconds};
    pause.tv_nsec = (long)((seconds - (double)pause.tv_sec) * 1e9);
    nanosleep(&pause, NULL);
    return 0;
}

void eff_open_process(lua_State *L)
{
    static const luaL_Reg functions[] = {{"start_process", start_process},   {"look_at_process", look_at_process},
                                         {"signal_process", signal_process}, {"signal_name", signal_name},
                                         {"process_stamp", process_stamp},   {"follow_process", follow_process},
                                         {"take_variable", take_variable},   {"program_path", program_path},
                                         {"sleep", sleep_seconds},           {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
