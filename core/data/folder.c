/* Pictures in class folders; see source.h.
 *
 * The scan only lists names (and looks into the first bytes of files without a known extension), so that a million
 * files take seconds; whether a file really is a picture is found when it is read.
 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "data/files.h"

enum { MAX_PATH = 4096, MAX_DEPTH = 16 };

/* ---- Looking into folders ---- */

/* parent/name, or name alone below no parent, or the parent for no name. */
static eff_status join(char path[MAX_PATH], const char *parent, const char *name)
{
    const char *slash = parent[0] && name[0] ? "/" : "";
    if (snprintf(path, MAX_PATH, "%s%s%s", parent, slash, name) < MAX_PATH) return EFF_OK;
    return eff_fail(EFF_E_IO, "%s/%s: the path is too long", parent, name);
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool has_image_extension(const char *name)
{
    static const char *const extensions[] = {".jpg", ".jpeg", ".png", ".jpe", ".jfif"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof extensions / sizeof extensions[0]; i++)
        if (strcasecmp(dot, extensions[i]) == 0) return true;
    return false;
}

static bool looks_like_image(const char *path)
{
    unsigned char first[4] = {0};
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    size_t n = fread(first, 1, sizeof first, file);
    fclose(file);
    return n == sizeof first && (memcmp(first, "\xFF\xD8\xFF", 3) == 0 || memcmp(first, "\x89PNG", 4) == 0);
}

typedef enum entry_kind { ENTRY_OTHER, ENTRY_FILE, ENTRY_FOLDER } entry_kind;

static entry_kind kind_of(const struct dirent *entry, const char *path)
{
    struct stat info;
    if (entry->d_type == DT_REG) return ENTRY_FILE;
    if (entry->d_type == DT_DIR) return ENTRY_FOLDER;
    if (stat(path, &info) != 0) return ENTRY_OTHER; /* a dangling link */
    return S_ISDIR(info.st_mode) ? ENTRY_FOLDER : S_ISREG(info.st_mode) ? ENTRY_FILE : ENTRY_OTHER;
}

typedef struct listing {
    eff_names folders, files;
    int64_t others; /* visible files that are no images */
} listing;

static void listing_free(listing *l)
{
    eff_names_free(&l->folders);
    eff_names_free(&l->files);
}

static eff_status list_entry(listing *l, const char *path, const struct dirent *entry)
{
    char full[MAX_PATH];
    EFF_TRY(join(full, path, entry->d_name));
    switch (kind_of(entry, full)) {
    case ENTRY_FOLDER: return eff_names_add(&l->folders, entry->d_name);
    case ENTRY_FILE:
        if (has_image_extension(entry->d_name) || looks_like_image(full))
            return eff_names_add(&l->files, entry->d_name);
        l->others++;
        return EFF_OK;
    case ENTRY_OTHER: break;
    }
    return EFF_OK;
}

/* What lies directly in `path`, sorted; hidden entries are left out. */
static eff_status list_folder(listing *l, const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) return eff_fail(EFF_E_IO, "%s: %s", path, strerror(errno));
    eff_status status = EFF_OK;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry) break;
        if (entry->d_name[0] != '.') status = list_entry(l, path, entry);
        if (status != EFF_OK) break;
    }
    if (status == EFF_OK && errno != 0) status = eff_fail(EFF_E_IO, "%s: %s", path, strerror(errno));
    closedir(dir);
    eff_names_sort(&l->folders, 0);
    eff_names_sort(&l->files, 0);
    return status;
}

/* ---- Collecting the pictures ---- */

/* Adds the pictures below root/part (at any depth) to files, as paths from root. */
static eff_status collect(eff_names *files, const char *root, const char *part, int64_t *others, int depth)
{
    char path[MAX_PATH];
    EFF_TRY(join(path, root, part));
    if (depth > MAX_DEPTH) return eff_fail(EFF_E_IO, "%s: nested too deeply (a link to itself?)", path);
    listing l = {0};
    eff_status status = list_folder(&l, path);
    *others += l.others;
    for (int64_t i = 0; status == EFF_OK && i < l.files.count; i++) {
        status = join(path, part, eff_names_at(&l.files, i));
        if (status == EFF_OK) status = eff_names_add(files, path);
    }
    for (int64_t i = 0; status == EFF_OK && i < l.folders.count; i++) {
        status = join(path, part, eff_names_at(&l.folders, i));
        if (status == EFF_OK) status = collect(files, root, path, others, depth + 1);
    }
    listing_free(&l);
    return status;
}

