/* Oxford Flowers-102; see source.h. */
#include <stdio.h>
#include <string.h>

#include "data/files.h"
#include "io/file.h"
#include "io/mat.h"

enum { CLASSES = 102, MAX_PATH = 4096 };

/* The files have numbers alone; these are the names that go with 1 to 102. */
static const char *const class_names[CLASSES] = {
    "pink primrose", "hard-leaved pocket orchid", "canterbury bells", "sweet pea", "english marigold", "tiger lily",
    "moon orchid", "bird of paradise", "monkshood", "globe thistle", "snapdragon", "colt's foot", "king protea",
    "spear thistle", "yellow iris", "globe-flower", "purple coneflower", "peruvian lily", "balloon flower",
    "giant white arum lily", "fire lily", "pincushion flower", "fritillary", "red ginger", "grape hyacinth",
    "corn poppy", "prince of wales feathers", "stemless gentian", "artichoke", "sweet william", "carnation",
    "garden phlox", "love in the mist", "mexican aster", "alpine sea holly", "ruby-lipped cattleya", "cape flower",
    "great masterwort", "siam tulip", "lenten rose", "barbeton daisy", "daffodil", "sword lily", "poinsettia",
    "bolero deep blue", "wallflower", "marigold", "buttercup", "oxeye daisy", "common dandelion", "petunia",
    "wild pansy", "primula", "sunflower", "pelargonium", "bishop of llandaff", "gaura", "geranium", "orange dahlia",
    "pink-yellow dahlia", "cautleya spicata", "japanese anemone", "black-eyed susan", "silverbush", "californian poppy",
    "osteospermum", "spring crocus", "bearded iris", "windflower", "tree poppy", "gazania", "azalea", "water lily",
    "rose", "thorn apple", "morning glory", "passion flower", "lotus", "toad lily", "anthurium", "frangipani",
    "clematis", "hibiscus", "columbine", "desert-rose", "tree mallow", "magnolia", "cyclamen", "watercress",
    "canna lily", "hippeastrum", "bee balm", "ball moss", "foxglove", "bougainvillea", "camellia", "mallow",
    "mexican petunia", "bromelia", "blanket flower", "trumpet creeper", "blackberry lily"};

/* The variable's numbers, which must be whole and lie in 1 .. most. */
static eff_status find_numbers(const eff_mat_array **out, const eff_mat *mat, const char *path, const char *name,
                               int64_t most)
{
    const eff_mat_array *a = *out = eff_mat_variable(mat, name);
    if (!a || a->kind != EFF_MAT_NUMBERS)
        return eff_fail(EFF_E_FORMAT, "%s: no list of numbers called \"%s\" in it", path, name);
    for (int64_t i = 0; i < a->count; i++)
        if (!(a->numbers[i] >= 1 && a->numbers[i] <= (double)most) || a->numbers[i] != (double)(int64_t)a->numbers[i])
            return eff_fail(EFF_E_FORMAT, "%s: number %lld of \"%s\" is %g; it must lie in 1 to %lld", path,
                            (long long)i + 1, name, a->numbers[i], (long long)most);
    return EFF_OK;
}

static eff_status add_pictures(eff_files *f, const eff_mat_array *numbers, const eff_mat_array *labels)
{
    for (int64_t i = 0; i < numbers->count; i++) {
        char name[64];
        int64_t number = (int64_t)numbers->numbers[i];
        snprintf(name, sizeof name, "jpg/image_%05lld.jpg", (long long)number);
        EFF_TRY(eff_files_add(f, name, (int32_t)labels->numbers[number - 1] - 1));
    }
    return EFF_OK;
}

/* The variables of setid.mat that make a split; NULL for a split that does not exist. */
static const char *const *parts_of(const char *split)
{
    static const struct {
        const char *split, *parts[3];
    } known[] = {{"train", {"trnid", "valid"}}, {"val", {"tstid"}},   {"test", {"tstid"}},
                 {"trnid", {"trnid"}},          {"valid", {"valid"}}, {"tstid", {"tstid"}}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(split, known[i].split) == 0) return known[i].parts;
    return NULL;
}

static eff_status add_parts(eff_files *f, const char *const *parts, const eff_mat *sets, const char *sets_path,
                            const eff_mat *all, const char *all_path)
{
    const eff_mat_array *labels, *numbers;
    EFF_TRY(find_numbers(&labels, all, all_path, "labels", CLASSES));
    for (; *parts; parts++) {
        EFF_TRY(find_numbers(&numbers, sets, sets_path, *parts, labels->count));
        EFF_TRY(add_pictures(f, numbers, labels));
    }
    return f->names.count ? EFF_OK : eff_fail(EFF_E_FORMAT, "%s: no pictures in this part", sets_path);
}

static eff_status fill(eff_files *f, const char *folder, const char *const *parts)
{
    char labels_path[MAX_PATH], sets_path[MAX_PATH];
    eff_mat labels = {0}, sets = {0};
    snprintf(labels_path, sizeof labels_path, "%s/jpg", folder);
    if (!eff_dir_exists(labels_path))
        return eff_fail(EFF_E_IO, "%s: no such folder (102flowers.tgz, unpacked, holds it)", labels_path);
    snprintf(labels_path, sizeof labels_path, "%s/imagelabels.mat", folder);
    snprintf(sets_path, sizeof sets_path, "%s/setid.mat", folder);
    EFF_TRY(eff_source_set_classes(&f->head, class_names, CLASSES));
    EFF_TRY(eff_mat_read(&labels, labels_path));
    eff_status status = eff_mat_read(&sets, sets_path);
    if (status == EFF_OK) status = add_parts(f, parts, &sets, sets_path, &labels, labels_path);
    eff_mat_free(&labels);
    eff_mat_free(&sets);
    return status;
}

eff_status eff_source_open_flowers(eff_source **out, const char *folder, const char *split)
{
    const char *const *parts = parts_of(split);
    if (!parts)
        return eff_fail(EFF_E_ARGUMENT, "Flowers-102 has no split \"%s\"; there are train, val and test (the same), "
                        "trnid, valid and tstid", split);
    eff_files *f = eff_files_new("flowers102", folder);
    return f ? eff_files_end(out, f, fill(f, folder, parts)) : EFF_E_MEMORY;
}
