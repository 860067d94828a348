/* See labels.h. */
#include "data/labels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/file.h"

enum { MAX_BYTES = 1 << 30 };

typedef struct entry {
    const char *picture; /* without extension; NULL where the line is a class alone */
    const char *class_name;
    int line, label;
} entry;

struct eff_labels {
    char *path, *text;
    entry *entries; /* [count], sorted by picture where it is named */
    int64_t count;
    const char **own_classes; /* or NULL: given by the caller */
    const char *const *class_names;
    int classes;
};

/* ---- Lines ---- */

static void cut_extension(char *name)
{
    static const char *const extensions[] = {".jpg", ".jpeg", ".png"};
    char *dot = strrchr(name, '.');
    for (int i = 0; dot && i < 3; i++)
        if (strcasecmp(dot, extensions[i]) == 0) *dot = '\0';
}

/* The next word of a line, or NULL; ends it with a NUL. */
static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \t,\r");
    if (!*word) return NULL;
    char *end = word + strcspn(word, " \t,\r");
    *rest = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

static bool is_heading(const char *second) { return strcmp(second, "PredictionString") == 0; }

static eff_status read_line(eff_labels *l, char *line, int number)
{
    char *first = next_word(&line), *second = first ? next_word(&line) : NULL;
    if (!first || (number == 1 && second && is_heading(second))) return EFF_OK;
    bool named = second != NULL;
    if (l->count > 0 && named != (l->entries[0].picture != NULL))
        return eff_fail(EFF_E_FORMAT,
                        "%s: line %d is %s, the lines before are not; wanted is \"picture class\" in every "
                        "line, or a class alone in every line",
                        l->path, number, named ? "a picture and its class" : "a class alone");
    if (named) cut_extension(first);
    l->entries[l->count++] = (entry){named ? first : NULL, named ? second : first, number, -1};
    return EFF_OK;
}

static int64_t count_lines(const char *text)
{
    int64_t lines = 1;
    for (; (text = strchr(text, '\n')); text++) lines++;
    return lines;
}

static eff_status read_lines(eff_labels *l)
{
    l->entries = malloc((size_t)count_lines(l->text) * sizeof *l->entries);
    if (!l->entries) return eff_fail(EFF_E_MEMORY, "%s: no memory for its lines", l->path);
    int number = 0;
    for (char *line = l->text; line;) {
        char *end = strchr(line, '\n');
        if (end) *end = '\0';
        EFF_TRY(read_line(l, line, ++number));
        line = end ? end + 1 : NULL;
    }
    return l->count > 0 ? EFF_OK : eff_fail(EFF_E_FORMAT, "%s: has no lines \"picture class\"", l->path);
}

static int by_picture(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->picture, ((const entry *)b)->picture);
}

static eff_status sort_pictures(eff_labels *l)
{
    if (!l->entries[0].picture) return EFF_OK;
    qsort(l->entries, (size_t)l->count, sizeof *l->entries, by_picture);
    for (int64_t i = 1; i < l->count; i++)
        if (by_picture(&l->entries[i - 1], &l->entries[i]) == 0)
            return eff_fail(EFF_E_FORMAT, "%s: lines %d and %d are both about %s", l->path, l->entries[i - 1].line,
                            l->entries[i].line, l->entries[i].picture);
    return EFF_OK;
}

static eff_status read_file(eff_labels *l, const char *path)
{
    size_t bytes;
    l->path = strdup(path);
    if (!l->path) return eff_fail(EFF_E_MEMORY, "no memory for a path");
    EFF_TRY(eff_file_read(&l->text, &bytes, path, MAX_BYTES));
    if (strlen(l->text) != bytes) return eff_fail(EFF_E_FORMAT, "%s: is no text (it has a byte 0)", path);
    EFF_TRY(read_lines(l));
    return sort_pictures(l);
}

eff_status eff_labels_read(eff_labels **out, const char *path)
{
    eff_labels *l = calloc(1, sizeof *l);
    if (!l) return eff_fail(EFF_E_MEMORY, "%s: no memory for its lines", path);
    eff_status status = read_file(l, path);
    if (status == EFF_OK)
        *out = l;
    else
        eff_labels_free(l);
    return status;
}

