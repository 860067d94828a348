/* A small SQL database in one file (SQLite), shared by processes of one machine.
 *
 * It is opened with a write-ahead log, so that readers do not wait for the writer, and forces the log to the disk
 * at checkpoints only: a process that dies loses nothing, a power cut at most the last transactions, and neither
 * damages the file. A statement that meets another process's write waits for it. Triggers and views that a file
 * brings along are switched off: reading a file runs nothing that is stored in it.
 */
#ifndef EFF_IO_DATABASE_H
#define EFF_IO_DATABASE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct eff_database eff_database;
typedef struct eff_statement eff_statement;

/* Opens PATH; a missing file is made unless `read_only`. Failures of all functions name the path and give SQLite's
 * message: EFF_E_FORMAT for a file that is damaged or no database, EFF_E_IO for what the system refused (missing,
 * read-only, full, locked for half a minute), EFF_E_ARGUMENT for wrong SQL and broken constraints. */
eff_status eff_database_open(eff_database **database, const char *path, bool read_only);
void eff_database_close(eff_database *database); /* NULL is allowed; its statements are released before */

/* Rows that the last INSERT, UPDATE or DELETE changed. */
int64_t eff_database_changes(const eff_database *database);

/* Compiles the first statement of `sql`; *rest is what follows it. *statement is NULL when only space and comments
 * are left. */
eff_status eff_statement_new(eff_statement **statement, const char **rest, eff_database *database, const char *sql);
void eff_statement_free(eff_statement *statement); /* NULL is allowed */

/* Parameters are counted from 1. A whole number up to 2^53 is bound as an integer; text is copied. */
int eff_statement_parameters(const eff_statement *statement);
eff_status eff_statement_bind_number(eff_statement *statement, int index, double value);
eff_status eff_statement_bind_text(eff_statement *statement, int index, const char *text, size_t bytes);

/* Runs up to the next row; *row is false at the end. */
eff_status eff_statement_step(bool *row, eff_statement *statement);

typedef enum eff_cell_kind { EFF_CELL_NULL, EFF_CELL_NUMBER, EFF_CELL_TEXT } eff_cell_kind;

typedef struct eff_cell {
    eff_cell_kind kind;
    double number;
    const char *text; /* valid until the next step */
    size_t bytes;
} eff_cell;

/* Columns of the current row, counted from 0. */
int eff_statement_columns(const eff_statement *statement);
const char *eff_statement_column_name(const eff_statement *statement, int column);
eff_cell eff_statement_cell(const eff_statement *statement, int column);

#endif
