/* ImageNet-21k: class folders whose pictures may stand in several of them; see source.h. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "data/files.h"

enum { MAX_LABELS = 256 };

/* WordNet's number of a noun: n and eight digits. */
static bool is_wnid(const char *name)
{
    int digits = 0;
    while (name[0] == 'n' && isdigit((unsigned char)name[1 + digits])) digits++;
    return digits == 8 && name[9] == '\0';
}

static eff_status check_classes(const eff_source *listed)
{
    for (int i = 0; i < listed->classes; i++)
        if (!is_wnid(listed->class_names[i]))
            return eff_fail(EFF_E_FORMAT, "%s: the class folder \"%s\" is no WordNet number such as n01440764; "
                            "ImageNet-21k has no others", listed->root, listed->class_names[i]);
    return EFF_OK;
}

static const char *file_name(const eff_files *listed, int64_t i)
{
    const char *path = eff_names_at(&listed->names, i), *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* place[i]: which of the distinct file names the listed picture i has. */
static eff_status find_places(uint32_t *place, const eff_files *listed)
{
    eff_name_set set = {0};
    eff_status status = EFF_OK;
    for (int64_t i = 0, at; status == EFF_OK && i < listed->names.count; i++) {
        status = eff_name_set_place(&set, &at, file_name(listed, i));
        if (status == EFF_OK) place[i] = (uint32_t)at;
    }
    eff_name_set_free(&set);
    return status;
}

/* next[i]: the listed picture of the same name after i, or i itself where there is none. first[place], zeros before,
 * becomes 1 + the first picture of each name. */
static void link_places(uint32_t *next, const uint32_t *place, int64_t count, uint32_t *first)
{
    for (int64_t i = count; i-- > 0;) {
        next[i] = first[place[i]] ? first[place[i]] - 1 : (uint32_t)i;
        first[place[i]] = (uint32_t)i + 1;
    }
}

static eff_status add_picture(eff_files *f, const eff_files *listed, const uint32_t *next, int64_t i)
{
    int32_t labels[MAX_LABELS] = {listed->labels[i]};
    int count = 1;
    for (int64_t at = i; next[at] != at;) {
        at = next[at];
        if (labels[count - 1] == listed->labels[at]) continue; /* classes come in order */
        if (count == MAX_LABELS)
            return eff_fail(EFF_E_FORMAT, "%s/%s: in the folders of more than %d classes", listed->head.root,
                            eff_names_at(&listed->names, i), MAX_LABELS);
        labels[count++] = listed->labels[at];
    }
    return eff_files_add_labelled(f, eff_names_at(&listed->names, i), labels, count);
}

static eff_status merge(eff_files *f, const eff_files *listed)
{
    int64_t n = listed->names.count;
    uint32_t *place = malloc((size_t)n * sizeof *place), *next = malloc((size_t)n * sizeof *next);
    uint32_t *first = calloc((size_t)n, sizeof *first);
    eff_status status = place && next && first && n < UINT32_MAX
                            ? find_places(place, listed)
                            : eff_fail(EFF_E_MEMORY, "no memory to compare %lld names", (long long)n);
    if (status == EFF_OK) link_places(next, place, n, first);
    for (int64_t i = 0; status == EFF_OK && i < n; i++)
        if (first[place[i]] == i + 1) status = add_picture(f, listed, next, i);
    free(place);
    free(next);
    free(first);
    return status;
}

static eff_status fill(eff_files *f, const eff_source *listed)
{
    EFF_TRY(check_classes(listed));
    EFF_TRY(eff_source_set_classes(&f->head, (const char *const *)listed->class_names, listed->classes));
    if (listed->notice && !(f->head.notice = strdup(listed->notice)))
        return eff_fail(EFF_E_MEMORY, "no memory for a notice");
    return merge(f, (const eff_files *)listed);
}

eff_status eff_source_open_imagenet21k(eff_source **out, const char *root)
{
    eff_folder_options options = {.split = "all"};
    eff_source *listed;
    EFF_TRY(eff_source_open_folder(&listed, root, &options));
    eff_files *f = eff_files_new("imagenet21k", listed->root);
    eff_status status = f ? eff_files_end(out, f, fill(f, listed)) : EFF_E_MEMORY;
    eff_source_release(listed);
    return status;
}
