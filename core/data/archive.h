/* Pictures that are read in place from tar archives: what the kinds of such sources share; see source.h.
 *
 * A part is what one archive lists: a shard, or an archive inside of an archive. A picture costs 16 bytes and its name.
 */
#ifndef EFF_DATA_ARCHIVE_H
#define EFF_DATA_ARCHIVE_H

#include "data/source.h"
#include "io/tar.h"

typedef struct eff_archive_file {
    char *path;
    int64_t size;
    int fd; /* -1: opened for each read, since a process has only so many */
} eff_archive_file;

typedef struct eff_archive_part {
    char *name; /* opens the names of its pictures: "/data/train-0001.tar" */
    int file;
    int64_t first; /* picture */
    size_t names;  /* where those of its pictures begin */
} eff_archive_part;

typedef struct eff_archive_picture {
    uint32_t block; /* of 512 bytes, where it begins in the file */
    uint32_t name;  /* where that begins among those of its part */
    uint32_t size;  /* bytes */
    int32_t label;
} eff_archive_picture;

typedef struct eff_archive {
    eff_source head;
    eff_archive_file *files;       /* [file_count] */
    eff_archive_part *parts;       /* [part_count] */
    eff_archive_picture *pictures; /* [head.count] */
    char *names;
    int file_count, part_count;
    int64_t room;
    size_t names_size, names_room;
} eff_archive;

/* Empty, with the files (at least one) opened; eff_source_release frees it. */
eff_status eff_archive_open(eff_archive **out, const char *const *paths, int count, const char *kind);

/* The following pictures lie in this file. */
eff_status eff_archive_add_part(eff_archive *archive, const char *name, int file);

/* Adds a member to the last part. */
eff_status eff_archive_add(eff_archive *archive, const eff_tar_member *member, int label);

/* Sorts the pictures from `first` on, which belong to the last part, by name. */
void eff_archive_sort(eff_archive *archive, int64_t first);

/* A file's descriptor, to be given back. */
eff_status eff_archive_descriptor(int *fd, const eff_archive_file *file);
void eff_archive_give_back(int fd, const eff_archive_file *file);

const char *eff_archive_picture_name(const eff_archive *archive, int64_t index); /* in its part */

/* Whether a name ends like a picture's: .jpg, .jpeg, .png in any case. */
bool eff_is_picture_name(const char *name);

/* ---- The kinds ---- */

/* Fill an opened archive; see eff_source_open_archives for the classes. */
eff_status eff_archive_fill_shards(eff_archive *archive, const char *const *class_names, int classes);
eff_status eff_archive_fill_tars(eff_archive *archive);
eff_status eff_archive_fill_flat(eff_archive *archive, const char *labels_path, const char *const *class_names,
                                 int classes);

#endif
