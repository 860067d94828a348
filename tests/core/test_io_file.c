/* Files and folders: replaced whole or not at all, appended line by line, errors that say what to do. */
#define _GNU_SOURCE
#include "io/file.h"

#include "test_io_helpers.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static eff_atomic_file *begin(const char *path)
{
    eff_atomic_file *file = NULL;
    assert_int_equal(eff_atomic_file_begin(&file, path, 0), EFF_OK);
    return file;
}

static void replaces_on_commit_only(void **state)
{
    (void)state;
    const char *path = in_scratch("a.txt");
    put_bytes(path, "old", 3);
    eff_atomic_file *file = begin(path);
    assert_int_equal(eff_atomic_file_write(file, "new ", 4), EFF_OK);
    assert_int_equal(eff_atomic_file_write(file, "content", 7), EFF_OK);
    assert_content(path, "old");
    assert_int_equal(eff_atomic_file_commit(file), EFF_OK);
    assert_content(path, "new content");
    assert_false(eff_file_exists(in_scratch("a.txt.tmp")));
}

static void abort_keeps_the_old_file(void **state)
{
    (void)state;
    const char *path = in_scratch("b.txt");
    put_bytes(path, "old", 3);
    eff_atomic_file *file = begin(path);
    assert_int_equal(eff_atomic_file_write(file, "half", 4), EFF_OK);
    eff_atomic_file_abort(file);
    eff_atomic_file_abort(NULL);
    assert_content(path, "old");
    assert_false(eff_file_exists(in_scratch("b.txt.tmp")));
}

static void a_leftover_is_reused(void **state)
{
    (void)state;
    put_bytes(in_scratch("c.txt.tmp"), "a long rest of a killed process", 31);
    assert_int_equal(eff_file_write(in_scratch("c.txt"), "new", 3), EFF_OK);
    assert_content(in_scratch("c.txt"), "new");
    assert_false(eff_file_exists(in_scratch("c.txt.tmp")));
}

static void a_second_writer_is_refused(void **state)
{
    (void)state;
    const char *path = in_scratch("d.txt");
    eff_atomic_file *first = begin(path), *second = NULL;
    assert_int_equal(eff_atomic_file_begin(&second, path, 0), EFF_E_IO);
    assert_contains(eff_message(), "being written");
    assert_int_equal(eff_atomic_file_write(first, "1", 1), EFF_OK);
    assert_int_equal(eff_atomic_file_commit(first), EFF_OK);
    assert_content(path, "1");
}

