/* Pictures that are files; see files.h. */
#include "data/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PATH = 4096 };

static int files_label(const eff_source *source, int64_t index)
{
    const eff_files *f = (const eff_files *)source;
    return f->labels[f->first ? (int64_t)f->first[index] : index];
}

static int files_labels(const eff_source *source, int64_t index, const int32_t **list)
{
    const eff_files *f = (const eff_files *)source;
    *list = f->labels + f->first[index];
    return (int)(f->first[index + 1] - f->first[index]);
}

static void files_name(const eff_source *source, int64_t index, char *text, size_t size)
{
    const char *path = eff_names_at(&((const eff_files *)source)->names, index);
    if (path[0] == '/') snprintf(text, size, "%s", path);
    else snprintf(text, size, "%s/%s", source->root, path);
}

static eff_status files_read(const eff_source *source, int64_t index, eff_reader *reader)
{
    char path[MAX_PATH];
    files_name(source, index, path, sizeof path);
    EFF_TRY(eff_buffer_read_file(&reader->file, path));
    return eff_picture_open(&reader->picture, &reader->file);
}

static void files_close(eff_source *source)
{
    eff_files *f = (eff_files *)source;
    eff_names_free(&f->names);
    free(f->labels);
    free(f->first);
}

static const eff_source_ops one_label = {
    .label = files_label, .read = files_read, .name = files_name, .close = files_close};
static const eff_source_ops several_labels = {
    .label = files_label, .labels = files_labels, .read = files_read, .name = files_name, .close = files_close};

eff_files *eff_files_new(const char *kind, const char *root)
{
    eff_files *f = eff_source_allocate(sizeof *f, &one_label, kind);
    if (!f) return NULL;
    f->head.root = strdup(root);
    if (f->head.root) return f;
    eff_source_release(&f->head);
    eff_fail(EFF_E_MEMORY, "no memory for a path");
    return NULL;
}

/* An array with room for `count` elements, grown by doubling. */
static void *grown(void *array, int64_t *room, int64_t count, size_t element)
{
    if (count <= *room) return array;
    int64_t more = 2 * count > 64 ? 2 * count : 64;
    void *larger = realloc(array, (size_t)more * element);
    if (larger) *room = more;
    else eff_fail(EFF_E_MEMORY, "no memory for the labels of %lld pictures", (long long)count);
    return larger;
}

static eff_status append_labels(eff_files *f, const int32_t *labels, int64_t count)
{
    if (f->first && f->label_count + count > UINT32_MAX)
        return eff_fail(EFF_E_MEMORY, "%s: more than 2^32 labels", f->head.root);
    int32_t *longer = grown(f->labels, &f->label_room, f->label_count + count, sizeof *longer);
    if (!longer) return EFF_E_MEMORY;
    f->labels = longer;
    memcpy(longer + f->label_count, labels, (size_t)count * sizeof *labels);
    f->label_count += count;
    return EFF_OK;
}

/* Notes that the labels of the last picture end here; of all before it, when it is the first with several. */
static eff_status end_labels(eff_files *f)
{
    bool begin = !f->first;
    uint32_t *first = grown(f->first, &f->first_room, f->names.count + 1, sizeof *first);
    if (!first) return EFF_E_MEMORY;
    f->first = first;
    for (int64_t i = 0; begin && i < f->names.count; i++) first[i] = (uint32_t)i;
    first[f->names.count] = (uint32_t)f->label_count;
    return EFF_OK;
}

eff_status eff_files_add(eff_files *f, const char *path, int32_t label)
{
    return eff_files_add_labelled(f, path, &label, 1);
}

eff_status eff_files_add_labelled(eff_files *f, const char *path, const int32_t *labels, int count)
{
    EFF_TRY(eff_names_add(&f->names, path));
    EFF_TRY(append_labels(f, labels, count));
    return count > 1 || f->first ? end_labels(f) : EFF_OK;
}

eff_status eff_files_label_rest(eff_files *f, int32_t label)
{
    while (f->label_count < f->names.count) EFF_TRY(append_labels(f, &label, 1));
    return EFF_OK;
}

static void complete(eff_files *f)
{
    f->head.count = f->names.count;
    f->head.ops = f->first ? &several_labels : &one_label;
    eff_names_trim(&f->names);
    int32_t *labels = f->label_count ? realloc(f->labels, (size_t)f->label_count * sizeof *labels) : NULL;
    if (labels) f->labels = labels;
    uint32_t *first = f->first ? realloc(f->first, (size_t)(f->head.count + 1) * sizeof *first) : NULL;
    if (first) f->first = first;
}

eff_status eff_files_end(eff_source **out, eff_files *f, eff_status status)
{
    if (status != EFF_OK) {
        eff_source_release(&f->head);
        return status;
    }
    complete(f);
    *out = &f->head;
    return EFF_OK;
}
