/* Command line; see options.h. */
#include "program/options.h"

#include "base/parallel.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    struct option option; /* as getopt_long wants it; val is the short name or a number above 255 */
    const char *argument, *meaning;
} table[] = {
    {{"execute", required_argument, NULL, 'e'}, "CODE", "run CODE, with effv2 as a global"},
    {{"interactive", no_argument, NULL, 'i'}, NULL, "prompt afterwards, also after an error"},
    {{"threads", required_argument, NULL, 't'}, "N", "compute with N threads (default: all cores)"},
    {{"verbose", no_argument, NULL, 'v'}, NULL, "show the Lua traceback of an error"},
    {{"info", no_argument, NULL, 256}, NULL, "show CPU, instruction set, BLAS, threads and paths"},
    {{"version", no_argument, NULL, 'V'}, NULL, "show the version"},
    {{"help", no_argument, NULL, 'h'}, NULL, "show this text"},
};
enum { OPTIONS = sizeof table / sizeof table[0] };

const char *options_name(int i) { return i < OPTIONS ? table[i].option.name : NULL; }

void options_help(FILE *out)
{
    fputs("Usage: effv2 [options] SCRIPT [key=value ...] [FILE ...]\n"
          "       effv2 [options]              a prompt; from a pipe, standard input is run\n"
          "\n"
          "Runs a Lua script (\"-\" is standard input). `effv2 SCRIPT --help` shows the keys of a recipe.\n"
          "\n",
          out);
    for (int i = 0; i < OPTIONS; i++) {
        const struct option *option = &table[i].option;
        char names[40], brief[8] = "    ";
        if (option->val < 256) snprintf(brief, sizeof brief, "-%c, ", option->val);
        snprintf(names, sizeof names, "%s--%s%s%s", brief, option->name, table[i].argument ? " " : "",
                 table[i].argument ? table[i].argument : "");
        fprintf(out, "  %-24s %s\n", names, table[i].meaning);
    }
    fputs("\n"
          "Exit codes: 0 done, 1 error, 2 wrong usage or configuration, 75 stopped by TERM or USR1 with a checkpoint\n"
          "(run the same command again), 130 Ctrl-C.\n",
          out);
}

static int parse_threads(options *parsed, usage_error *error, const char *text)
{
    char *end;
    long threads = strtol(text, &end, 10);
    if (end == text || *end || threads < 1 || threads > EFF_MAX_THREADS) {
        snprintf(error->message, sizeof error->message, "--threads: '%s' is not a number from 1 to %d", text,
                 EFF_MAX_THREADS);
        return -1;
    }
    parsed->threads = (int)threads;
    return 0;
}

/* Says what getopt_long did not like; `word` is the argument that it stood in. */
static int refuse(usage_error *error, int result, const char *word)
{
    if (result == ':') {
        snprintf(error->message, sizeof error->message, "%s: a value is missing", word);
    } else if (strncmp(word, "--", 2) != 0) {
        snprintf(error->message, sizeof error->message, "-%c: unknown option", optopt);
    } else if (optopt) {
        snprintf(error->message, sizeof error->message, "%s: this option takes no value", word);
    } else {
        snprintf(error->unknown, sizeof error->unknown, "%.*s", (int)strcspn(word + 2, "="), word + 2);
        snprintf(error->message, sizeof error->message, "--%s: unknown option", error->unknown);
    }
    return -1;
}

int options_parse(options *parsed, usage_error *error, int argc, char **argv)
{
    struct option known[OPTIONS + 1] = {{0}};
    for (int i = 0; i < OPTIONS; i++) known[i] = table[i].option;
    *parsed = (options){0};
    *error = (usage_error){0};
    opterr = 0;
    for (;;) {
        int word = optind; /* short options combine, so optind moves on only behind the last letter */
        int result = getopt_long(argc, argv, "+:e:it:vVh", known, NULL);
        if (result == -1) break;
        switch (result) {
        case 'e': parsed->code = optarg; break;
        case 'i': parsed->interactive = 1; break;
        case 't':
            if (parse_threads(parsed, error, optarg) != 0) return -1;
            break;
        case 'v': parsed->verbose = 1; break;
        case 'V': parsed->action = ACTION_VERSION; break;
        case 'h': parsed->action = ACTION_HELP; break;
        case 256: parsed->action = ACTION_INFO; break;
        default: return refuse(error, result, argv[word]);
        }
    }
    parsed->script_index = optind;
    parsed->script = optind < argc ? argv[optind] : NULL;
    return 0;
}
