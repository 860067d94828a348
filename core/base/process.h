/* Child processes, and whether another process still lives. */
#ifndef EFF_BASE_PROCESS_H
#define EFF_BASE_PROCESS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct eff_command {
    char *const *arguments;   /* ends with NULL; arguments[0] is the path of the program */
    char *const *environment; /* all of it, "NAME=value", ends with NULL; NULL: this process's own */
    const char *output;       /* a file to whose end standard output and error are written */
} eff_command;

/* Starts a process in a process group of its own, with no standard input, no files of this process, and the
 * default answer to every signal. */
eff_status eff_process_start(int64_t *pid, const eff_command *command);

typedef struct eff_process_end {
    bool ended;
    bool killed; /* by the signal `code`; else `code` is the exit code */
    int code;
} eff_process_end;

/* How a child of this process stands; waits for its end only if `wait`. After an end the child is forgotten. */
eff_status eff_process_look(eff_process_end *end, int64_t pid, bool wait);

/* Sends a signal to the process group that a child was given; that it is gone already is fine. */
eff_status eff_process_signal(int64_t pid, int signal);

enum { EFF_STAMP_BYTES = 80 };

/* A text that no other process of this machine's life shares with process `pid`, "BOOT:TICKS"; "" when there is no
 * such process, or only what is left of one. */
void eff_process_stamp(char stamp[EFF_STAMP_BYTES], int64_t pid);

/* From now on this process is killed when its parent ends. False when `parent` is not (any more) its parent. */
bool eff_process_follow(int64_t parent);

#endif
