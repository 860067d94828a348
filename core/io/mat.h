/* MATLAB's files of version 5 (what `save -v6` and `-v7` write), little-endian, read whole: numbers, texts, structures
 * and cells. Of classes that are none of these (sparse, complex, objects, functions) nothing is read. A file that
 * contradicts itself anywhere is refused. */
#ifndef EFF_IO_MAT_H
#define EFF_IO_MAT_H

#include <stdint.h>

#include "base/status.h"

typedef enum eff_mat_kind {
    EFF_MAT_OTHER,
    EFF_MAT_NUMBERS, /* of any integer or floating class, also logical */
    EFF_MAT_TEXT,
    EFF_MAT_CELL,
    EFF_MAT_STRUCT
} eff_mat_kind;

/* An array; elements lie in MATLAB's order, the first index running fastest. */
typedef struct eff_mat_array {
    eff_mat_kind kind;
    char *name;                  /* of a variable, else "" or NULL */
    int64_t count;               /* elements: the product of the dimensions */
    double *numbers;             /* [count] */
    char *text;                  /* UTF-8, of one row */
    struct eff_mat_array *items; /* cells: [count]; structures: [count][field_count] */
    char **fields;               /* [field_count] names */
    int field_count;
} eff_mat_array;

typedef struct eff_mat {
    eff_mat_array *variables;
    int count;
} eff_mat;

/* Messages start with the path. EFF_E_FORMAT also for other versions and for files of more than 64 MB (unpacked). */
eff_status eff_mat_read(eff_mat *mat, const char *path);
void eff_mat_free(eff_mat *mat);

const eff_mat_array *eff_mat_variable(const eff_mat *mat, const char *name); /* NULL if there is none */

/* A field of one structure of an array, 0 .. count-1; NULL if there is none of that name, or it is no structure. */
const eff_mat_array *eff_mat_field(const eff_mat_array *array, int64_t index, const char *field);

#endif
