/* The database: values through a file, waiting for another writer, damage, and what is refused. */
#define _GNU_SOURCE
#include "io/database.h"

#include "test_io_helpers.h"

static eff_status run(eff_database *database, const char *sql)
{
    eff_status status = EFF_OK;
    while (status == EFF_OK && *sql) {
        eff_statement *statement = NULL;
        bool row = true;
        status = eff_statement_new(&statement, &sql, database, sql);
        while (status == EFF_OK && statement && row) status = eff_statement_step(&row, statement);
        eff_statement_free(statement);
    }
    return status;
}

static double number_of(eff_database *database, const char *sql)
{
    eff_statement *statement;
    const char *rest;
    bool row;
    assert_int_equal(EFF_OK, eff_statement_new(&statement, &rest, database, sql));
    assert_int_equal(EFF_OK, eff_statement_step(&row, statement));
    assert_true(row);
    double number = eff_statement_cell(statement, 0).number;
    eff_statement_free(statement);
    return number;
}

static void values_come_back(void **state)
{
    (void)state;
    eff_database *database;
    eff_statement *statement;
    const char *rest;
    bool row;
    assert_int_equal(EFF_OK, eff_database_open(&database, in_scratch("values.db"), false));
    assert_int_equal(EFF_OK, run(database, "CREATE TABLE t (a, b, c, d); -- a comment"));
    assert_int_equal(EFF_OK, eff_statement_new(&statement, &rest, database, "INSERT INTO t VALUES (?, ?, ?, ?)"));
    assert_int_equal(4, eff_statement_parameters(statement));
    assert_int_equal(EFF_OK, eff_statement_bind_number(statement, 1, 0x1p53));
    assert_int_equal(EFF_OK, eff_statement_bind_number(statement, 2, 0.1));
    assert_int_equal(EFF_OK, eff_statement_bind_text(statement, 3, "a\0b", 3));
    assert_int_equal(EFF_OK, eff_statement_step(&row, statement));
    assert_false(row);
    eff_statement_free(statement);
    assert_int_equal(1, eff_database_changes(database));
    eff_database_close(database);

    assert_int_equal(EFF_OK, eff_database_open(&database, in_scratch("values.db"), true));
    assert_int_equal(EFF_OK, eff_statement_new(&statement, &rest, database, "SELECT a, b, c, d, typeof(a) FROM t"));
    assert_int_equal(EFF_OK, eff_statement_step(&row, statement));
    assert_true(row);
    assert_int_equal(5, eff_statement_columns(statement));
    assert_string_equal("b", eff_statement_column_name(statement, 1));
    assert_true(eff_statement_cell(statement, 0).number == 0x1p53);
    assert_true(eff_statement_cell(statement, 1).number == 0.1);
    assert_int_equal(3, eff_statement_cell(statement, 2).bytes);
    assert_memory_equal("a\0b", eff_statement_cell(statement, 2).text, 3);
    assert_int_equal(EFF_CELL_NULL, eff_statement_cell(statement, 3).kind);
    assert_string_equal("integer", eff_statement_cell(statement, 4).text);
    eff_statement_free(statement);
    assert_int_equal(EFF_E_IO, run(database, "INSERT INTO t VALUES (1, 2, 3, 4)"));
    assert_contains(eff_message(), "values.db: attempt to write a readonly database");
    eff_database_close(database);
}

static void two_connections_see_one_file(void **state)
{
    (void)state;
    eff_database *one, *two;
    assert_int_equal(EFF_OK, eff_database_open(&one, in_scratch("two.db"), false));
    assert_int_equal(EFF_OK, eff_database_open(&two, in_scratch("two.db"), false));
    assert_int_equal(EFF_OK, run(one, "CREATE TABLE t (a); BEGIN IMMEDIATE; INSERT INTO t VALUES (7)"));
    assert_true(number_of(two, "SELECT count(*) FROM t") == 0); /* a reader does not wait, and sees what was there */
    assert_int_equal(EFF_OK, run(one, "COMMIT"));
    assert_true(number_of(two, "SELECT a FROM t") == 7);
    eff_database_close(one);
    eff_database_close(two);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    eff_database *database;
    assert_int_equal(EFF_E_IO, eff_database_open(&database, in_scratch("missing.db"), true));
    assert_contains(eff_message(), "missing.db: there is no such database");
    assert_int_equal(EFF_E_IO, eff_database_open(&database, in_scratch("no/folder.db"), false));
    assert_contains(eff_message(), "unable to open database file");
    assert_int_equal(EFF_E_IO, eff_database_open(&database, in_scratch("."), false));
    assert_int_equal(EFF_OK, eff_database_open(&database, in_scratch("sql.db"), false));
    assert_int_equal(EFF_E_ARGUMENT, run(database, "SELEKT 1"));
    assert_contains(eff_message(), "sql.db: near \"SELEKT\"");
    assert_int_equal(EFF_E_ARGUMENT, run(database, "CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1), (1)"));
    eff_database_close(database);
}

static void damage_is_found(void **state)
{
    (void)state;
    eff_database *database;
    char noise[8192];
    memset(noise, 'x', sizeof noise);
    put_bytes(in_scratch("noise.db"), noise, sizeof noise);
    assert_int_equal(EFF_E_FORMAT, eff_database_open(&database, in_scratch("noise.db"), false));
    assert_contains(eff_message(), "noise.db: file is not a database");
    assert_null(database);
}

static void triggers_of_a_file_do_not_run(void **state)
{
    (void)state;
    eff_database *database;
    assert_int_equal(EFF_OK, eff_database_open(&database, in_scratch("trigger.db"), false));
    assert_int_equal(EFF_OK,
                     run(database, "CREATE TABLE t (a); CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM t; END;"
                                   "INSERT INTO t VALUES (3)"));
    assert_true(number_of(database, "SELECT count(*) FROM t") == 1);
    eff_database_close(database);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_come_back),
                                       cmocka_unit_test(two_connections_see_one_file),
                                       cmocka_unit_test(mistakes_are_named), cmocka_unit_test(damage_is_found),
                                       cmocka_unit_test(triggers_of_a_file_do_not_run)};
    return cmocka_run_group_tests_name("io database", tests, scratch_setup, scratch_teardown);
}