/* Keeps the "train" or the "val" part of the sorted pictures from .. count-1, which are one class and whose text begins
 * at `text`. */
static eff_status keep_part(eff_names *files, int64_t from, size_t text, int label, const eff_folder_options *options)
{
    int64_t n = files->count - from, held_out = (int64_t)llround((double)n * options->val_ratio);
    if (options->val_ratio > 0.0 && held_out == 0 && n >= 2) held_out = 1;
    if (held_out == n && n >= 2 && options->val_ratio < 1.0) held_out = n - 1;
    int64_t *order = malloc((size_t)(n + 1) * sizeof *order);
    if (!order) return eff_fail(EFF_E_MEMORY, "no memory to divide %lld pictures", (long long)n);
    eff_rng rng;
    eff_rng_start(&rng, options->seed, EFF_RNG_SPLIT, (uint64_t)label, 0);
    eff_rng_permutation(&rng, order, n);
    bool val = strcmp(options->split, "train") != 0;
    eff_names kept = {0};
    eff_status status = EFF_OK;
    for (int64_t i = val ? 0 : held_out; status == EFF_OK && i < (val ? held_out : n); i++)
        status = eff_names_add(&kept, eff_names_at(files, from + order[i]));
    eff_names_sort(&kept, 0);
    files->count = from;
    files->size = text;
    for (int64_t i = 0; status == EFF_OK && i < kept.count; i++)
        status = eff_names_add(files, eff_names_at(&kept, i));
    eff_names_free(&kept);
    free(order);
    return status;
}

/* One class; `divide` when the split is made here and not by folders. */
static eff_status add_class(eff_files *f, int label, const eff_folder_options *options, bool divide)
{
    int64_t others = 0, from = f->names.count;
    size_t text = f->names.size;
    const char *name = f->head.class_names[label];
    EFF_TRY(collect(&f->names, f->head.root, name, &others, 0));
    eff_names_sort(&f->names, from);
    if (f->names.count == from) EFF_TRY(eff_source_add_notice(&f->head, "class \"%s\" has no images", name));
    if (others)
        EFF_TRY(eff_source_add_notice(&f->head, "class \"%s\": %lld files are neither JPEG nor PNG and are left out",
                                      name, (long long)others));
    if (divide) EFF_TRY(keep_part(&f->names, from, text, label, options));
    return eff_files_label_rest(f, label);
}

/* ---- Which folder, which classes ---- */

/* The folder of a split below root, or "" if there is none. */
static eff_status split_folder(char path[MAX_PATH], const char *root, const char *split)
{
    static const char *const val_names[] = {"val", "validation", "valid", NULL};
    EFF_TRY(join(path, root, split));
    if (is_folder(path)) return EFF_OK;
    for (int i = 0; strcmp(split, "val") == 0 && val_names[i]; i++) {
        EFF_TRY(join(path, root, val_names[i]));
        if (is_folder(path)) return EFF_OK;
    }
    path[0] = '\0';
    return EFF_OK;
}

static eff_status no_classes(const char *path, const listing *l)
{
    if (l->files.count == 0) {
        char seen[64] = "it is empty";
        if (l->others) snprintf(seen, sizeof seen, "%lld files, none is JPEG or PNG", (long long)l->others);
        return eff_fail(EFF_E_FORMAT, "%s: no class folders with images here (%s); expected is "
                        "%s/<class>/<image>", path, seen, path);
    }
    return eff_fail(EFF_E_FORMAT, "%s: %lld images but no class folders; expected is %s/<class>/<image>, or, "
                    "for validation, a file val_labels.txt or LOC_val_solution.csv in it or beside it with lines \"picture "
                    "class\"", path, (long long)l->files.count, path);
}

static eff_status list_classes(listing *l, const char *path)
{
    EFF_TRY(list_folder(l, path));
    return l->folders.count ? EFF_OK : no_classes(path, l);
}

static eff_status missing_class(const eff_names *has, const eff_names *lacks, const char *has_path,
                                const char *lacks_path)
{
    for (int64_t i = 0; i < has->count; i++)
        if (eff_names_find(lacks, eff_names_at(has, i)) < 0)
            return eff_fail(EFF_E_FORMAT, "%s has the class \"%s\", %s lacks it (%lld and %lld classes); every split "
                            "needs the same class folders", has_path, eff_names_at(has, i), lacks_path,
                            (long long)has->count, (long long)lacks->count);
    return EFF_OK;
}

