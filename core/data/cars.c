/* Stanford Cars; see source.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/files.h"
#include "io/file.h"
#include "io/mat.h"

enum { CLASSES = 196, MAX_PATH = 4096 };

/* A variable of a file that was read, of this kind. */
static eff_status find_variable(const eff_mat_array **out, const eff_mat *mat, const char *path, const char *name,
                                eff_mat_kind kind)
{
    *out = eff_mat_variable(mat, name);
    if (*out && (*out)->kind == kind) return EFF_OK;
    return eff_fail(EFF_E_FORMAT, "%s: no %s called \"%s\" in it", path,
                    kind == EFF_MAT_CELL ? "cells" : "structures", name);
}

static eff_status set_names(eff_source *source, const eff_mat *meta, const char *path)
{
    const eff_mat_array *cells;
    const char *names[CLASSES];
    EFF_TRY(find_variable(&cells, meta, path, "class_names", EFF_MAT_CELL));
    if (cells->count != CLASSES)
        return eff_fail(EFF_E_FORMAT, "%s: %lld class names; there are %d", path, (long long)cells->count, CLASSES);
    for (int i = 0; i < CLASSES; i++) {
        names[i] = cells->items[i].text;
        if (!names[i]) return eff_fail(EFF_E_FORMAT, "%s: class name %d is no text", path, i + 1);
    }
    return eff_source_set_classes(source, names, CLASSES);
}

static eff_status add_picture(eff_files *f, const eff_mat_array *list, int64_t i, const char *path,
                              const char *pictures)
{
    const eff_mat_array *name = eff_mat_field(list, i, "fname"), *class = eff_mat_field(list, i, "class");
    char part[MAX_PATH];
    if (!name || !name->text || !name->text[0] || strchr(name->text, '/'))
        return eff_fail(EFF_E_FORMAT, "%s: picture %lld has no file name (field \"fname\")", path, (long long)i + 1);
    if (!class)
        return eff_fail(EFF_E_FORMAT, "%s: no field \"class\" (the labels of the test pictures are in "
                        "cars_test_annos_withlabels.mat)", path);
    double label = class->numbers && class->count == 1 ? class->numbers[0] : 0;
    if (!(label >= 1 && label <= CLASSES) || label != (double)(int)label)
        return eff_fail(EFF_E_FORMAT, "%s: the class of picture %lld (%s) is %g; it must lie in 1 to %d", path,
                        (long long)i + 1, name->text, label, CLASSES);
    snprintf(part, sizeof part, "%s/%s", pictures, name->text);
    return eff_files_add(f, part, (int32_t)label - 1);
}

static eff_status add_pictures(eff_files *f, const eff_mat *annotations, const char *path, const char *pictures)
{
    const eff_mat_array *list;
    EFF_TRY(find_variable(&list, annotations, path, "annotations", EFF_MAT_STRUCT));
    if (list->count == 0) return eff_fail(EFF_E_FORMAT, "%s: no pictures in it", path);
    for (int64_t i = 0; i < list->count; i++) EFF_TRY(add_picture(f, list, i, path, pictures));
    return EFF_OK;
}

/* The file of the labels: of the test pictures it has been published by itself, and within devkit. */
static void find_annotations(char path[MAX_PATH], const char *folder, bool test)
{
    if (test) snprintf(path, MAX_PATH, "%s/cars_test_annos_withlabels.mat", folder);
    else snprintf(path, MAX_PATH, "%s/devkit/cars_train_annos.mat", folder);
    if (test && !eff_file_exists(path)) snprintf(path, MAX_PATH, "%s/devkit/cars_test_annos_withlabels.mat", folder);
}

static eff_status fill(eff_files *f, const char *folder, bool test)
{
    char meta_path[MAX_PATH], path[MAX_PATH];
    const char *pictures = test ? "cars_test" : "cars_train";
    eff_mat meta = {0}, annotations = {0};
    snprintf(path, sizeof path, "%s/%s", folder, pictures);
    if (!eff_dir_exists(path)) return eff_fail(EFF_E_IO, "%s: no such folder (%s.tgz, unpacked)", path, pictures);
    snprintf(meta_path, sizeof meta_path, "%s/devkit/cars_meta.mat", folder);
    find_annotations(path, folder, test);
    eff_status status = eff_mat_read(&meta, meta_path);
    if (status == EFF_OK) status = set_names(&f->head, &meta, meta_path);
    if (status == EFF_OK) status = eff_mat_read(&annotations, path);
    if (status == EFF_OK) status = add_pictures(f, &annotations, path, pictures);
    eff_mat_free(&meta);
    eff_mat_free(&annotations);
    return status;
}

eff_status eff_source_open_cars(eff_source **out, const char *folder, const char *split)
{
    bool test = strcmp(split, "val") == 0 || strcmp(split, "test") == 0;
    if (!test && strcmp(split, "train") != 0)
        return eff_fail(EFF_E_ARGUMENT, "Stanford Cars has no split \"%s\"; there are train, val and test (the same)",
                        split);
    eff_files *f = eff_files_new("cars196", folder);
    return f ? eff_files_end(out, f, fill(f, folder, test)) : EFF_E_MEMORY;
}
