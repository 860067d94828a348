/* The `effv2` program: runs a script, code from the command line, or the interactive prompt. */
#include "base/parallel.h"
#include "program/interrupts.h"
#include "program/options.h"
#include "program/prompt.h"
#include "program/script.h"
#include "program/state.h"

#include <lauxlib.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int complain_from_stack(lua_State *L)
{
    const char *message = lua_tostring(L, -1);
    script_complain(message ? message : "the effv2 library does not load");
    lua_pop(L, 1);
    return EXIT_ERROR;
}

/* Pushes suggest.hint(unknown, names of the options), "" when the library is not there. */
static void push_hint(lua_State *L, const char *unknown)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "effv2.suggest");
    if (lua_pcall(L, 1, 1, 0) == 0) {
        lua_getfield(L, -1, "hint");
        lua_pushstring(L, unknown);
        lua_newtable(L);
        for (int i = 0; options_name(i); i++) {
            lua_pushstring(L, options_name(i));
            lua_rawseti(L, -2, i + 1);
        }
        lua_pushliteral(L, "--");
        if (lua_pcall(L, 3, 1, 0) == 0) return;
    }
    lua_pushliteral(L, "");
}

static int complain_about_usage(lua_State *L, const usage_error *error)
{
    if (error->unknown[0]) {
        push_hint(L, error->unknown);
    } else {
        lua_pushliteral(L, "");
    }
    lua_pushfstring(L, "%s%s; `effv2 --help` lists the options", error->message, lua_tostring(L, -1));
    script_complain(lua_tostring(L, -1));
    return EXIT_USAGE;
}

/* Calls function `name` of the Lua module effv2.about, which prints. */
static int show(lua_State *L, const char *name)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "effv2.about");
    if (lua_pcall(L, 1, 1, 0) != 0) return complain_from_stack(L);
    lua_getfield(L, -1, name);
    lua_pushstring(L, state_library());
    return lua_pcall(L, 1, 0, 0) == 0 ? EXIT_DONE : complain_from_stack(L);
}

static int run(lua_State *L, const options *given, int argc, char **argv)
{
    int code = EXIT_DONE;
    int prompt = given->interactive || (!given->code && !given->script && isatty(STDIN_FILENO));
    const run_settings settings = {given->verbose, given->interactive};
    int first = given->script ? given->script_index + 1 : argc;
    if ((given->code || (!given->script && !prompt)) && state_set_global(L) != 0) return complain_from_stack(L);
    if (given->code) code = script_run_code(L, given->code, &settings);
    if (given->script && code == EXIT_DONE) {
        lua_pushnil(L);
        lua_setglobal(L, "effv2");
        code = script_run_file(L, given->script, argc - first, argv + first, &settings);
    }
    if (prompt) return prompt_run(L);
    if (!given->code && !given->script) code = script_run_file(L, "-", 0, NULL, &settings);
    return code;
}

int main(int argc, char **argv)
{
    options given;
    usage_error error;
    setlocale(LC_CTYPE, ""); /* LC_NUMERIC stays "C" */
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
    lua_State *L = state_new();
    if (!L) {
        script_complain("out of memory");
        return EXIT_ERROR;
    }
    int code = EXIT_DONE;
    if (options_parse(&given, &error, argc, argv) != 0) {
        code = complain_about_usage(L, &error);
    } else {
        if (given.threads) eff_set_threads(given.threads);
        interrupts_install(L);
        switch (given.action) {
        case ACTION_HELP: options_help(stdout); break;
        case ACTION_VERSION: code = show(L, "version"); break;
        case ACTION_INFO: code = show(L, "info"); break;
        case ACTION_RUN: code = run(L, &given, argc, argv); break;
        }
    }
    state_close(L);
    return code;
}
