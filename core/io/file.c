/* Reading, appending, folders; see file.h. Replacing files whole is in atomic_file.c. */
#define _GNU_SOURCE
#include "io/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FIRST_READ_BYTES = 1 << 16, FOLDER_MODE = 0777, FILE_MODE = 0666 };

static const char *cure_of(int error)
{
    switch (error) {
    case EACCES:
    case EPERM: return " (no permission: choose another path or change its permissions)";
    case EROFS: return " (it is on a read-only file system: choose another folder)";
    case ENOTDIR: return " (a part of the path is a file where a folder is needed)";
    case ENOSPC: return " (delete what is not needed or choose a folder on another disk)";
    case EDQUOT: return " (your quota is used up: delete what is not needed or choose a folder on another disk)";
    case EMFILE: return " (raise the limit with `ulimit -n`)";
    case EIO: return " (the disk or the network failed)";
    default: return "";
    }
}

eff_status eff_fail_errno(const char *path, const char *verb, int error)
{
    return eff_fail(error == ENOMEM ? EFF_E_MEMORY : EFF_E_IO, "%s: cannot %s: %s%s", path, verb, strerror(error),
                    cure_of(error));
}

bool eff_file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool eff_dir_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Reads to the end into a growing buffer: sizes are not trusted, since files of /proc claim to be empty. */
static eff_status read_to_end(char **data, size_t *bytes, int fd, const char *path, size_t limit)
{
    size_t used = 0, room = FIRST_READ_BYTES;
    char *buffer = malloc(room);
    while (buffer) {
        ssize_t got = read(fd, buffer + used, room - used - 1);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            free(buffer);
            return eff_fail_errno(path, "read", errno);
        }
        used += (size_t)got;
        if (used > limit) {
            free(buffer);
            return eff_fail(EFF_E_FORMAT, "%s: the file is larger than the %zu bytes allowed here", path, limit);
        }
        if (got == 0) {
            buffer[used] = '\0';
            *data = buffer;
            *bytes = used;
            return EFF_OK;
        }
        if (room - used - 1 == 0) {
            room *= 2;
            char *larger = realloc(buffer, room);
            if (!larger) free(buffer);
            buffer = larger;
        }
    }
    return eff_fail(EFF_E_MEMORY, "%s: no memory for %zu bytes", path, room);
}

eff_status eff_file_read(char **data, size_t *bytes, const char *path, size_t limit)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return eff_fail_errno(path, "read", errno);
    eff_status status = read_to_end(data, bytes, fd, path, limit);
    close(fd);
    return status;
}

/* True if the file's last byte is there and is no newline. */
static bool last_line_is_torn(int fd, const struct stat *info)
{
    char last;
    return S_ISREG(info->st_mode) && info->st_size > 0 && pread(fd, &last, 1, info->st_size - 1) == 1 && last != '\n';
}

static eff_status append_locked(int fd, const char *path, const char *line, size_t bytes)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return eff_fail_errno(path, "append a line", errno);
    bool torn = last_line_is_torn(fd, &info);
    struct iovec parts[3] = {{"\n", torn ? 1 : 0}, {(void *)line, bytes}, {"\n", 1}};
    size_t total = parts[0].iov_len + bytes + 1;
    ssize_t written;
    do written = writev(fd, parts, 3);
    while (written < 0 && errno == EINTR);
    if (written == (ssize_t)total) return EFF_OK;
    int error = written < 0 ? errno : ENOSPC;
    if (written > 0 && S_ISREG(info.st_mode) && ftruncate(fd, info.st_size) != 0)
        return eff_fail(EFF_E_IO, "%s: only a part of a line was written, and it could not be taken back: %s", path,
                        strerror(errno));
    return eff_fail_errno(path, "append a line", error);
}

