/* The interactive prompt: line editing by libedit; what a line means is decided in lua/effv2/repl.lua. */
#ifndef EFF_PROGRAM_PROMPT_H
#define EFF_PROGRAM_PROMPT_H

#include <lua.h>

/* Reads and evaluates until the end of input. Returns the exit code. */
int prompt_run(lua_State *L);

#endif
