/* See archive.h; which kind of archive it is, is decided here too. */
#define _GNU_SOURCE /* qsort_r */
#include "data/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"

enum { KEPT_OPEN = 256, MAX_PICTURE_BYTES = 1 << 30 };

/* ---- Files ---- */

static eff_status open_file(int *fd, const char *path)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    return *fd < 0 ? eff_fail_errno(path, "read", errno) : EFF_OK;
}

eff_status eff_archive_descriptor(int *fd, const eff_archive_file *file)
{
    *fd = file->fd;
    return file->fd >= 0 ? EFF_OK : open_file(fd, file->path);
}

void eff_archive_give_back(int fd, const eff_archive_file *file)
{
    if (file->fd < 0) close(fd);
}

static eff_status add_file(eff_archive *a, const char *path)
{
    eff_archive_file *file = &a->files[a->file_count];
    struct stat info;
    *file = (eff_archive_file){.path = strdup(path), .fd = -1};
    if (!file->path) return eff_fail(EFF_E_MEMORY, "no memory for a path");
    a->file_count++;
    int fd;
    EFF_TRY(open_file(&fd, path));
    eff_status status = fstat(fd, &info) == 0 ? EFF_OK : eff_fail_errno(path, "read", errno);
    if (status == EFF_OK && !S_ISREG(info.st_mode))
        status = eff_fail(EFF_E_IO, "%s: not a plain file (wanted is a tar archive)", path);
    file->size = info.st_size;
    if (status == EFF_OK && a->file_count <= KEPT_OPEN)
        file->fd = fd;
    else
        close(fd);
    return status;
}

/* ---- Pictures ---- */

eff_status eff_archive_add_part(eff_archive *a, const char *name, int file)
{
    eff_archive_part *parts = realloc(a->parts, (size_t)(a->part_count + 1) * sizeof *parts);
    if (!parts) return eff_fail(EFF_E_MEMORY, "no memory for %d archives", a->part_count + 1);
    a->parts = parts;
    parts[a->part_count] = (eff_archive_part){strdup(name), file, a->head.count, a->names_size};
    if (!parts[a->part_count].name) return eff_fail(EFF_E_MEMORY, "no memory for a path");
    a->part_count++;
    return EFF_OK;
}

/* Makes room for one more element of `size` bytes, half as many again as there are. */
static void *grown(void *block, int64_t *room, int64_t needed, size_t size)
{
    if (needed <= *room) return block;
    int64_t more = needed + needed / 2 + 64;
    void *larger = realloc(block, (size_t)more * size);
    if (larger) *room = more;
    return larger;
}

static eff_status add_name(eff_archive *a, const char *name)
{
    size_t length = strlen(name) + 1;
    int64_t room = (int64_t)a->names_room;
    char *names = grown(a->names, &room, (int64_t)(a->names_size + length), 1);
    if (!names) return eff_fail(EFF_E_MEMORY, "no memory for the names of %lld pictures", (long long)a->head.count);
    a->names = names;
    a->names_room = (size_t)room;
    memcpy(names + a->names_size, name, length);
    a->names_size += length;
    return EFF_OK;
}

eff_status eff_archive_add(eff_archive *a, const eff_tar_member *member, int label)
{
    if (member->size > MAX_PICTURE_BYTES)
        return eff_fail(EFF_E_FORMAT, "%s/%s: %lld bytes are too many for an image file (at most %d)",
                        a->parts[a->part_count - 1].name, member->name, (long long)member->size, MAX_PICTURE_BYTES);
    int64_t block = member->offset / EFF_TAR_BLOCK, name = (int64_t)(a->names_size - a->parts[a->part_count - 1].names);
    if (block > UINT32_MAX || name > UINT32_MAX)
        return eff_fail(EFF_E_FORMAT, "%s: an archive of more than 2 TB, or with 4 GB of names",
                        a->parts[a->part_count - 1].name);
    eff_archive_picture *pictures = grown(a->pictures, &a->room, a->head.count + 1, sizeof *pictures);
    if (!pictures) return eff_fail(EFF_E_MEMORY, "no memory for %lld pictures", (long long)a->head.count + 1);
    a->pictures = pictures;
    pictures[a->head.count] = (eff_archive_picture){(uint32_t)block, (uint32_t)name, (uint32_t)member->size, label};
    EFF_TRY(add_name(a, member->name));
    a->head.count++;
    return EFF_OK;
}

static int compare_names(const void *left, const void *right, void *names)
{
    const eff_archive_picture *l = left, *r = right;
    return strcmp((char *)names + l->name, (char *)names + r->name);
}

void eff_archive_sort(eff_archive *a, int64_t first)
{
    if (a->head.count - first > 1)
        qsort_r(a->pictures + first, (size_t)(a->head.count - first), sizeof *a->pictures, compare_names,
                a->names + a->parts[a->part_count - 1].names);
}

bool eff_is_picture_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 || strcasecmp(dot, ".png") == 0);
}

/* ---- The source ---- */

static const eff_archive_part *part_of(const eff_archive *a, int64_t index)
{
    int low = 0, high = a->part_count - 1; /* the last one that begins at or before it; empty ones begin as the next */
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (a->parts[middle].first <= index)
            low = middle;
        else
            high = middle - 1;
    }
    return &a->parts[low];
}

const char *eff_archive_picture_name(const eff_archive *a, int64_t index)
{
    return a->names + part_of(a, index)->names + a->pictures[index].name;
}

static int archive_label(const eff_source *source, int64_t index)
{
    return ((const eff_archive *)source)->pictures[index].label;
}

static void archive_name(const eff_source *source, int64_t index, char *text, size_t size)
{
    const eff_archive *a = (const eff_archive *)source;
    const eff_archive_part *part = part_of(a, index);
    snprintf(text, size, "%s/%s", part->name, eff_archive_picture_name(a, index));
}

