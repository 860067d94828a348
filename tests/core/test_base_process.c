/* Processes: output and environment arrive, ends are told apart, signals end them, lives have stamps. */
#define _GNU_SOURCE
#include "base/process.h"

#include "test_io_helpers.h"

#include <signal.h>
#include <sys/wait.h>

static int64_t start(const char *script, char *const *environment)
{
    char *const arguments[] = {"/bin/sh", "-c", (char *)script, NULL};
    int64_t pid = 0;
    const eff_command command = {arguments, environment, in_scratch("output")};
    assert_int_equal(EFF_OK, eff_process_start(&pid, &command));
    return pid;
}

static eff_process_end end_of(int64_t pid)
{
    eff_process_end end;
    assert_int_equal(EFF_OK, eff_process_look(&end, pid, true));
    assert_true(end.ended);
    return end;
}

static void output_and_environment_arrive(void **state)
{
    (void)state;
    char *const environment[] = {"WORD=hello", NULL};
    eff_process_end end = end_of(start("echo $WORD; echo error >&2; cat; exit 7", environment));
    assert_false(end.killed);
    assert_int_equal(7, end.code);
    end = end_of(start("echo ${WORD:-nothing}", NULL));
    assert_int_equal(0, end.code);
    assert_content(in_scratch("output"), "hello\nerror\nnothing\n");
}

static void a_signal_ends_a_child(void **state)
{
    (void)state;
    int64_t pid = start("sleep 60 & wait", NULL);
    eff_process_end end;
    assert_int_equal(EFF_OK, eff_process_look(&end, pid, false));
    assert_false(end.ended);
    assert_int_equal(EFF_OK, eff_process_signal(pid, SIGKILL));
    end = end_of(pid);
    assert_true(end.killed);
    assert_int_equal(SIGKILL, end.code);
    assert_int_equal(EFF_OK, eff_process_signal(pid, SIGKILL)); /* gone already */
    assert_int_equal(EFF_E_ARGUMENT, eff_process_look(&end, pid, false));
}

static void a_life_has_one_stamp(void **state)
{
    (void)state;
    char own[EFF_STAMP_BYTES], again[EFF_STAMP_BYTES], other[EFF_STAMP_BYTES];
    eff_process_stamp(own, getpid());
    eff_process_stamp(again, getpid());
    assert_true(strlen(own) > 9);
    assert_string_equal(own, again);
    int64_t pid = start("sleep 60", NULL);
    eff_process_stamp(other, pid);
    assert_true(strlen(other) > 9);
    eff_process_signal(pid, SIGKILL);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    eff_process_stamp(other, pid); /* it is dead, though not yet reaped */
    assert_string_equal("", other);
    end_of(pid);
    eff_process_stamp(other, pid);
    assert_string_equal("", other);
}

static void a_child_follows_its_parent(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(0, pipe(ends));
    pid_t parent = fork();
    if (parent == 0) {
        pid_t child = fork();
        if (child == 0) {
            char word = eff_process_follow(getppid()) && !eff_process_follow(1 << 30) ? 'f' : 'n';
            if (write(ends[1], &word, 1) == 1) pause();
            _exit(0);
        }
        close(ends[1]);
        pause();
        _exit(0);
    }
    close(ends[1]);
    char word = 0;
    assert_int_equal(1, read(ends[0], &word, 1));
    assert_int_equal('f', word);
    kill(parent, SIGKILL);
    assert_int_equal(0, read(ends[0], &word, 1)); /* the child held the pipe's last end */
    waitpid(parent, NULL, 0);
    close(ends[0]);
}

static void what_cannot_start_is_named(void **state)
{
    (void)state;
    char *const arguments[] = {"/no/such/program", NULL};
    int64_t pid;
    eff_command command = {arguments, NULL, in_scratch("output")};
    if (eff_process_start(&pid, &command) == EFF_OK) { /* under valgrind, whose vfork is a fork */
        assert_int_equal(127, end_of(pid).code);
        return;
    }
    assert_contains(eff_message(), "/no/such/program: cannot start");
    command.output = in_scratch("no/folder");
    assert_int_equal(EFF_E_IO, eff_process_start(&pid, &command));
    assert_contains(eff_message(), "no/folder");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(output_and_environment_arrive),
                                       cmocka_unit_test(a_signal_ends_a_child), cmocka_unit_test(a_life_has_one_stamp),
                                       cmocka_unit_test(a_child_follows_its_parent),
                                       cmocka_unit_test(what_cannot_start_is_named)};
    return cmocka_run_group_tests_name("base process", tests, scratch_setup, scratch_teardown);
}
