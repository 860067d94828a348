/* Pictures listed in a CSV file; see source.h. */
#define _GNU_SOURCE /* strsep */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "data/csv.h"
#include "data/files.h"

enum { MAX_PATH = 4096, MAX_LABELS = 1024 };

typedef struct table {
    eff_csv csv;
    const char *split;              /* that is wanted, or "all" */
    bool header;
    int path, label, split_column;  /* columns; split_column is -1 without one */
    eff_name_set classes;
    bool closed;                    /* no class may be added to them */
    eff_files *files;
} table;

/* ---- Columns ---- */

static const char *const path_names[] = {"path", "image", "filename", "file", "file_name", "image_path", NULL};
static const char *const label_names[] = {"label", "labels", "class", "classes", NULL};
static const char *const split_names[] = {"split", "set", "subset", NULL};

static int find_column(const eff_csv *csv, const char *const *names)
{
    for (int i = 0; i < csv->fields; i++)
        for (int k = 0; names[k]; k++)
            if (strcasecmp(csv->field[i], names[k]) == 0) return i;
    return -1;
}

/* Looks at the first record. Without a header the columns are path and label. */
static eff_status find_columns(table *t)
{
    t->path = find_column(&t->csv, path_names);
    t->label = find_column(&t->csv, label_names);
    t->split_column = find_column(&t->csv, split_names);
    t->header = t->path >= 0 && t->label >= 0;
    if (t->header) return EFF_OK;
    t->path = 0;
    t->label = 1;
    t->split_column = -1;
    if (t->csv.fields == 2) return EFF_OK;
    return eff_csv_fail(&t->csv, "%d fields and no header; wanted are two, path and label, or a header that names the "
                        "columns, such as path,label,split", t->csv.fields);
}

static eff_status open_table(table *t, const char *path)
{
    EFF_TRY(eff_csv_open(&t->csv, path));
    EFF_TRY(eff_csv_next(&t->csv));
    return t->csv.fields ? find_columns(t) : eff_fail(EFF_E_FORMAT, "%s: the file is empty", path);
}

eff_status eff_table_has_splits(const char *path, bool *has)
{
    table t = {0};
    eff_status status = open_table(&t, path);
    *has = status == EFF_OK && t.split_column >= 0;
    eff_csv_close(&t.csv);
    return status;
}

/* ---- Classes ---- */

static eff_status take_class_names(table *t, char **names, int count)
{
    int64_t place;
    for (int i = 0; i < count; i++) EFF_TRY(eff_name_set_place(&t->classes, &place, names[i]));
    t->closed = true;
    return EFF_OK;
}

/* classes.txt beside the file, one name a line, when it is there. */
static eff_status read_class_names(table *t)
{
    char path[MAX_PATH], *line = NULL;
    size_t room = 0;
    snprintf(path, sizeof path, "%s/classes.txt", t->files->head.root);
    FILE *file = fopen(path, "r");
    if (!file) return EFF_OK;
    eff_status status = EFF_OK;
    for (int64_t number = 1; status == EFF_OK && getline(&line, &room, file) >= 0; number++) {
        int64_t place, count = t->classes.names.count;
        line[strcspn(line, "\r\n")] = '\0';
        if (!line[0]) continue;
        status = eff_name_set_place(&t->classes, &place, line);
        if (status == EFF_OK && place < count)
            status = eff_fail(EFF_E_FORMAT, "%s, line %lld: \"%s\" is there twice", path, (long long)number, line);
    }
    free(line);
    fclose(file);
    t->closed = true;
    if (status != EFF_OK || t->classes.names.count > 0) return status;
    return eff_fail(EFF_E_FORMAT, "%s: no class names in it", path);
}

