/* Processes by posix_spawn; see process.h. */
#define _GNU_SOURCE
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int set_files(posix_spawn_file_actions_t *files, const char *output)
{
    int error = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!error)
        error = posix_spawn_file_actions_addopen(files, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (!error) error = posix_spawn_file_actions_adddup2(files, STDOUT_FILENO, STDERR_FILENO);
    if (!error) error = posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
    return error;
}

static void set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setsigmask(attributes, &none);
}

eff_status eff_process_start(int64_t *pid, const eff_command *command)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    pid_t child = 0;
    int error = posix_spawn_file_actions_init(&files);
    if (error) return eff_fail(EFF_E_MEMORY, "no memory to start a process");
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return eff_fail(EFF_E_MEMORY, "no memory to start a process");
    }
    set_attributes(&attributes);
    error = set_files(&files, command->output);
    if (!error)
        error = posix_spawn(&child, command->arguments[0], &files, &attributes, command->arguments,
                            command->environment ? command->environment : environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (error)
        return eff_fail(EFF_E_IO, "%s: cannot start with its output in %s: %s", command->arguments[0], command->output,
                        strerror(error));
    *pid = child;
    return EFF_OK;
}

eff_status eff_process_look(eff_process_end *end, int64_t pid, bool wait)
{
    int state = 0;
    pid_t got;
    do got = waitpid((pid_t)pid, &state, wait ? 0 : WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got < 0) return eff_fail(EFF_E_ARGUMENT, "process %lld: %s", (long long)pid, strerror(errno));
    end->ended = got > 0;
    end->killed = got > 0 && WIFSIGNALED(state);
    end->code = end->killed ? WTERMSIG(state) : WEXITSTATUS(state);
    return EFF_OK;
}

eff_status eff_process_signal(int64_t pid, int signal)
{
    if (kill((pid_t)-pid, signal) == 0 || errno == ESRCH) return EFF_OK;
    return eff_fail(EFF_E_IO, "process %lld: cannot send signal %d: %s", (long long)pid, signal, strerror(errno));
}

/* Reads the beginning of a file of /proc as text; "" when it cannot be read. */
static void read_start(char *text, size_t room, const char *path)
{
    FILE *file = fopen(path, "re");
    size_t got = file ? fread(text, 1, room - 1, file) : 0;
    text[got] = 0;
    if (file) fclose(file);
}

void eff_process_stamp(char stamp[EFF_STAMP_BYTES], int64_t pid)
{
    char path[64], line[1024], boot[64];
    unsigned long long ticks;
    char state;
    stamp[0] = 0;
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    read_start(line, sizeof line, path);
    const char *name_end = strrchr(line, ')'); /* the name may hold anything */
    if (!name_end) return;
    if (sscanf(name_end + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu", &state,
               &ticks) != 2)
        return;
    if (state == 'Z' || state == 'X') return;
    read_start(boot, sizeof boot, "/proc/sys/kernel/random/boot_id");
    snprintf(stamp, EFF_STAMP_BYTES, "%.8s:%llu", boot, ticks);
}

bool eff_process_follow(int64_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return getppid() == (pid_t)parent;
}
