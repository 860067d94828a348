/* WebDataset's shards; see source.h. A sample is a run of members whose names are the same up to the first dot of the
 * last part: "n01/000123.jpg" and "n01/000123.cls" are one. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/archive.h"
#include "io/json.h"

enum { MAX_CLS = 64, MAX_JSON = 1 << 20, MAX_CLASSES = 1 << 24, NO_LABEL = -1 };

typedef struct group { /* the sample that is being read */
    char *picture;     /* name of its picture, or NULL */
    int64_t offset, size;
    char *key;
    int label;
    bool label_is_cls;
} group;

typedef struct walk {
    eff_archive *archive;
    eff_tar *tar;
    const char *path;
    int classes;  /* that were given, or 0 */
    int *largest; /* label so far */
    int64_t bare; /* samples without a picture */
    group group;
} walk;

static void clear_group(group *g)
{
    free(g->picture);
    free(g->key);
    *g = (group){.label = NO_LABEL};
}

static eff_status no_class(const walk *w)
{
    return eff_fail(EFF_E_FORMAT,
                    "%s/%s: has no class; wanted is a member %s.cls beside it, with a number from 0, or "
                    "%s.json with \"label\"",
                    w->path, w->group.picture, w->group.key, w->group.key);
}

static eff_status finish_group(walk *w)
{
    group *g = &w->group;
    eff_status status = EFF_OK;
    if (g->key && !g->picture) w->bare++;
    if (g->picture && g->label == NO_LABEL) status = no_class(w);
    eff_tar_member member = {.name = g->picture, .kind = EFF_TAR_FILE, .offset = g->offset, .size = g->size};
    if (g->picture && status == EFF_OK) status = eff_archive_add(w->archive, &member, g->label);
    if (g->label > *w->largest) *w->largest = g->label;
    clear_group(g);
    return status;
}

static eff_status start_group(walk *w, const char *name, size_t length)
{
    EFF_TRY(finish_group(w));
    w->group.key = strndup(name, length);
    return w->group.key ? EFF_OK : eff_fail(EFF_E_MEMORY, "no memory for a name");
}

/* ---- Members ---- */

static eff_status take_picture(walk *w, const eff_tar_member *member)
{
    group *g = &w->group;
    if (g->picture)
        return eff_fail(EFF_E_FORMAT, "%s: the sample %s has two pictures, %s and %s; one is wanted", w->path, g->key,
                        g->picture, member->name);
    g->picture = strdup(member->name);
    g->offset = member->offset;
    g->size = member->size;
    return g->picture ? EFF_OK : eff_fail(EFF_E_MEMORY, "no memory for a name");
}

static eff_status take_label(walk *w, const eff_tar_member *member, long long label)
{
    int most = w->classes > 0 ? w->classes : MAX_CLASSES;
    if (label < 0 || label >= most)
        return eff_fail(EFF_E_FORMAT, "%s/%s: the class %lld is outside of 0 to %d%s", w->path, member->name, label,
                        most - 1, w->classes > 0 ? ", as many as there are class names" : "");
    w->group.label = (int)label;
    return EFF_OK;
}

static eff_status take_cls(walk *w, const eff_tar_member *member)
{
    char text[MAX_CLS + 1] = {0}, *end = text;
    long long label = -1;
    if (member->size <= MAX_CLS) {
        EFF_TRY(eff_tar_read(w->tar, member, text));
        label = strtoll(text, &end, 10);
    }
    while (isspace((unsigned char)*end)) end++;
    if (end == text || *end)
        return eff_fail(EFF_E_FORMAT, "%s/%s: its class is no whole number (a text such as \"17\" is wanted)", w->path,
                        member->name);
    w->group.label_is_cls = true;
    return take_label(w, member, label);
}

static eff_status take_json_value(walk *w, const eff_tar_member *member, const json_t *value)
{
    const json_t *label = json_object_get(value, "label");
    if (!label || w->group.label_is_cls) return EFF_OK;
    if (!json_is_integer(label))
        return eff_fail(EFF_E_FORMAT, "%s/%s: \"label\" is no whole number", w->path, member->name);
    return take_label(w, member, json_integer_value(label));
}

