/* What all kinds of sources share, and the subset; see source.h. */
#include "data/source.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void eff_reader_free(eff_reader *reader)
{
    eff_image_free(&reader->image);
    eff_buffer_free(&reader->file);
}

eff_status eff_source_read(const eff_source *source, int64_t index, eff_reader *reader)
{
    if (index < 0 || index >= source->count)
        return eff_fail(EFF_E_ARGUMENT, "picture %lld of %s: there are %lld", (long long)index, source->kind,
                        (long long)source->count);
    eff_status status = source->ops->read(source, index, reader);
    if (status == EFF_OK) return EFF_OK;
    char name[512];
    eff_source_name(source, index, name, sizeof name);
    if (strncmp(eff_message(), name, strlen(name)) == 0) return status; /* the system's errors name the path already */
    return eff_fail_at(status, "%s", name);
}

void eff_source_name(const eff_source *source, int64_t index, char *text, size_t size)
{
    source->ops->name(source, index, text, size);
}

void eff_source_key(const eff_source *source, int64_t index, char *text, size_t size)
{
    eff_source_name(source, index, text, size);
    size_t skip = source->root ? strlen(source->root) : 0;
    if (skip && strncmp(text, source->root, skip) == 0 && text[skip] == '/')
        memmove(text, text + skip + 1, strlen(text + skip + 1) + 1);
}

int eff_source_labels(const eff_source *source, int64_t index, const int32_t **list, int32_t *only)
{
    if (source->ops->labels) return source->ops->labels(source, index, list);
    *only = source->ops->label(source, index);
    *list = only;
    return 1;
}

void eff_source_targets(const eff_source *source, float *targets, const int64_t *indices, int64_t n, int64_t classes)
{
    memset(targets, 0, (size_t)(n * classes) * sizeof *targets);
    for (int64_t i = 0; i < n; i++) {
        const int32_t *list;
        int32_t only;
        int count = eff_source_labels(source, indices[i], &list, &only);
        for (int k = 0; k < count; k++) targets[i * classes + list[k]] = 1.0f / (float)count;
    }
}

eff_source *eff_source_retain(eff_source *source)
{
    __atomic_add_fetch(&source->references, 1, __ATOMIC_RELAXED);
    return source;
}

void eff_source_release(eff_source *source)
{
    if (!source || __atomic_sub_fetch(&source->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    source->ops->close(source);
    for (int i = 0; i < source->classes; i++) free(source->class_names[i]);
    free(source->class_names);
    free(source->root);
    free(source->notice);
    free(source);
}

void *eff_source_allocate(size_t size, const eff_source_ops *ops, const char *kind)
{
    eff_source *source = calloc(1, size);
    if (!source) {
        eff_fail(EFF_E_MEMORY, "no memory for a data source");
        return NULL;
    }
    source->ops = ops;
    source->references = 1;
    source->kind = kind;
    return source;
}

eff_status eff_source_set_classes(eff_source *source, const char *const *names, int classes)
{
    source->class_names = calloc((size_t)classes + 1, sizeof *source->class_names);
    if (!source->class_names) return eff_fail(EFF_E_MEMORY, "no memory for %d class names", classes);
    for (int i = 0; i < classes; i++) {
        source->class_names[i] = strdup(names[i]);
        if (!source->class_names[i]) return eff_fail(EFF_E_MEMORY, "no memory for %d class names", classes);
        source->classes = i + 1;
    }
    return EFF_OK;
}

eff_status eff_source_add_notice(eff_source *source, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    size_t old = source->notice ? strlen(source->notice) : 0, added = strlen(line);
    char *longer = realloc(source->notice, old + added + 2);
    if (!longer) return eff_fail(EFF_E_MEMORY, "no memory for a notice");
    if (old) longer[old++] = '\n';
    memcpy(longer + old, line, added + 1);
    source->notice = longer;
    return EFF_OK;
}

/* ---- Subset ---- */

typedef struct subset {
    eff_source head;
    eff_source *base;
    uint32_t *indices; /* [head.count] */
} subset;

static int subset_label(const eff_source *source, int64_t index)
{
    const subset *s = (const subset *)source;
    return eff_source_label(s->base, s->indices[index]);
}

static int subset_labels(const eff_source *source, int64_t index, const int32_t **list)
{
    const subset *s = (const subset *)source;
    return s->base->ops->labels(s->base, s->indices[index], list);
}

static eff_status subset_read(const eff_source *source, int64_t index, eff_reader *reader)
{
    const subset *s = (const subset *)source;
    return s->base->ops->read(s->base, s->indices[index], reader);
}

static void subset_name(const eff_source *source, int64_t index, char *text, size_t size)
{
    const subset *s = (const subset *)source;
    eff_source_name(s->base, s->indices[index], text, size);
}

static int subset_shard(const eff_source *source, int64_t index)
{
    const subset *s = (const subset *)source;
    return s->base->ops->shard(s->base, s->indices[index]);
}

static void subset_close(eff_source *source)
{
    subset *s = (subset *)source;
    eff_source_release(s->base);
    free(s->indices);
}

static const eff_source_ops subset_ops = {
    .label = subset_label, .read = subset_read, .name = subset_name, .shard = subset_shard, .close = subset_close};
static const eff_source_ops subset_labels_ops = {.label = subset_label,
                                                 .labels = subset_labels,
                                                 .read = subset_read,
                                                 .name = subset_name,
                                                 .shard = subset_shard,
                                                 .close = subset_close};

static eff_status subset_fill(subset *s, const int64_t *indices, int64_t n)
{
    s->indices = malloc((size_t)n * sizeof *s->indices);
    if (!s->indices) return eff_fail(EFF_E_MEMORY, "no memory for a subset of %lld pictures", (long long)n);
    for (int64_t i = 0; i < n; i++) {
        if (indices[i] < 0 || indices[i] >= s->base->count)
            return eff_fail(EFF_E_ARGUMENT, "subset: picture %lld does not exist; the source has %lld (0 to %lld)",
                            (long long)indices[i], (long long)s->base->count, (long long)s->base->count - 1);
        s->indices[i] = (uint32_t)indices[i];
    }
    s->head.count = n;
    if (s->base->root && !(s->head.root = strdup(s->base->root))) return eff_fail(EFF_E_MEMORY, "no memory for a path");
    return eff_source_set_classes(&s->head, (const char *const *)s->base->class_names, s->base->classes);
}

eff_status eff_source_open_subset(eff_source **out, eff_source *base, const int64_t *indices, int64_t n)
{
    if (n < 1) return eff_fail(EFF_E_ARGUMENT, "subset: it would be empty");
    if (base->count > UINT32_MAX)
        return eff_fail(EFF_E_ARGUMENT, "subset: of %lld pictures; 2^32 are possible", (long long)base->count);
    subset *s = eff_source_allocate(sizeof *s, base->ops->labels ? &subset_labels_ops : &subset_ops, "subset");
    if (!s) return EFF_E_MEMORY;
    s->base = eff_source_retain(base);
    s->head.shards = base->shards;
    eff_status status = subset_fill(s, indices, n);
    if (status == EFF_OK) *out = &s->head;
    else eff_source_release(&s->head);
    return status;
}