/* Runs out of space after `bytes`: the closest to a full disk that needs no rights. */
static void limit_file_size(rlim_t bytes)
{
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_failed_write_is_never_published(void **state)
{
    (void)state;
    const char *path = in_scratch("e.txt");
    put_bytes(path, "old", 3);
    static char block[5000];
    eff_atomic_file *file = begin(path);
    limit_file_size(1000);
    eff_status status = eff_atomic_file_write(file, block, sizeof block);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(status, EFF_E_IO);
    assert_contains(eff_message(), path);
    assert_int_equal(eff_atomic_file_commit(file), EFF_E_STATE);
    assert_content(path, "old");
    assert_false(eff_file_exists(in_scratch("e.txt.tmp")));
}

static void space_is_compared_before_writing(void **state)
{
    (void)state;
    eff_atomic_file *file = NULL;
    assert_int_equal(eff_atomic_file_begin(&file, in_scratch("f.txt"), (int64_t)1 << 60), EFF_E_IO);
    assert_contains(eff_message(), "needs 1152921504606846976 bytes");
    assert_contains(eff_message(), "are free");
    assert_contains(eff_message(), "delete");
    assert_false(eff_file_exists(in_scratch("f.txt.tmp")));
}

static void refuses_what_is_no_plain_file(void **state)
{
    (void)state;
    put_bytes(in_scratch("plain"), "x", 1);
    assert_int_equal(mkfifo(in_scratch("pipe"), 0600), 0); /* not a device of the system: a fault would replace it */
    struct {
        const char *path, *part;
    } cases[] = {
        {"", "empty"},
        {scratch, "folder"},
        {in_scratch("new/"), "folder"},
        {in_scratch("pipe"), "device or pipe"},
        {in_scratch("missing/x"), "does not exist"},
        {in_scratch("plain/x"), "Not a directory"},
        {"/proc/effv2.txt", "cannot write"},
        {"/sys/effv2.txt", "cannot write"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_not_equal(eff_file_write(cases[i].path, "x", 1), EFF_OK);
        assert_contains(eff_message(), cases[i].part);
        assert_contains(eff_message(), cases[i].path);
    }
    struct stat info;
    assert_int_equal(stat(in_scratch("pipe"), &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    assert_content(in_scratch("plain"), "x");
}

static void known_reasons_come_with_a_cure(void **state)
{
    (void)state;
    assert_int_equal(eff_fail_errno("x", "write", EROFS), EFF_E_IO);
    assert_string_equal(eff_message(), "x: cannot write: Read-only file system "
                                       "(it is on a read-only file system: choose another folder)");
    assert_int_equal(eff_fail_errno("50%s.txt", "read", EMFILE), EFF_E_IO);
    assert_contains(eff_message(), "50%s.txt: cannot read");
    assert_contains(eff_message(), "ulimit -n");
    assert_int_equal(eff_fail_errno("x", "read", ENOMEM), EFF_E_MEMORY);
}

static void reads_whole_files(void **state)
{
    (void)state;
    size_t size = 200003, got = 0; /* more than one growth of the buffer */
    char *bytes = malloc(size), *data = NULL;
    for (size_t i = 0; i < size; i++) bytes[i] = (char)(i * 7);
    const char *path = in_scratch("big");
    put_bytes(path, bytes, size);
    assert_int_equal(eff_file_read(&data, &got, path, size), EFF_OK);
    assert_int_equal(got, size);
    assert_memory_equal(data, bytes, size);
    assert_int_equal(data[size], 0);
    free(data);
    free(bytes);

    assert_int_equal(eff_file_read(&data, &got, path, size - 1), EFF_E_FORMAT);
    assert_contains(eff_message(), "200002");
    put_bytes(in_scratch("empty"), "", 0);
    assert_int_equal(eff_file_read(&data, &got, in_scratch("empty"), 0), EFF_OK);
    assert_int_equal(got, 0);
    free(data);
    assert_int_equal(eff_file_read(&data, &got, "/proc/self/status", 1 << 20), EFF_OK); /* stat says 0 bytes */
    assert_contains(data, "Pid:");
    free(data);
    assert_int_equal(eff_file_read(&data, &got, in_scratch("missing"), 10), EFF_E_IO);
    assert_contains(eff_message(), "missing: cannot read: No such file");
    assert_int_equal(eff_file_read(&data, &got, scratch, 10), EFF_E_IO);
    assert_contains(eff_message(), "directory");
}

static void appends_lines(void **state)
{
    (void)state;
    const char *path = in_scratch("m.jsonl");
    assert_int_equal(eff_file_append_line(path, "{\"a\":1}", 7), EFF_OK);
    assert_int_equal(eff_file_append_line(path, "", 0), EFF_OK);
    assert_int_equal(eff_file_append_line(path, "two", 3), EFF_OK);
    assert_content(path, "{\"a\":1}\n\ntwo\n");
    assert_int_equal(eff_file_append_line(path, "a\nb", 3), EFF_E_ARGUMENT);
    assert_content(path, "{\"a\":1}\n\ntwo\n");

    put_bytes(path, "whole\ntor", 9);
    assert_int_equal(eff_file_append_line(path, "next", 4), EFF_OK);
    assert_content(path, "whole\ntor\nnext\n");
}

static void a_failed_append_leaves_whole_lines(void **state)
{
    (void)state;
    const char *path = in_scratch("n.jsonl");
    assert_int_equal(eff_file_append_line(path, "first", 5), EFF_OK);
    limit_file_size(10);
    eff_status status = eff_file_append_line(path, "a second line", 13);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(status, EFF_E_IO);
    assert_content(path, "first\n");

    assert_int_equal(eff_file_append_line("/dev/full", "x", 1), EFF_E_IO);
    assert_contains(eff_message(), "/dev/full: cannot append a line: No space left on device (delete");
    assert_int_equal(eff_file_append_line(in_scratch("missing/x"), "x", 1), EFF_E_IO);
}

static void makes_folders(void **state)
{
    (void)state;
    const char *deep = in_scratch("runs/2024//a/b/");
    assert_int_equal(eff_dir_create(deep), EFF_OK);
    assert_true(eff_dir_exists(in_scratch("runs/2024/a/b")));
    assert_int_equal(eff_dir_create(deep), EFF_OK);
    assert_int_equal(eff_dir_create("/"), EFF_OK);
    assert_int_equal(eff_dir_create("."), EFF_OK);
    assert_int_equal(eff_dir_create(""), EFF_E_ARGUMENT);

    put_bytes(in_scratch("file"), "x", 1);
    assert_false(eff_dir_exists(in_scratch("file")));
    assert_int_equal(eff_dir_create(in_scratch("file")), EFF_E_IO);
    assert_contains(eff_message(), "a file where a folder is needed");
    assert_int_equal(eff_dir_create(in_scratch("file/sub")), EFF_E_IO);
    assert_contains(eff_message(), "/file: cannot create the folder");
    assert_int_equal(eff_dir_create("/proc/effv2/runs"), EFF_E_IO);
    assert_contains(eff_message(), "/proc/effv2: cannot create");

    bool created = false;
    assert_int_equal(eff_dir_create_new(&created, in_scratch("run-1")), EFF_OK);
    assert_true(created);
    assert_int_equal(eff_dir_create_new(&created, in_scratch("run-1")), EFF_OK);
    assert_false(created);
    assert_int_equal(eff_dir_create_new(&created, in_scratch("none/run-1")), EFF_E_IO);
}

static void lists_folders_sorted(void **state)
{
    (void)state;
    const char *names[] = {".hidden", "B", "a", "a10", "a2", "dir", "link", "\xc3\xa9t\xc3\xa9"};
    size_t count = sizeof names / sizeof *names;
    assert_int_equal(eff_dir_create(in_scratch("list/dir")), EFF_OK);
    for (size_t i = count; i-- > 0;) {
        char name[64];
        snprintf(name, sizeof name, "list/%s", names[i]);
        if (strcmp(names[i], "link") == 0) assert_int_equal(symlink("dir", in_scratch(name)), 0);
        else if (strcmp(names[i], "dir") != 0) put_bytes(in_scratch(name), "", 0);
    }
    eff_dir_list list;
    assert_int_equal(eff_dir_list_read(&list, in_scratch("list")), EFF_OK);
    assert_int_equal(list.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(list.entries[i].name, names[i]);
        assert_int_equal(list.entries[i].is_dir, i == 5 || i == 6);
    }
    eff_dir_list_free(&list);
    assert_int_equal(list.count, 0);

    for (int i = 0; i < 200; i++) {
        char name[64];
        snprintf(name, sizeof name, "many/%d", i);
        if (i == 0) assert_int_equal(eff_dir_create(in_scratch("many")), EFF_OK);
        put_bytes(in_scratch(name), "", 0);
    }
    assert_int_equal(eff_dir_list_read(&list, in_scratch("many")), EFF_OK);
    assert_int_equal(list.count, 200);
    for (size_t i = 1; i < list.count; i++)
        assert_true(strcmp(list.entries[i - 1].name, list.entries[i].name) < 0);
    eff_dir_list_free(&list);

    assert_int_equal(eff_dir_list_read(&list, in_scratch("missing")), EFF_E_IO);
    assert_contains(eff_message(), "cannot list the folder: No such file");
    assert_int_equal(eff_dir_list_read(&list, in_scratch("list/a")), EFF_E_IO);
    assert_int_equal(list.count, 0);
}

static void a_folder_has_one_holder(void **state)
{
    (void)state;
    const char *path = in_scratch("held");
    int first, second;
    assert_int_equal(eff_dir_create(path), EFF_OK);
    assert_int_equal(eff_dir_lock(&first, path), EFF_OK);
    assert_int_equal(eff_dir_lock(&second, path), EFF_E_STATE);
    assert_contains(eff_message(), "held is in use by another process");
    eff_dir_unlock(first);
    assert_int_equal(eff_dir_lock(&second, path), EFF_OK);
    eff_dir_unlock(second);

    pid_t child = fork();
    if (child == 0) {
        _exit(eff_dir_lock(&first, path) != EFF_OK); /* its end gives the folder back */
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(eff_dir_lock(&first, path), EFF_OK);
    eff_dir_unlock(first);

    assert_int_equal(eff_dir_lock(&first, in_scratch("missing-folder")), EFF_E_IO);
    assert_contains(eff_message(), "cannot open the folder: No such file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_on_commit_only),
        cmocka_unit_test(abort_keeps_the_old_file),
        cmocka_unit_test(a_leftover_is_reused),
        cmocka_unit_test(a_second_writer_is_refused),
        cmocka_unit_test(a_failed_write_is_never_published),
        cmocka_unit_test(space_is_compared_before_writing),
        cmocka_unit_test(refuses_what_is_no_plain_file),
        cmocka_unit_test(known_reasons_come_with_a_cure),
        cmocka_unit_test(reads_whole_files),
        cmocka_unit_test(appends_lines),
        cmocka_unit_test(a_failed_append_leaves_whole_lines),
        cmocka_unit_test(makes_folders),
        cmocka_unit_test(lists_folders_sorted),
        cmocka_unit_test(a_folder_has_one_holder),
    };
    return cmocka_run_group_tests_name("io file", tests, scratch_setup, scratch_teardown);
}
