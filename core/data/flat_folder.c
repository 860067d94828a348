/* A folder of pictures side by side, with a file of labels; see source.h. */
#include "data/archive.h"
#include "data/files.h"
#include "data/labels.h"
#include "io/file.h"

static eff_status add_pictures(eff_files *f, const eff_dir_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const eff_dir_entry *entry = &list->entries[i];
        if (!entry->is_dir && entry->name[0] != '.' && eff_is_picture_name(entry->name))
            EFF_TRY(eff_names_add(&f->names, entry->name));
    }
    return eff_files_label_rest(f, 0);
}

static eff_status list_pictures(eff_files *f, const char *folder)
{
    eff_dir_list list;
    EFF_TRY(eff_dir_list_read(&list, folder));
    eff_status status = add_pictures(f, &list);
    eff_dir_list_free(&list);
    if (status == EFF_OK && f->names.count == 0) return eff_fail(EFF_E_FORMAT, "%s: no JPEG or PNG files here", folder);
    return status;
}

static eff_status label_pictures(eff_files *f, eff_labels *labels, const char *const *class_names, int classes)
{
    EFF_TRY(eff_labels_set_classes(labels, class_names, classes));
    EFF_TRY(eff_labels_check_count(labels, f->names.count));
    for (int64_t i = 0; i < f->names.count; i++)
        EFF_TRY(eff_labels_class_of(&f->labels[i], labels, i, eff_names_at(&f->names, i)));
    classes = eff_labels_classes(labels, &class_names);
    return eff_source_set_classes(&f->head, class_names, classes);
}

static eff_status fill(eff_files *f, const char *folder, const char *labels_path, const char *const *class_names,
                       int classes)
{
    EFF_TRY(list_pictures(f, folder));
    eff_labels *labels = NULL;
    EFF_TRY(eff_labels_read(&labels, labels_path));
    eff_status status = label_pictures(f, labels, class_names, classes);
    eff_labels_free(labels);
    return status;
}

eff_status eff_source_open_flat(eff_source **out, const char *folder, const char *labels_path,
                                const char *const *class_names, int classes)
{
    eff_files *f = eff_files_new("labelled folder", folder);
    if (!f) return EFF_E_MEMORY;
    return eff_files_end(out, f, fill(f, folder, labels_path, class_names, classes));
}