static eff_status take_json(walk *w, const eff_tar_member *member)
{
    char name[1024];
    json_t *value = NULL;
    snprintf(name, sizeof name, "%s/%s", w->path, member->name);
    if (member->size > MAX_JSON) return eff_fail(EFF_E_FORMAT, "%s: more than a megabyte of JSON", name);
    char *text = malloc((size_t)member->size + 1);
    if (!text) return eff_fail(EFF_E_MEMORY, "%s: no memory", name);
    eff_status status = eff_tar_read(w->tar, member, text);
    if (status == EFF_OK) status = eff_json_parse(&value, text, (size_t)member->size, name);
    if (status == EFF_OK) status = take_json_value(w, member, value);
    json_decref(value);
    free(text);
    return status;
}

static eff_status take_member(walk *w, const eff_tar_member *member)
{
    const char *slash = strrchr(member->name, '/'), *last = slash ? slash + 1 : member->name, *dot = strchr(last, '.');
    if (member->kind != EFF_TAR_FILE || !dot || dot == last) return EFF_OK; /* hidden files have no key */
    size_t length = (size_t)(dot - member->name);
    const char *key = w->group.key;
    if (!key || strlen(key) != length || memcmp(key, member->name, length) != 0)
        EFF_TRY(start_group(w, member->name, length));
    if (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 || strcasecmp(dot, ".png") == 0)
        return take_picture(w, member);
    if (strcasecmp(dot, ".cls") == 0) return take_cls(w, member);
    return strcasecmp(dot, ".json") == 0 ? take_json(w, member) : EFF_OK;
}

/* ---- Shards ---- */

static eff_status walk_shard(walk *w)
{
    for (;;) {
        eff_tar_member member;
        bool found;
        EFF_TRY(eff_tar_next(w->tar, &member, &found));
        if (!found) return finish_group(w);
        EFF_TRY(take_member(w, &member));
    }
}

static eff_status index_shard(eff_archive *a, int file, int classes, int *largest)
{
    const eff_archive_file *f = &a->files[file];
    walk w = {.archive = a, .path = f->path, .classes = classes, .largest = largest, .group = {.label = NO_LABEL}};
    int fd;
    EFF_TRY(eff_archive_add_part(a, f->path, file));
    EFF_TRY(eff_archive_descriptor(&fd, f));
    eff_status status = eff_tar_open(&w.tar, fd, f->path, 0, f->size);
    if (status == EFF_OK) status = walk_shard(&w);
    clear_group(&w.group);
    eff_tar_close(w.tar);
    eff_archive_give_back(fd, f);
    if (status == EFF_OK && w.bare)
        status = eff_source_add_notice(&a->head, "%s: %lld samples have no picture (jpg, jpeg, png) and are left out",
                                       f->path, (long long)w.bare);
    return status;
}

/* Their numbers, where nobody knows their names. */
static eff_status name_classes(eff_archive *a, int classes)
{
    enum { DIGITS = 12 };
    char *texts = malloc((size_t)classes * DIGITS + 1);
    const char **names = malloc(((size_t)classes + 1) * sizeof *names);
    eff_status status = texts && names ? EFF_OK : eff_fail(EFF_E_MEMORY, "no memory for %d class names", classes);
    for (int i = 0; status == EFF_OK && i < classes; i++) {
        names[i] = texts + (size_t)i * DIGITS;
        snprintf(texts + (size_t)i * DIGITS, DIGITS, "%d", i);
    }
    if (status == EFF_OK) status = eff_source_set_classes(&a->head, names, classes);
    free(texts);
    free(names);
    return status;
}

eff_status eff_archive_fill_shards(eff_archive *a, const char *const *class_names, int classes)
{
    int largest = NO_LABEL;
    for (int i = 0; i < a->file_count; i++) EFF_TRY(index_shard(a, i, classes, &largest));
    a->head.shards = a->part_count;
    if (classes > 0) return eff_source_set_classes(&a->head, class_names, classes);
    return name_classes(a, largest + 1);
}
