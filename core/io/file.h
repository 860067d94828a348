/* Files and folders as a training run needs them: replaced whole or not at all, appended line by line, and
 * with error texts that name the path, the system's reason and the cure where one is known. */
#ifndef EFF_IO_FILE_H
#define EFF_IO_FILE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* EFF_E_IO with "PATH: cannot VERB: reason (cure)" for a value of errno; verb is "read", "write", "create" ... */
eff_status eff_fail_errno(const char *path, const char *verb, int error);

bool eff_file_exists(const char *path); /* anything of that name, also a folder */
bool eff_dir_exists(const char *path);  /* a folder, or a link to one */

/* Reads all of a file into *data (released with free()), with a NUL behind its last byte. EFF_E_IO if it is
 * missing or unreadable, EFF_E_FORMAT if it holds more than `limit` bytes. */
eff_status eff_file_read(char **data, size_t *bytes, const char *path, size_t limit);

/* Adds `line`, which holds no newline, and a newline to the end of a file in one system call, making the file
 * when it is missing. A reader never sees half of it, nor does a crash of the process lose it. A failed append
 * leaves the file as it was; a torn last line (power cut) is closed first, so that it stays a line of its own. */
eff_status eff_file_append_line(const char *path, const char *line, size_t bytes);

/* ---- folders ---- */

eff_status eff_dir_create(const char *path); /* with its parents; fine when it exists */

/* Makes one folder whose parent exists. *created is false, and the result EFF_OK, when the name is taken. */
eff_status eff_dir_create_new(bool *created, const char *path);

typedef struct eff_dir_entry {
    char *name; /* without the folder */
    bool is_dir;
} eff_dir_entry;

typedef struct eff_dir_list {
    eff_dir_entry *entries;
    size_t count;
} eff_dir_list;

/* All entries but "." and "..", hidden ones included, in byte order of their names. */
eff_status eff_dir_list_read(eff_dir_list *list, const char *path);
void eff_dir_list_free(eff_dir_list *list);

/* Takes a folder for one holder, until eff_dir_unlock or the end of the process. EFF_E_STATE when somebody has it, a
 * second one in this process too. Where the file system knows no locks nobody is kept out. */
eff_status eff_dir_lock(int *lock, const char *path);
void eff_dir_unlock(int lock);

/* ---- replacing a file whole ----
 *
 * The bytes go to PATH.tmp beside it; commit forces them to the disk, renames the file over PATH and forces the
 * folder to the disk. Whenever the machine dies, PATH holds either the old content or the new. The temporary
 * file is locked: a second writer of the same path gets an error, a file that a killed process left is reused.
 * A symbolic link at PATH is replaced by the file. */

typedef struct eff_atomic_file eff_atomic_file;

/* `expected_bytes` are compared with the free space before anything is written; 0 = not known. */
eff_status eff_atomic_file_begin(eff_atomic_file **file, const char *path, int64_t expected_bytes);
eff_status eff_atomic_file_write(eff_atomic_file *file, const void *data, size_t bytes);

/* Both release `file`. A commit that fails, also because of an earlier failed write, is an abort. */
eff_status eff_atomic_file_commit(eff_atomic_file *file);
void eff_atomic_file_abort(eff_atomic_file *file); /* NULL is allowed */

/* begin, write, commit */
eff_status eff_file_write(const char *path, const void *data, size_t bytes);

#endif