static eff_status archive_read(const eff_source *source, int64_t index, eff_reader *reader)
{
    const eff_archive *a = (const eff_archive *)source;
    const eff_archive_picture *picture = &a->pictures[index];
    const eff_archive_file *file = &a->files[part_of(a, index)->file];
    int fd;
    reader->file.size = 0;
    EFF_TRY(eff_buffer_reserve(&reader->file, picture->size));
    EFF_TRY(eff_archive_descriptor(&fd, file));
    eff_status status = eff_read_at(fd, file->path, reader->file.data, picture->size,
                                    (int64_t)picture->block * EFF_TAR_BLOCK);
    eff_archive_give_back(fd, file);
    EFF_TRY(status);
    reader->file.size = picture->size;
    return eff_picture_open(&reader->picture, &reader->file);
}

static void archive_close(eff_source *source)
{
    eff_archive *a = (eff_archive *)source;
    for (int i = 0; i < a->file_count; i++) {
        if (a->files[i].fd >= 0) close(a->files[i].fd);
        free(a->files[i].path);
    }
    for (int i = 0; i < a->part_count; i++) free(a->parts[i].name);
    free(a->files);
    free(a->parts);
    free(a->pictures);
    free(a->names);
}

static int archive_shard(const eff_source *source, int64_t index)
{
    const eff_archive *a = (const eff_archive *)source;
    return (int)(part_of(a, index) - a->parts);
}

static const eff_source_ops archive_ops = {.label = archive_label,
                                           .read = archive_read,
                                           .name = archive_name,
                                           .shard = archive_shard,
                                           .close = archive_close};

eff_status eff_archive_open(eff_archive **out, const char *const *paths, int count, const char *kind)
{
    eff_archive *a = eff_source_allocate(sizeof *a, &archive_ops, kind);
    if (!a) return EFF_E_MEMORY;
    const char *slash = strrchr(paths[0], '/');
    a->head.root = slash ? strndup(paths[0], (size_t)(slash - paths[0])) : strdup("");
    a->files = calloc((size_t)count, sizeof *a->files);
    bool enough = a->head.root && a->files;
    eff_status status = enough ? EFF_OK : eff_fail(EFF_E_MEMORY, "no memory for %d archives", count);
    for (int i = 0; status == EFF_OK && i < count; i++) status = add_file(a, paths[i]);
    if (status == EFF_OK)
        *out = a;
    else
        eff_source_release(&a->head);
    return status;
}

/* ---- Which kind ---- */

typedef enum content { CONTENT_SHARDS, CONTENT_TARS, CONTENT_FLAT } content;

static bool ends_in_tar(const char *name)
{
    size_t length = strlen(name);
    return length > 4 && strcasecmp(name + length - 4, ".tar") == 0;
}

/* By the first two files: archives, or pictures side by side without anything about them. */
static eff_status look_inside(content *out, eff_tar *tar)
{
    eff_tar_member member;
    bool found = true;
    int pictures = 0;
    *out = CONTENT_SHARDS;
    for (int files = 0; files < 2;) {
        EFF_TRY(eff_tar_next(tar, &member, &found));
        if (!found) break;
        if (member.kind != EFF_TAR_FILE) continue;
        if (ends_in_tar(member.name)) {
            *out = CONTENT_TARS;
            return EFF_OK;
        }
        files++;
        pictures += eff_is_picture_name(member.name);
    }
    if (pictures == 2 || (pictures == 1 && !found)) *out = CONTENT_FLAT;
    return EFF_OK;
}

static eff_status content_of(content *out, const eff_archive *a)
{
    const eff_archive_file *file = &a->files[0];
    eff_tar *tar = NULL;
    int fd;
    EFF_TRY(eff_archive_descriptor(&fd, file));
    eff_status status = eff_tar_open(&tar, fd, file->path, 0, file->size);
    if (status == EFF_OK) status = look_inside(out, tar);
    eff_tar_close(tar);
    eff_archive_give_back(fd, file);
    return status;
}

static eff_status fill(eff_archive *a, const char *labels_path, const char *const *class_names, int classes)
{
    content c;
    EFF_TRY(content_of(&c, a));
    if (c == CONTENT_TARS) {
        a->head.kind = "tar of tars";
        return eff_archive_fill_tars(a);
    }
    if (c == CONTENT_FLAT) {
        a->head.kind = "labelled tar";
        return eff_archive_fill_flat(a, labels_path, class_names, classes);
    }
    return eff_archive_fill_shards(a, class_names, classes);
}

/* Gives back what the lists have beyond their ends; a realloc that fails leaves them as they are. */
static void trim(eff_archive *a)
{
    eff_archive_picture *pictures = realloc(a->pictures, (size_t)a->head.count * sizeof *pictures);
    char *names = realloc(a->names, a->names_size);
    if (pictures) a->pictures = pictures;
    if (names) a->names = names;
}

eff_status eff_source_open_archives(eff_source **out, const char *const *paths, int count, const char *labels_path,
                                    const char *const *class_names, int classes)
{
    if (count < 1) return eff_fail(EFF_E_ARGUMENT, "archives: no path is given");
    eff_archive *a = NULL;
    EFF_TRY(eff_archive_open(&a, paths, count, "shards"));
    eff_status status = fill(a, labels_path, class_names, classes);
    if (status == EFF_OK && a->head.count == 0)
        status = eff_fail(EFF_E_FORMAT, "%s%s: no pictures in it", paths[0], count > 1 ? " and the others" : "");
    if (status != EFF_OK) {
        eff_source_release(&a->head);
        return status;
    }
    trim(a);
    *out = &a->head;
    return EFF_OK;
}
