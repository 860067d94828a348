/* The Lua state of the program: libraries, package.path, the core as a module, os.exit. */
#ifndef EFF_PROGRAM_STATE_H
#define EFF_PROGRAM_STATE_H

#include <lua.h>

/* NULL when there is no memory. */
lua_State *state_new(void);
void state_close(lua_State *L);

/* The folder that holds effv2/init.lua, or "" when there is none. */
const char *state_library(void);

/* Whether a chunk of this source ("@file") belongs to the effv2 library. */
int state_is_library(const char *source);

/* Whether it is the loop of the prompt, below which the user's own code runs. */
int state_is_prompt(const char *source);

/* package.path gains the folder of the script. */
void state_add_script_folder(lua_State *L, const char *script);

/* Sets the global effv2. 0, or -1 with the message on the stack. */
int state_set_global(lua_State *L);

#endif
