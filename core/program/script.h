/* Runs scripts and reports their errors the way a user wants to read them. */
#ifndef EFF_PROGRAM_SCRIPT_H
#define EFF_PROGRAM_SCRIPT_H

#include <lua.h>

enum { EXIT_DONE = 0, EXIT_ERROR = 1, EXIT_USAGE = 2, EXIT_CHECKPOINTED = 75, EXIT_INTERRUPTED = 130 };

typedef struct run_settings {
    int verbose;     /* a Lua traceback behind the message */
    int keep_locals; /* the script's own local variables become globals, for the prompt that follows */
} run_settings;

/* Each returns the exit code; the message of an error is written to standard error.
 * arguments[0 .. count-1] are the script's own. */
int script_run_file(lua_State *L, const char *path, int count, char **arguments, const run_settings *settings);
int script_run_code(lua_State *L, const char *code, const run_settings *settings);

/* Writes "effv2: " and the text to standard error. */
void script_complain(const char *text);

#endif
