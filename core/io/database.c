/* SQLite behind statuses; see database.h. */
#include "io/database.h"

#include "io/file.h"

#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BUSY_MS = 30000, OPEN_TRIES = 200, OPEN_WAIT_MS = 25 };

struct eff_database {
    sqlite3 *handle;
    char *path;
};

struct eff_statement {
    eff_database *database;
    sqlite3_stmt *handle;
};

static eff_status status_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK: return EFF_OK;
    case SQLITE_NOMEM: return EFF_E_MEMORY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return EFF_E_FORMAT;
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
    case SQLITE_TOOBIG: return EFF_E_ARGUMENT;
    default: return EFF_E_IO;
    }
}

static eff_status fail(const eff_database *database, int code)
{
    const char *reason = database->handle ? sqlite3_errmsg(database->handle) : sqlite3_errstr(code);
    return eff_fail(status_of(code), "%s: %s", database->path, reason);
}

/* SQL without parameters and results */
static int execute(eff_database *database, const char *sql)
{
    return sqlite3_exec(database->handle, sql, NULL, NULL, NULL);
}

/* Two processes that make a log of the same new file do not wait for each other inside SQLite. */
static int use_log(eff_database *database)
{
    const struct timespec pause = {.tv_nsec = OPEN_WAIT_MS * 1000000L};
    int code = SQLITE_OK;
    for (int i = 0; i < OPEN_TRIES; i++) {
        code = execute(database, "PRAGMA journal_mode = WAL");
        if (code != SQLITE_BUSY && code != SQLITE_LOCKED) return code;
        nanosleep(&pause, NULL);
    }
    return code;
}

static int set_up(eff_database *database, bool read_only)
{
    sqlite3 *handle = database->handle;
    sqlite3_busy_timeout(handle, BUSY_MS);
    sqlite3_extended_result_codes(handle, 1);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    /* a reader that may write nothing at all could not tidy up the log's files */
    int code = read_only ? execute(database, "PRAGMA query_only = ON") : use_log(database);
    if (code != SQLITE_OK) return code;
    return execute(database, "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA user_version");
}

eff_status eff_database_open(eff_database **database, const char *path, bool read_only)
{
    *database = NULL;
    if (read_only && !eff_file_exists(path)) return eff_fail(EFF_E_IO, "%s: there is no such database", path);
    if (eff_dir_exists(path)) return eff_fail(EFF_E_IO, "%s: a folder, wanted the file of a database", path);
    eff_database *new = calloc(1, sizeof *new);
    if (!new || !(new->path = strdup(path))) {
        free(new);
        return eff_fail(EFF_E_MEMORY, "%s: no memory to open it", path);
    }
    int code = sqlite3_open_v2(path, &new->handle, SQLITE_OPEN_READWRITE | (read_only ? 0 : SQLITE_OPEN_CREATE), NULL);
    if (code == SQLITE_OK) code = set_up(new, read_only);
    if (code != SQLITE_OK) {
        eff_status status = fail(new, code);
        eff_database_close(new);
        return status;
    }
    *database = new;
    return EFF_OK;
}

void eff_database_close(eff_database *database)
{
    if (!database) return;
    sqlite3_close(database->handle);
    free(database->path);
    free(database);
}

int64_t eff_database_changes(const eff_database *database) { return sqlite3_changes64(database->handle); }

eff_status eff_statement_new(eff_statement **statement, const char **rest, eff_database *database, const char *sql)
{
    sqlite3_stmt *handle = NULL;
    *statement = NULL;
    int code = sqlite3_prepare_v2(database->handle, sql, -1, &handle, rest);
    if (code != SQLITE_OK) return fail(database, code);
    if (!handle) return EFF_OK;
    *statement = malloc(sizeof **statement);
    if (!*statement) {
        sqlite3_finalize(handle);
        return eff_fail(EFF_E_MEMORY, "%s: no memory for a statement", database->path);
    }
    **statement = (eff_statement){database, handle};
    return EFF_OK;
}

void eff_statement_free(eff_statement *statement)
{
    if (!statement) return;
    sqlite3_finalize(statement->handle);
    free(statement);
}

int eff_statement_parameters(const eff_statement *statement) { return sqlite3_bind_parameter_count(statement->handle); }

eff_status eff_statement_bind_number(eff_statement *statement, int index, double value)
{
    bool whole = value == floor(value) && fabs(value) <= 0x1p53;
    int code = whole ? sqlite3_bind_int64(statement->handle, index, (sqlite3_int64)value)
                     : sqlite3_bind_double(statement->handle, index, value);
    return code == SQLITE_OK ? EFF_OK : fail(statement->database, code);
}

eff_status eff_statement_bind_text(eff_statement *statement, int index, const char *text, size_t bytes)
{
    int code = sqlite3_bind_text64(statement->handle, index, text, bytes, SQLITE_TRANSIENT, SQLITE_UTF8);
    return code == SQLITE_OK ? EFF_OK : fail(statement->database, code);
}

eff_status eff_statement_step(bool *row, eff_statement *statement)
{
    int code = sqlite3_step(statement->handle);
    *row = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE ? EFF_OK : fail(statement->database, code);
}

int eff_statement_columns(const eff_statement *statement) { return sqlite3_column_count(statement->handle); }

const char *eff_statement_column_name(const eff_statement *statement, int column)
{
    return sqlite3_column_name(statement->handle, column);
}

eff_cell eff_statement_cell(const eff_statement *statement, int column)
{
    eff_cell cell = {EFF_CELL_NULL, 0, NULL, 0};
    switch (sqlite3_column_type(statement->handle, column)) {
    case SQLITE_NULL: return cell;
    case SQLITE_INTEGER:
    case SQLITE_FLOAT:
        cell.kind = EFF_CELL_NUMBER;
        cell.number = sqlite3_column_double(statement->handle, column);
        return cell;
    default:
        cell.kind = EFF_CELL_TEXT;
        cell.text = (const char *)sqlite3_column_text(statement->handle, column);
        cell.bytes = (size_t)sqlite3_column_bytes(statement->handle, column);
        if (!cell.text) cell = (eff_cell){EFF_CELL_TEXT, 0, "", 0};
        return cell;
    }
}
