/* ImageNet's archives as they are published: a tar of one tar a class, and a tar of pictures with a file of labels;
 * see source.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/archive.h"
#include "data/labels.h"

enum { MAX_NAME = 4096 };

/* ---- A tar of tars ---- */

typedef struct inner {
    char *name, *class_name; /* "train/n01440764.tar" is the class n01440764 */
    int64_t offset, size;
    int file;
} inner;

typedef struct inners {
    inner *list;
    int count;
} inners;

static eff_status add_inner(inners *all, const eff_tar_member *member, int file)
{
    inner *list = realloc(all->list, (size_t)(all->count + 1) * sizeof *list);
    if (!list) return eff_fail(EFF_E_MEMORY, "no memory for %d archives", all->count + 1);
    all->list = list;
    const char *slash = strrchr(member->name, '/'), *last = slash ? slash + 1 : member->name;
    inner *in = &list[all->count++];
    *in =
        (inner){strdup(member->name), strndup(last, strlen(last) - strlen(".tar")), member->offset, member->size, file};
    return in->name && in->class_name ? EFF_OK : eff_fail(EFF_E_MEMORY, "no memory for the name of an archive");
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t length = strlen(name), end = strlen(suffix);
    return length > end && strcmp(name + length - end, suffix) == 0;
}

static eff_status list_inners(inners *all, eff_tar *tar, const char *path, int file)
{
    eff_tar_member member;
    for (;;) {
        bool found;
        EFF_TRY(eff_tar_next(tar, &member, &found));
        if (!found) return EFF_OK;
        if (member.kind == EFF_TAR_FOLDER) continue;
        if (member.kind != EFF_TAR_FILE || !has_suffix(member.name, ".tar"))
            return eff_fail(EFF_E_FORMAT, "%s: holds %s among archives; wanted is one <class>.tar for each class", path,
                            member.name);
        EFF_TRY(add_inner(all, &member, file));
    }
}

static int by_class(const void *a, const void *b)
{
    return strcmp(((const inner *)a)->class_name, ((const inner *)b)->class_name);
}

static eff_status take_classes(eff_archive *a, const inners *all)
{
    const char **names = malloc((size_t)all->count * sizeof *names);
    if (!names) return eff_fail(EFF_E_MEMORY, "no memory for the class names");
    eff_status status = EFF_OK;
    for (int i = 0; status == EFF_OK && i < all->count; i++) {
        names[i] = all->list[i].class_name;
        if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
            status =
                eff_fail(EFF_E_FORMAT, "%s: the class \"%s\" comes twice", a->files[all->list[i].file].path, names[i]);
    }
    if (status == EFF_OK) status = eff_source_set_classes(&a->head, names, all->count);
    free(names);
    return status;
}

/* All picture files of an archive, as one part, sorted by name. */
static eff_status add_pictures(eff_archive *a, eff_tar *tar, const char *name, int file, int label)
{
    int64_t first = a->head.count, others = 0;
    EFF_TRY(eff_archive_add_part(a, name, file));
    for (;;) {
        eff_tar_member member;
        bool found;
        EFF_TRY(eff_tar_next(tar, &member, &found));
        if (!found) break;
        if (member.kind == EFF_TAR_FILE && eff_is_picture_name(member.name))
            EFF_TRY(eff_archive_add(a, &member, label));
        else if (member.kind != EFF_TAR_FOLDER)
            others++;
    }
    eff_archive_sort(a, first);
    if (others)
        EFF_TRY(eff_source_add_notice(&a->head, "%s: %lld members are neither JPEG nor PNG and are left out", name,
                                      (long long)others));
    if (a->head.count == first) EFF_TRY(eff_source_add_notice(&a->head, "%s: has no images", name));
    return EFF_OK;
}

static eff_status index_range(eff_archive *a, const char *name, int file, int64_t start, int64_t size, int label)
{
    eff_tar *tar = NULL;
    int fd;
    EFF_TRY(eff_archive_descriptor(&fd, &a->files[file]));
    eff_status status = eff_tar_open(&tar, fd, name, start, size);
    if (status == EFF_OK) status = add_pictures(a, tar, name, file, label);
    eff_tar_close(tar);
    eff_archive_give_back(fd, &a->files[file]);
    return status;
}

static eff_status fill_from(eff_archive *a, inners *all)
{
    char name[MAX_NAME];
    for (int file = 0; file < a->file_count; file++) {
        const eff_archive_file *f = &a->files[file];
        eff_tar *tar = NULL;
        int fd;
        EFF_TRY(eff_archive_descriptor(&fd, f));
        eff_status status = eff_tar_open(&tar, fd, f->path, 0, f->size);
        if (status == EFF_OK) status = list_inners(all, tar, f->path, file);
        eff_tar_close(tar);
        eff_archive_give_back(fd, f);
        EFF_TRY(status);
    }
    qsort(all->list, (size_t)all->count, sizeof *all->list, by_class);
    EFF_TRY(take_classes(a, all));
    for (int i = 0; i < all->count; i++) {
        const inner *in = &all->list[i];
        snprintf(name, sizeof name, "%s/%s", a->files[in->file].path, in->name);
        EFF_TRY(index_range(a, name, in->file, in->offset, in->size, i));
    }
    return EFF_OK;
}

eff_status eff_archive_fill_tars(eff_archive *a)
{
    inners all = {0};
    eff_status status = fill_from(a, &all);
    for (int i = 0; i < all.count; i++) {
        free(all.list[i].name);
        free(all.list[i].class_name);
    }
    free(all.list);
    return status;
}

/* ---- A tar of pictures, with a file of labels beside it ---- */

static eff_status no_label_file(const char *path)
{
    return eff_fail(
        EFF_E_FORMAT,
        "%s: pictures without classes. Beside it is wanted " EFF_LABEL_FILES ", with lines "
        "\"picture class\" or \"picture,class\"; in a shard of WebDataset every picture 123.jpg has a member "
        "123.cls (its class as a number from 0) or 123.json with \"label\"",
        path);
}

static eff_status label_pictures(eff_archive *a, eff_labels *labels, const char *const *class_names, int classes)
{
    EFF_TRY(eff_labels_set_classes(labels, class_names, classes));
    EFF_TRY(eff_labels_check_count(labels, a->head.count));
    for (int64_t i = 0; i < a->head.count; i++)
        EFF_TRY(eff_labels_class_of(&a->pictures[i].label, labels, i, eff_archive_picture_name(a, i)));
    classes = eff_labels_classes(labels, &class_names);
    return eff_source_set_classes(&a->head, class_names, classes);
}

eff_status eff_archive_fill_flat(eff_archive *a, const char *labels_path, const char *const *class_names, int classes)
{
    const eff_archive_file *file = &a->files[0];
    if (!labels_path) return no_label_file(file->path);
    if (a->file_count > 1)
        return eff_fail(EFF_E_FORMAT, "%s and %d others: only one archive can have its labels in %s", file->path,
                        a->file_count - 1, labels_path);
    EFF_TRY(index_range(a, file->path, 0, 0, file->size, 0));
    eff_labels *labels = NULL;
    EFF_TRY(eff_labels_read(&labels, labels_path));
    eff_status status = label_pictures(a, labels, class_names, classes);
    eff_labels_free(labels);
    return status;
}
