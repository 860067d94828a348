/* The command line of the program: one table makes the parser and the help text. */
#ifndef EFF_PROGRAM_OPTIONS_H
#define EFF_PROGRAM_OPTIONS_H

#include <stdio.h>

typedef enum action { ACTION_RUN, ACTION_HELP, ACTION_VERSION, ACTION_INFO } action;

typedef struct options {
    action action;
    const char *code;   /* -e, or NULL */
    const char *script; /* "-" is standard input; NULL when there is none */
    int script_index;   /* of the script in argv; its arguments follow. argc when there is none */
    int threads;        /* 0: not given */
    int interactive;
    int verbose;
} options;

typedef struct usage_error {
    char message[256];
    char unknown[64]; /* the unknown long option without its dashes, or "" */
} usage_error;

/* 0, or -1 with what is wrong in *error. */
int options_parse(options *parsed, usage_error *error, int argc, char **argv);

void options_help(FILE *out);

/* The name of long option i, or NULL behind the last. */
const char *options_name(int i);

#endif
