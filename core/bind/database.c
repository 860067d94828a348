/* A database for Lua: statements with parameters, rows as tables. */
#include "bind/bind.h"

#include "io/database.h"

#define DATABASE_TYPE "effv2.database"

typedef struct database_box {
    eff_database *database; /* NULL once closed */
} database_box;

static eff_database *check_database(lua_State *L)
{
    database_box *box = luaL_checkudata(L, 1, DATABASE_TYPE);
    if (!box->database) eff_raise(L, "the database was closed");
    return box->database;
}

/* Misuse raises; what the world or the file refuses is nil, message, code. */
static int push_problem(lua_State *L, eff_status status)
{
    if (status == EFF_E_ARGUMENT) eff_check(L, status);
    return eff_push_failure(L, status);
}

/* open_database(path [, read_only]): a database, or nil, message, code */
static int open_database(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    bool read_only = lua_toboolean(L, 2);
    database_box *box = lua_newuserdata(L, sizeof *box);
    box->database = NULL;
    luaL_getmetatable(L, DATABASE_TYPE);
    lua_setmetatable(L, -2);
    eff_status status = eff_database_open(&box->database, path, read_only);
    return status == EFF_OK ? 1 : eff_push_failure(L, status);
}

static eff_status bind_one(lua_State *L, int index, eff_statement *statement, int parameter)
{
    size_t bytes;
    const char *text;
    switch (lua_type(L, index)) {
    case LUA_TNONE:
    case LUA_TNIL: return EFF_OK; /* NULL until something is bound */
    case LUA_TBOOLEAN: return eff_statement_bind_number(statement, parameter, lua_toboolean(L, index));
    case LUA_TNUMBER: return eff_statement_bind_number(statement, parameter, lua_tonumber(L, index));
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &bytes);
        return eff_statement_bind_text(statement, parameter, text, bytes);
    default:
        return eff_fail(EFF_E_ARGUMENT,
                        "parameter %d of a statement is a %s, wanted a number, a text, a boolean or nil", parameter,
                        luaL_typename(L, index));
    }
}

static eff_status bind_all(lua_State *L, eff_statement *statement)
{
    int given = lua_gettop(L) - 2, wanted = eff_statement_parameters(statement);
    if (given > wanted) return eff_fail(EFF_E_ARGUMENT, "a statement with %d parameters got %d values", wanted, given);
    for (int i = 1; i <= given; i++) EFF_TRY(bind_one(L, i + 2, statement, i));
    return EFF_OK;
}

static void push_row(lua_State *L, const eff_statement *statement)
{
    int columns = eff_statement_columns(statement);
    lua_createtable(L, 0, columns);
    for (int i = 0; i < columns; i++) {
        eff_cell cell = eff_statement_cell(statement, i);
        if (cell.kind == EFF_CELL_NULL) continue;
        if (cell.kind == EFF_CELL_NUMBER)
            lua_pushnumber(L, cell.number);
        else
            lua_pushlstring(L, cell.text, cell.bytes);
        lua_setfield(L, -2, eff_statement_column_name(statement, i));
    }
}

/* Adds the rows to the list on top of the stack. */
static eff_status add_rows(lua_State *L, eff_statement *statement)
{
    bool row = true;
    for (int n = 1; row; n++) {
        EFF_TRY(eff_statement_step(&row, statement));
        if (!row) break;
        push_row(L, statement);
        lua_rawseti(L, -2, n);
    }
    return EFF_OK;
}

/* database:rows(sql, ...): a list of rows { column = value }, NULL left out; the values fill the ?s of the one
 * statement */
static int rows(lua_State *L)
{
    eff_database *database = check_database(L);
    eff_statement *statement = NULL;
    const char *rest;
    eff_status status = eff_statement_new(&statement, &rest, database, luaL_checkstring(L, 2));
    if (status == EFF_OK && !statement) status = eff_fail(EFF_E_ARGUMENT, "rows: no statement");
    if (status == EFF_OK) status = bind_all(L, statement);
    lua_newtable(L);
    if (status == EFF_OK) status = add_rows(L, statement);
    eff_statement_free(statement);
    return status == EFF_OK ? 1 : push_problem(L, status);
}

static eff_status run_one(lua_State *L, eff_statement *statement, bool with_values)
{
    bool row = true;
    if (with_values) EFF_TRY(bind_all(L, statement));
    while (row) EFF_TRY(eff_statement_step(&row, statement));
    return EFF_OK;
}

/* database:run(sql, ...): runs all statements, the values being the first one's; the number of rows that the last
 * changed */
static int run(lua_State *L)
{
    eff_database *database = check_database(L);
    const char *sql = luaL_checkstring(L, 2);
    eff_status status = EFF_OK;
    for (bool first = true; status == EFF_OK && *sql; first = false) {
        eff_statement *statement = NULL;
        status = eff_statement_new(&statement, &sql, database, sql);
        if (status == EFF_OK && !statement) break;
        if (status == EFF_OK) status = run_one(L, statement, first);
        eff_statement_free(statement);
    }
    if (status != EFF_OK) return push_problem(L, status);
    lua_pushnumber(L, (double)eff_database_changes(database));
    return 1;
}

/* database:close(); closing twice is fine, and the collector closes too */
static int close_database(lua_State *L)
{
    database_box *box = luaL_checkudata(L, 1, DATABASE_TYPE);
    eff_database_close(box->database);
    box->database = NULL;
    return 0;
}

void eff_open_database(lua_State *L)
{
    static const luaL_Reg methods[] = {{"rows", rows}, {"run", run}, {"close", close_database}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"open_database", open_database}, {NULL, NULL}};
    luaL_newmetatable(L, DATABASE_TYPE);
    lua_newtable(L);
    luaL_register(L, NULL, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, close_database);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_register(L, NULL, functions);
}
