/* Comma-separated values as RFC 4180 has them, record after record: fields in quotes may hold commas, line ends and
 * doubled quotes; lines end in LF or CRLF; empty lines are skipped, and so is a byte order mark. */
#ifndef EFF_DATA_CSV_H
#define EFF_DATA_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

enum { EFF_CSV_MAX_FIELDS = 256 };

/* Starts as {0}. */
typedef struct eff_csv {
    FILE *file;
    const char *path;
    int64_t line;   /* where the record begins, from 1; messages name it */
    int fields;
    const char *field[EFF_CSV_MAX_FIELDS]; /* valid until the next record */
    /* the reader's own */
    int64_t next_line;
    char *text;
    size_t size, room, start[EFF_CSV_MAX_FIELDS];
} eff_csv;

eff_status eff_csv_open(eff_csv *csv, const char *path); /* keeps the path's address */
void eff_csv_close(eff_csv *csv);

/* Reads a record; csv->fields is 0 at the end of the file. */
eff_status eff_csv_next(eff_csv *csv);

/* EFF_E_FORMAT with "PATH, line N: text". */
eff_status eff_csv_fail(const eff_csv *csv, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