static eff_status set_classes(table *t, const eff_names *names)
{
    const char **list = malloc(((size_t)names->count + 1) * sizeof *list);
    if (!list) return eff_fail(EFF_E_MEMORY, "no memory for the class names");
    for (int64_t i = 0; i < names->count; i++) list[i] = eff_names_at(names, i);
    eff_status status = eff_source_set_classes(&t->files->head, list, (int)names->count);
    free(list);
    return status;
}

/* Classes that were met in the file are sorted by name. */
static eff_status sort_classes(table *t)
{
    eff_names sorted = {0};
    int64_t count = t->classes.names.count;
    int32_t *rank = malloc(((size_t)count + 1) * sizeof *rank);
    eff_status status = rank ? EFF_OK : eff_fail(EFF_E_MEMORY, "no memory for the class names");
    for (int64_t i = 0; status == EFF_OK && i < count; i++)
        status = eff_names_add(&sorted, eff_names_at(&t->classes.names, i));
    eff_names_sort(&sorted, 0);
    for (int64_t i = 0; status == EFF_OK && i < count; i++)
        rank[i] = (int32_t)eff_names_find(&sorted, eff_names_at(&t->classes.names, i));
    for (int64_t i = 0; status == EFF_OK && i < t->files->label_count; i++)
        t->files->labels[i] = rank[t->files->labels[i]];
    if (status == EFF_OK) status = set_classes(t, &sorted);
    eff_names_free(&sorted);
    free(rank);
    return status;
}

/* ---- Rows ---- */

static eff_status find_class(table *t, int32_t *label, const char *name)
{
    int64_t place = eff_name_set_find(&t->classes, name);
    if (place < 0 && t->closed)
        return eff_csv_fail(&t->csv, "the label \"%s\" is none of the %lld classes (%s, ...)", name,
                            (long long)t->classes.names.count, eff_names_at(&t->classes.names, 0));
    if (place < 0) EFF_TRY(eff_name_set_place(&t->classes, &place, name));
    *label = (int32_t)place;
    return EFF_OK;
}

static eff_status add_label(table *t, int32_t *labels, int *count, const char *name)
{
    int32_t label = 0;
    EFF_TRY(find_class(t, &label, name));
    for (int i = 0; i < *count; i++)
        if (labels[i] == label) return EFF_OK;
    if (*count == MAX_LABELS) return eff_csv_fail(&t->csv, "more than %d labels", MAX_LABELS);
    labels[(*count)++] = label;
    return EFF_OK;
}

/* What stands between the labels of a field; the whole of it is one where it is a known class. */
static const char *separators(table *t, const char *field)
{
    if (t->closed && eff_name_set_find(&t->classes, field) >= 0) return "";
    return strpbrk(field, "|;") ? "|;" : " \t";
}

static eff_status note_spaces(table *t, const char *field)
{
    if (t->files->head.notice) return EFF_OK;
    return eff_source_add_notice(&t->files->head, "labels such as \"%s\" (line %lld) are taken apart at spaces; a "
                                 "class whose name has spaces has to stand in classes.txt beside the file", field,
                                 (long long)t->csv.line);
}

/* The text without spaces around it; cut in place. */
static char *without_spaces(char *text)
{
    while (*text == ' ') text++;
    for (size_t end = strlen(text); end > 0 && text[end - 1] == ' ';) text[--end] = '\0';
    return text;
}

static eff_status read_labels(table *t, int32_t *labels, int *count, const char *field)
{
    const char *between = separators(t, field);
    char *text = strdup(field), *rest = text;
    if (!text) return eff_fail(EFF_E_MEMORY, "no memory for a label");
    eff_status status = EFF_OK;
    while (status == EFF_OK && rest) {
        char *name = strsep(&rest, between);
        if (*between) name = without_spaces(name);
        if (*name) status = add_label(t, labels, count, name);
    }
    free(text);
    if (status == EFF_OK && *count == 0) return eff_csv_fail(&t->csv, "no label");
    if (status == EFF_OK && *count > 1 && *between == ' ') return note_spaces(t, field);
    return status;
}

