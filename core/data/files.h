/* Sources whose pictures are files below one folder: what folders, lists and published data sets share.
 *
 * A kind makes one, adds files with their labels, and ends it. Beside the text of its path a picture costs 12 bytes, or,
 * in sources whose pictures may have several labels, 12 bytes and 4 for each label. */
#ifndef EFF_DATA_FILES_H
#define EFF_DATA_FILES_H

#include "data/names.h"
#include "data/source.h"

typedef struct eff_files {
    eff_source head;
    eff_names names;    /* paths below head.root, or absolute ones */
    int32_t *labels;    /* of one picture after the other */
    uint32_t *first;    /* [count + 1] where a picture's labels begin; NULL while each has one */
    int64_t label_count, label_room, first_room;
} eff_files;

/* Without pictures and classes; NULL (with a message) when there is no memory. Released like every source. */
eff_files *eff_files_new(const char *kind, const char *root);

/* Adds a picture with one label, or with `count` (at least one, no two alike). */
eff_status eff_files_add(eff_files *files, const char *path, int32_t label);
eff_status eff_files_add_labelled(eff_files *files, const char *path, const int32_t *labels, int count);

/* Gives one label to the pictures that were added to `names` alone. */
eff_status eff_files_label_rest(eff_files *files, int32_t label);

/* How a kind ends its opening: with EFF_OK the source is completed (its count, what it answers, no memory beyond what
 * it needs) and goes to *out, else it is released. Returns the status. */
eff_status eff_files_end(eff_source **out, eff_files *files, eff_status status);

#endif