void eff_labels_free(eff_labels *l)
{
    if (!l) return;
    free(l->path);
    free(l->text);
    free(l->entries);
    free(l->own_classes);
    free(l);
}

/* ---- Classes ---- */

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* The classes that occur, sorted. */
static eff_status collect_classes(eff_labels *l)
{
    l->own_classes = malloc((size_t)l->count * sizeof *l->own_classes);
    if (!l->own_classes) return eff_fail(EFF_E_MEMORY, "%s: no memory for its classes", l->path);
    for (int64_t i = 0; i < l->count; i++) l->own_classes[i] = l->entries[i].class_name;
    qsort(l->own_classes, (size_t)l->count, sizeof *l->own_classes, by_text);
    int64_t kept = 1;
    for (int64_t i = 1; i < l->count; i++)
        if (strcmp(l->own_classes[i], l->own_classes[kept - 1]) != 0) l->own_classes[kept++] = l->own_classes[i];
    l->class_names = l->own_classes;
    l->classes = (int)kept;
    return EFF_OK;
}

static eff_status unknown_class(const eff_labels *l, const entry *e)
{
    return eff_fail(EFF_E_FORMAT,
                    "%s: line %d has the class \"%s\", which is none of the %d (%s%s%s); numbers of ImageNet's "
                    "devkit are not understood, names are",
                    l->path, e->line, e->class_name, l->classes, l->class_names[0], l->classes > 1 ? ", ... " : "",
                    l->classes > 1 ? l->class_names[l->classes - 1] : "");
}

/* A class with its number, to sort them by name. */
typedef struct numbered {
    const char *name;
    int number;
} numbered;

static int by_numbered(const void *a, const void *b)
{
    return strcmp(((const numbered *)a)->name, ((const numbered *)b)->name);
}

static eff_status number_entries(eff_labels *l, numbered *sorted)
{
    for (int i = 0; i < l->classes; i++) sorted[i] = (numbered){l->class_names[i], i};
    qsort(sorted, (size_t)l->classes, sizeof *sorted, by_numbered);
    for (int64_t i = 0; i < l->count; i++) {
        entry *e = &l->entries[i];
        numbered key = {e->class_name, 0};
        const numbered *found = bsearch(&key, sorted, (size_t)l->classes, sizeof key, by_numbered);
        if (!found) return unknown_class(l, e);
        e->label = found->number;
    }
    return EFF_OK;
}

eff_status eff_labels_set_classes(eff_labels *l, const char *const *class_names, int classes)
{
    l->class_names = class_names;
    l->classes = classes;
    if (classes == 0) EFF_TRY(collect_classes(l));
    numbered *sorted = malloc((size_t)l->classes * sizeof *sorted);
    if (!sorted) return eff_fail(EFF_E_MEMORY, "%s: no memory for its classes", l->path);
    eff_status status = number_entries(l, sorted);
    free(sorted);
    return status;
}

int eff_labels_classes(const eff_labels *l, const char *const **class_names)
{
    *class_names = l->class_names;
    return l->classes;
}

/* ---- Pictures ---- */

eff_status eff_labels_check_count(const eff_labels *l, int64_t pictures)
{
    if (l->entries[0].picture || l->count == pictures) return EFF_OK;
    return eff_fail(EFF_E_FORMAT,
                    "%s: %lld lines for %lld pictures; wanted is a class a line, in the order of the "
                    "pictures' names, or lines \"picture class\"",
                    l->path, (long long)l->count, (long long)pictures);
}

eff_status eff_labels_class_of(int32_t *label, const eff_labels *l, int64_t i, const char *path)
{
    if (!l->entries[0].picture) {
        *label = l->entries[i].label;
        return EFF_OK;
    }
    const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
    char name[256];
    if (snprintf(name, sizeof name, "%s", last) >= (int)sizeof name)
        return eff_fail(EFF_E_FORMAT, "%s: the name is too long", path);
    cut_extension(name);
    entry key = {.picture = name};
    const entry *found = bsearch(&key, l->entries, (size_t)l->count, sizeof key, by_picture);
    if (!found) return eff_fail(EFF_E_FORMAT, "%s: no line for the picture %s", l->path, last);
    *label = found->label;
    return EFF_OK;
}
