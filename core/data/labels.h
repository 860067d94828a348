/* Classes of pictures that lie side by side, from a text file with a line for each picture.
 *
 * A line is "picture class", separated by spaces, a tab or a comma (what follows is not looked at, so ImageNet's
 * LOC_val_solution.csv is one, its first line left out); or a class alone, for the pictures in the order of their
 * names. Pictures are called by their file names, with or without extension.
 */
#ifndef EFF_DATA_LABELS_H
#define EFF_DATA_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct eff_labels eff_labels;

/* What such files are called, for messages. */
#define EFF_LABEL_FILES "val_labels.txt or LOC_val_solution.csv"

/* EFF_E_FORMAT with the line for lines of two kinds, and pictures that come twice. */
eff_status eff_labels_read(eff_labels **out, const char *path);
void eff_labels_free(eff_labels *labels); /* NULL is allowed */

/* Which classes there are, and so what number each has. classes 0: those that the file has, sorted by name.
 * EFF_E_FORMAT with the line for an unknown class. The names must live as long as the labels. */
eff_status eff_labels_set_classes(eff_labels *labels, const char *const *class_names, int classes);
int eff_labels_classes(const eff_labels *labels, const char *const **class_names);

/* The pictures must be as many as the lines where these are classes alone. */
eff_status eff_labels_check_count(const eff_labels *labels, int64_t pictures);

/* The class of a picture: the i-th in the order of the names, at this path (of which only the last part counts). */
eff_status eff_labels_class_of(int32_t *label, const eff_labels *labels, int64_t i, const char *path);

#endif