static eff_status is_wanted(table *t, bool *wanted)
{
    static const char *const names[][2] = {{"train", "train"},    {"val", "val"},   {"valid", "val"},
                                           {"validation", "val"}, {"test", "test"}, {NULL, NULL}};
    *wanted = true;
    if (t->split_column < 0) return EFF_OK;
    const char *given = t->csv.field[t->split_column];
    for (int i = 0; names[i][0]; i++) {
        if (strcasecmp(given, names[i][0]) != 0) continue;
        *wanted = strcmp(t->split, "all") == 0 || strcmp(t->split, names[i][1]) == 0;
        return EFF_OK;
    }
    return eff_csv_fail(&t->csv, "the split \"%s\"; there are train, val and test", given);
}

static eff_status add_row(table *t)
{
    int32_t labels[MAX_LABELS];
    int count = 0, columns = t->header ? t->path : 1;
    if (t->label > columns) columns = t->label;
    if (t->split_column > columns) columns = t->split_column;
    if (t->csv.fields <= columns || (!t->header && t->csv.fields != 2))
        return eff_csv_fail(&t->csv, "%d fields; wanted are %s%d", t->csv.fields, t->header ? "at least " : "",
                            columns + 1);
    const char *path = t->csv.field[t->path];
    bool wanted;
    if (!path[0]) return eff_csv_fail(&t->csv, "no path");
    EFF_TRY(is_wanted(t, &wanted));
    EFF_TRY(read_labels(t, labels, &count, t->csv.field[t->label]));
    return wanted ? eff_files_add_labelled(t->files, path, labels, count) : EFF_OK;
}

/* A header that is none of the known ones would else be taken for a picture. */
static eff_status check_first_row(const table *t)
{
    char path[MAX_PATH];
    const char *name = t->csv.field[0];
    snprintf(path, sizeof path, "%s%s%s", name[0] == '/' ? "" : t->files->head.root, name[0] == '/' ? "" : "/", name);
    if (access(path, F_OK) == 0) return EFF_OK;
    return eff_csv_fail(&t->csv, "there is no file %s (a header has to name the columns path and label)", path);
}

static eff_status read_rows(table *t)
{
    if (t->header) EFF_TRY(eff_csv_next(&t->csv));
    else EFF_TRY(check_first_row(t));
    while (t->csv.fields) {
        EFF_TRY(add_row(t));
        EFF_TRY(eff_csv_next(&t->csv));
    }
    if (t->files->names.count > 0) return EFF_OK;
    return eff_fail(EFF_E_FORMAT, "%s: no pictures%s%s", t->csv.path, t->split_column < 0 ? "" : " of the split ",
                    t->split_column < 0 ? "" : t->split);
}

static eff_status fill(table *t, const char *path, const eff_source *like)
{
    EFF_TRY(open_table(t, path));
    if (strcmp(t->split, "all") != 0 && t->split_column < 0)
        return eff_csv_fail(&t->csv, "no column \"split\" that says which pictures are \"%s\"", t->split);
    EFF_TRY(like ? take_class_names(t, like->class_names, like->classes) : read_class_names(t));
    EFF_TRY(read_rows(t));
    return t->closed ? set_classes(t, &t->classes.names) : sort_classes(t);
}

eff_status eff_source_open_table(eff_source **out, const char *path, const char *split, const eff_source *like)
{
    const char *slash = strrchr(path, '/');
    char *root = slash ? strndup(path, slash > path ? (size_t)(slash - path) : 1) : strdup(".");
    table t = {.split = split};
    t.files = root ? eff_files_new("csv", root) : NULL;
    free(root);
    if (!t.files) return eff_fail(EFF_E_MEMORY, "no memory for a data source");
    eff_status status = fill(&t, path, like);
    eff_csv_close(&t.csv);
    eff_name_set_free(&t.classes);
    return eff_files_end(out, t.files, status);
}
