/* Tar archives: where each member lies, strictly checked, and headers to write.
 *
 * The reader knows ustar, GNU (long names, binary sizes) and pax (path, size), walks from header to header and never
 * looks at the members' bytes, so that they can be read in place later, from many threads. It reads a range of a file:
 * an archive inside of an archive is a range too.
 */
#ifndef EFF_IO_TAR_H
#define EFF_IO_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { EFF_TAR_BLOCK = 512, EFF_TAR_NAME = 100 };

typedef struct eff_tar eff_tar;

typedef enum eff_tar_kind {
    EFF_TAR_FILE,
    EFF_TAR_FOLDER,
    EFF_TAR_OTHER /* a link, a device: no bytes */
} eff_tar_kind;

typedef struct eff_tar_member {
    const char *name; /* belongs to the reader, valid until its next call */
    eff_tar_kind kind;
    int64_t offset, size; /* of its bytes in the file */
} eff_tar_member;

/* Reads bytes start .. start+size-1 of the open file `fd`, which stays the caller's, as `path` does, which opens the
 * messages. */
eff_status eff_tar_open(eff_tar **out, int fd, const char *path, int64_t start, int64_t size);
void eff_tar_close(eff_tar *tar); /* NULL is allowed */

/* The next member; *found is false behind the last one. EFF_E_FORMAT, with the place, for a damaged header, an archive
 * that is cut off (one without its end mark included), a compressed one, and members that are not stored in one piece.
 */
eff_status eff_tar_next(eff_tar *tar, eff_tar_member *member, bool *found);

/* The bytes of the last member, small ones without another call of the system: [member->size]. */
eff_status eff_tar_read(eff_tar *tar, const eff_tar_member *member, void *data);

/* Exactly `size` bytes of a file from `offset` on, which many threads may do at once. EFF_E_FORMAT if it ends before.
 */
eff_status eff_read_at(int fd, const char *path, void *data, size_t size, int64_t offset);

/* The header of a plain file (ustar; no date, no owner, mode 644), the same for the same arguments.
 * EFF_E_ARGUMENT if the name has more than 100 bytes or the size more than 8 GiB. */
eff_status eff_tar_header(uint8_t block[EFF_TAR_BLOCK], const char *name, int64_t size);

/* Zeros between the end of `size` bytes and the next header. */
static inline size_t eff_tar_padding(int64_t size) { return (size_t)(-size & (EFF_TAR_BLOCK - 1)); }

#endif
