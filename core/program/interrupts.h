/* Ctrl-C, TERM and USR1 as seen from Lua.
 *
 * The core's flag (base/interrupt.h) is enough while C code runs. Plain Lua code looks at no flag, so a signal
 * also sets a debug hook that raises "interrupted" -- unless a function of the effv2 library is on the stack:
 * the library sees the flag itself and may want to finish a step and write a checkpoint first. A loop that the
 * JIT compiled runs no hooks; there the second Ctrl-C ends the program, and the prompt compiles nothing.
 */
#ifndef EFF_PROGRAM_INTERRUPTS_H
#define EFF_PROGRAM_INTERRUPTS_H

#include <lua.h>

void interrupts_install(lua_State *L);

/* From here on signals set the flag alone; to be called before the state is closed. */
void interrupts_detach(void);

#endif
