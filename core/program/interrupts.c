/* Signals; see interrupts.h. */
#define _GNU_SOURCE
#include "program/interrupts.h"

#include "base/interrupt.h"
#include "program/state.h"

#include <lauxlib.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

static lua_State *volatile interrupted_state;
static void (*set_flag)(int signal);

/* Whether the user's own code runs, and nothing of the library waits for it to return. */
static int may_raise(lua_State *L)
{
    lua_Debug frame;
    int user_code = 0;
    for (int level = 0; lua_getstack(L, level, &frame); level++) {
        lua_getinfo(L, "S", &frame);
        if (state_is_prompt(frame.source)) return user_code;
        if (state_is_library(frame.source)) return 0;
        if (strcmp(frame.what, "C") != 0) user_code = 1;
    }
    return 1;
}

static void raise_if_pending(lua_State *L, lua_Debug *where)
{
    (void)where;
    int pending = eff_interrupt_pending();
    if (pending && !may_raise(L)) return;
    lua_sethook(L, NULL, 0, 0);
    if (pending) luaL_error(L, "interrupted");
}

static void on_signal(int number)
{
    set_flag(number);
    if (interrupted_state)
        lua_sethook(interrupted_state, raise_if_pending, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

void interrupts_detach(void) { interrupted_state = NULL; }

void interrupts_install(lua_State *L)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGUSR1};
    eff_interrupt_install();
    interrupted_state = L;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        struct sigaction action;
        sigaction(signals[i], NULL, &action);
        set_flag = action.sa_handler;
        action.sa_handler = on_signal;
        sigaction(signals[i], &action, NULL);
    }
    signal(SIGPIPE, SIG_DFL); /* `effv2 ... | head` ends quietly, whatever the parent set */
}
