/* A folder for one holder; see file.h. */
#define _GNU_SOURCE
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

eff_status eff_dir_lock(int *lock, const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return eff_fail_errno(path, "open the folder", errno);
    if (flock(folder, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close(folder);
        return eff_fail(EFF_E_STATE, "%s is in use by another process", path);
    }
    *lock = folder;
    return EFF_OK;
}

void eff_dir_unlock(int lock) { close(lock); }
