/* Replacing a file whole or not at all; see file.h. */
#define _GNU_SOURCE
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct eff_atomic_file {
    int fd;
    bool failed;      /* a write failed: committing would publish a damaged file */
    int64_t expected; /* bytes announced, 0 = not known */
    int64_t written;
    char *path, *temporary, *folder;
};

static char *joined(const char *a, const char *b)
{
    size_t length = strlen(a);
    char *text = malloc(length + strlen(b) + 1);
    if (!text) return NULL;
    memcpy(text, a, length);
    strcpy(text + length, b);
    return text;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static void release(eff_atomic_file *file)
{
    if (file->fd >= 0) close(file->fd);
    free(file->path);
    free(file->temporary);
    free(file->folder);
    free(file);
}

/* Bytes that a user may still write there; INT64_MAX where the file system does not say. */
static int64_t free_bytes(const char *folder)
{
    struct statvfs info;
    if (statvfs(folder, &info) != 0 || info.f_blocks == 0) return INT64_MAX;
    int64_t bytes;
    if (__builtin_mul_overflow(info.f_bavail, info.f_frsize, &bytes)) return INT64_MAX;
    return bytes;
}

static eff_status fail_full(const eff_atomic_file *file, int64_t needed)
{
    return eff_fail(EFF_E_IO,
                    "%s: cannot write: not enough space in %s: needs %lld bytes, %lld are free "
                    "(delete what is not needed, such as old checkpoints, or choose a folder on another disk)",
                    file->path, file->folder, (long long)needed, (long long)free_bytes(file->folder));
}

static eff_status fail_write(const eff_atomic_file *file, int64_t needed, int error)
{
    if (error == ENOSPC) return fail_full(file, needed);
    return eff_fail_errno(file->path, "write", error);
}

/* What stands at the path may be replaced only if it is a plain file. */
static eff_status check_target(const char *path)
{
    size_t length = strlen(path);
    if (length == 0) return eff_fail(EFF_E_ARGUMENT, "the name of a file to write is empty");
    struct stat info;
    bool exists = stat(path, &info) == 0;
    if (path[length - 1] == '/' || (exists && S_ISDIR(info.st_mode)))
        return eff_fail(EFF_E_IO, "%s: cannot write: this is a folder, give the name of a file in it", path);
    if (exists && !S_ISREG(info.st_mode))
        return eff_fail(EFF_E_IO, "%s: cannot write: this is a device or pipe, give the name of a plain file", path);
    return EFF_OK;
}

/* Opens and locks the temporary file. The name is looked up again after the lock: its former owner may have
 * renamed it into place in between, and then the lock is on the published file. */
static eff_status open_temporary(eff_atomic_file *file)
{
    for (;;) {
        file->fd = open(file->temporary, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (file->fd < 0 && errno == ENOENT && !eff_dir_exists(file->folder))
            return eff_fail(EFF_E_IO, "%s: cannot write: the folder %s does not exist", file->path, file->folder);
        if (file->fd < 0) return fail_write(file, file->expected, errno);
        if (flock(file->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
            return eff_fail(EFF_E_IO, "%s: cannot write: it is being written by someone else (%s is locked)",
                            file->path, file->temporary);
        struct stat opened, named;
        if (fstat(file->fd, &opened) != 0) return fail_write(file, file->expected, errno);
        if (stat(file->temporary, &named) == 0 && opened.st_ino == named.st_ino && opened.st_dev == named.st_dev)
            break;
        close(file->fd);
    }
    if (ftruncate(file->fd, 0) != 0) return fail_write(file, file->expected, errno);
    return EFF_OK;
}

eff_status eff_atomic_file_begin(eff_atomic_file **file, const char *path, int64_t expected_bytes)
{
    EFF_TRY(check_target(path));
    eff_atomic_file *f = calloc(1, sizeof *f);
    if (!f) return eff_fail(EFF_E_MEMORY, "%s: no memory", path);
    f->fd = -1;
    f->expected = expected_bytes;
    f->path = strdup(path);
    f->temporary = joined(path, ".tmp");
    f->folder = folder_of(path);
    eff_status status = EFF_OK;
    if (!f->path || !f->temporary || !f->folder) status = eff_fail(EFF_E_MEMORY, "%s: no memory", path);
    if (status == EFF_OK && expected_bytes > free_bytes(f->folder)) status = fail_full(f, expected_bytes);
    if (status == EFF_OK) status = open_temporary(f);
    if (status != EFF_OK) {
        release(f);
        return status;
    }
    *file = f;
    return EFF_OK;
}

eff_status eff_atomic_file_write(eff_atomic_file *file, const void *data, size_t bytes)
{
    const char *next = data;
    while (bytes > 0) {
        ssize_t done = write(file->fd, next, bytes < INT_MAX ? bytes : INT_MAX);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) {
            int64_t needed = file->written + (int64_t)bytes;
            file->failed = true;
            return fail_write(file, needed > file->expected ? needed : file->expected, errno);
        }
        file->written += done;
        next += done;
        bytes -= (size_t)done;
    }
    return EFF_OK;
}

/* Makes the rename itself survive a power cut. Some file systems cannot sync folders: nothing is lost there. */
static eff_status sync_folder(const eff_atomic_file *file)
{
    int fd = open(file->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno == EACCES ? EFF_OK : fail_write(file, file->written, errno);
    int error = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    if (error && error != EINVAL && error != ENOTSUP) return fail_write(file, file->written, error);
    return EFF_OK;
}

eff_status eff_atomic_file_commit(eff_atomic_file *file)
{
    eff_status status = EFF_OK;
    if (file->failed)
        status = eff_fail(EFF_E_STATE, "%s: not replaced, since writing its new content failed", file->path);
    else if (fsync(file->fd) != 0 || rename(file->temporary, file->path) != 0)
        status = fail_write(file, file->written, errno);
    if (status != EFF_OK) {
        eff_atomic_file_abort(file);
        return status;
    }
    status = sync_folder(file);
    release(file);
    return status;
}

void eff_atomic_file_abort(eff_atomic_file *file)
{
    if (!file) return;
    unlink(file->temporary);
    release(file);
}

eff_status eff_file_write(const char *path, const void *data, size_t bytes)
{
    eff_atomic_file *file = NULL;
    EFF_TRY(eff_atomic_file_begin(&file, path, (int64_t)bytes));
    eff_status status = eff_atomic_file_write(file, data, bytes);
    if (status != EFF_OK) {
        eff_atomic_file_abort(file);
        return status;
    }
    return eff_atomic_file_commit(file);
}