eff_status eff_file_append_line(const char *path, const char *line, size_t bytes)
{
    if (memchr(line, '\n', bytes)) return eff_fail(EFF_E_ARGUMENT, "%s: a line to append holds a newline", path);
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, FILE_MODE);
    if (fd < 0 && errno == ENOENT)
        return eff_fail(EFF_E_IO, "%s: cannot append a line: its folder does not exist (any more)", path);
    if (fd < 0) return eff_fail_errno(path, "append a line", errno);
    flock(fd, LOCK_EX); /* against another of our processes; where locks are unknown, appending still works */
    eff_status status = append_locked(fd, path, line, bytes);
    if (close(fd) != 0 && status == EFF_OK) status = eff_fail_errno(path, "append a line", errno);
    return status;
}

/* ---- folders ---- */

eff_status eff_dir_create_new(bool *created, const char *path)
{
    *created = mkdir(path, FOLDER_MODE) == 0;
    if (!*created && errno != EEXIST) return eff_fail_errno(path, "create the folder", errno);
    return EFF_OK;
}

/* The level above exists: where "no such file" comes all the same, the file system has no room for folders (/proc). */
static eff_status create_level(const char *path)
{
    if (mkdir(path, FOLDER_MODE) == 0) return EFF_OK;
    int error = errno; /* looking at what is there changes errno */
    if (eff_dir_exists(path)) return EFF_OK;
    if (error == ENOENT)
        return eff_fail(EFF_E_IO, "%s: cannot create the folder: this file system takes none (choose another path)", path);
    return eff_fail_errno(path, "create the folder", error == EEXIST ? ENOTDIR : error);
}

eff_status eff_dir_create(const char *path)
{
    if (!*path) return eff_fail(EFF_E_ARGUMENT, "the name of a folder is empty");
    char *part = strdup(path);
    if (!part) return eff_fail(EFF_E_MEMORY, "%s: no memory", path);
    eff_status status = EFF_OK;
    for (char *slash = part + 1; status == EFF_OK && (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        if (!eff_dir_exists(part)) status = create_level(part);
        *slash = '/';
    }
    if (status == EFF_OK) status = create_level(part);
    free(part);
    return status;
}

static bool entry_is_dir(int folder, const struct dirent *entry)
{
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK) return entry->d_type == DT_DIR;
    struct stat info;
    return fstatat(folder, entry->d_name, &info, 0) == 0 && S_ISDIR(info.st_mode);
}

static bool add_entry(eff_dir_list *list, size_t *room, int folder, const struct dirent *entry)
{
    if (list->count == *room) {
        size_t more = *room ? 2 * *room : 64;
        eff_dir_entry *larger = realloc(list->entries, more * sizeof *larger);
        if (!larger) return false;
        list->entries = larger;
        *room = more;
    }
    char *name = strdup(entry->d_name);
    if (!name) return false;
    list->entries[list->count++] = (eff_dir_entry){name, entry_is_dir(folder, entry)};
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const eff_dir_entry *)a)->name, ((const eff_dir_entry *)b)->name);
}

eff_status eff_dir_list_read(eff_dir_list *list, const char *path)
{
    *list = (eff_dir_list){0};
    DIR *folder = opendir(path);
    if (!folder) return eff_fail_errno(path, "list the folder", errno);
    size_t room = 0;
    eff_status status = EFF_OK;
    while (status == EFF_OK) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (!entry) {
            if (errno) status = eff_fail_errno(path, "list the folder", errno);
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (!add_entry(list, &room, dirfd(folder), entry))
            status = eff_fail(EFF_E_MEMORY, "%s: no memory for %zu names", path, list->count + 1);
    }
    closedir(folder);
    if (status != EFF_OK) {
        eff_dir_list_free(list);
        return status;
    }
    if (list->count > 1) qsort(list->entries, list->count, sizeof *list->entries, by_name);
    return EFF_OK;
}

void eff_dir_list_free(eff_dir_list *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->entries[i].name);
    free(list->entries);
    *list = (eff_dir_list){0};
}