/* The classes of the opened folder must be those of the training folder, or labels would mean two things. */
static eff_status compare_with_train(const eff_names *classes, const char *path, const char *root)
{
    char train[MAX_PATH];
    EFF_TRY(split_folder(train, root, "train"));
    if (!train[0] || strcmp(train, path) == 0) return EFF_OK;
    listing l = {0};
    eff_status status = list_classes(&l, train);
    if (status == EFF_OK) status = missing_class(classes, &l.folders, path, train);
    if (status == EFF_OK) status = missing_class(&l.folders, classes, train, path);
    listing_free(&l);
    return status;
}

static eff_status take_classes(eff_files *f, const eff_names *classes)
{
    const char **list = malloc((size_t)classes->count * sizeof *list);
    if (!list) return eff_fail(EFF_E_MEMORY, "no memory for the class names");
    for (int64_t i = 0; i < classes->count; i++) list[i] = eff_names_at(classes, i);
    eff_status status = eff_source_set_classes(&f->head, list, (int)classes->count);
    free(list);
    return status;
}

/* ---- The source ---- */

/* The folder of the classes for the split that is wanted; *divide when it is the root, of which a part is taken. */
static eff_status find_classes(char path[MAX_PATH], bool *divide, const char *root, const char *split)
{
    char train[MAX_PATH];
    EFF_TRY(split_folder(path, root, split));
    EFF_TRY(split_folder(train, root, "train"));
    *divide = !path[0] && !train[0];
    if (path[0]) return EFF_OK;
    if (!*divide)
        return eff_fail(EFF_E_IO, "%s: there is %s but no folder \"%s\" beside it (make one, or open %s itself: a part "
                        "of it is then held out)", root, train, split, train);
    if (strcmp(split, "test") == 0) return eff_fail(EFF_E_IO, "%s: no folder \"test\" here", root);
    return join(path, root, "");
}

static eff_status fill_folder(eff_files *f, const char *root, const eff_folder_options *options, bool divide)
{
    listing l = {0};
    eff_status status = list_classes(&l, f->head.root);
    if (status == EFF_OK) status = compare_with_train(&l.folders, f->head.root, root);
    if (status == EFF_OK) status = take_classes(f, &l.folders);
    listing_free(&l);
    for (int i = 0; status == EFF_OK && i < f->head.classes; i++)
        status = add_class(f, i, options, divide && strcmp(options->split, "all") != 0);
    if (status != EFF_OK || f->names.count > 0) return status;
    return eff_fail(EFF_E_FORMAT, "%s: %d class folders, but no images for \"%s\" in them%s", f->head.root,
                    f->head.classes, options->split,
                    divide ? " (JPEG or PNG, at least two of a class, and val_ratio between 0 and 1)"
                           : " (JPEG or PNG files are read)");
}

static eff_status fill_pictures(eff_files *f, const char *root)
{
    static const char *const classes[] = {"picture"};
    int64_t others = 0;
    EFF_TRY(eff_source_set_classes(&f->head, classes, 1));
    EFF_TRY(collect(&f->names, root, "", &others, 0));
    eff_names_sort(&f->names, 0);
    if (f->names.count > 0) return eff_files_label_rest(f, 0);
    return eff_fail(EFF_E_FORMAT, "%s: no JPEG or PNG files here or in folders below (%lld others)", root,
                    (long long)others);
}

eff_status eff_source_open_pictures(eff_source **out, const char *root)
{
    eff_files *f = eff_files_new("pictures", root);
    return f ? eff_files_end(out, f, fill_pictures(f, root)) : EFF_E_MEMORY;
}

eff_status eff_source_open_folder(eff_source **out, const char *root, const eff_folder_options *options)
{
    static const char *const splits[] = {"train", "val", "test", "all"};
    char path[MAX_PATH];
    bool known = false, divide;
    for (int i = 0; i < 4; i++) known = known || strcmp(options->split, splits[i]) == 0;
    if (!known)
        return eff_fail(EFF_E_ARGUMENT, "no split \"%s\"; there are train, val, test and all", options->split);
    if (!(options->val_ratio >= 0.0 && options->val_ratio <= 1.0))
        return eff_fail(EFF_E_ARGUMENT, "the validation part is %g; it must lie in 0 to 1", options->val_ratio);
    struct stat info;
    if (stat(root, &info) != 0)
        return eff_fail(EFF_E_IO, "%s: %s (wanted is a folder of class folders)", root, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return eff_fail(EFF_E_IO, "%s: not a folder (wanted is a folder of class folders)", root);
    EFF_TRY(find_classes(path, &divide, root, options->split));
    eff_files *f = eff_files_new("folder", path);
    return f ? eff_files_end(out, f, fill_folder(f, root, options, divide)) : EFF_E_MEMORY;
}
