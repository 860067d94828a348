/* Measuring: where the time of calls goes, and what the machine can do at most. */
#include "bind/bind.h"

#include "autograd/profile.h"
#include "kernels/peak.h"

#include <stdlib.h>
#include <string.h>

/* profile_start(): every operation is timed from now on, by place; earlier times are forgotten */
static int start(lua_State *L)
{
    (void)L;
    eff_profile_start();
    return 0;
}

static int stop(lua_State *L)
{
    (void)L;
    eff_profile_stop();
    return 0;
}

/* profile_place(number): calls count there from now on; returns where they counted before */
static int place(lua_State *L)
{
    lua_pushnumber(L, eff_profile_set_place((int)eff_check_int(L, 1, "profile_place")));
    return 1;
}

static void set_number(lua_State *L, const char *key, double value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, key);
}

static void set_pass(lua_State *L, const char *key, const eff_profile_pass *pass)
{
    lua_createtable(L, 0, 4);
    set_number(L, "calls", (double)pass->calls);
    set_number(L, "seconds", pass->seconds);
    set_number(L, "flops", pass->cost.flops);
    set_number(L, "bytes", pass->cost.bytes);
    lua_setfield(L, -2, key);
}

/* profile_rows(): a list of {place, op, forward, backward = {calls, seconds, flops, bytes}, kept} */
static int rows(lua_State *L)
{
    int n;
    const eff_profile_row *row = eff_profile_rows(&n);
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++, row++) {
        lua_createtable(L, 0, 5);
        set_number(L, "place", row->place);
        lua_pushstring(L, row->op->name);
        lua_setfield(L, -2, "op");
        set_pass(L, "forward", &row->forward);
        set_pass(L, "backward", &row->backward);
        set_number(L, "kept", row->kept);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* peak_flops([seconds]): multiply-adds between registers on all threads in use, two operations each, a second */
static int peak_flops(lua_State *L)
{
    lua_pushnumber(L, eff_peak_flops(luaL_optnumber(L, 1, 0.2)));
    return 1;
}

/* peak_bandwidth([seconds, megabytes]): bytes a second {read =, copy = (read and written)} of memory, with two arrays of
 * `megabytes` each */
static int peak_bandwidth(lua_State *L)
{
    double seconds = luaL_optnumber(L, 1, 0.4), megabytes = luaL_optnumber(L, 2, 128);
    if (!(megabytes > 0 && megabytes < 1e5)) eff_raise(L, "peak_bandwidth: %g megabytes, must be above 0", megabytes);
    int64_t n = (int64_t)(megabytes * 1e6 / 64) * 16;
    float *a = aligned_alloc(64, (size_t)n * 2 * sizeof *a); /* not of the pool, which would keep it */
    if (!a) eff_raise(L, "peak_bandwidth: no memory for twice %g megabytes", megabytes);
    memset(a, 0, (size_t)n * 2 * sizeof *a);
    lua_createtable(L, 0, 2);
    set_number(L, "read", eff_peak_bandwidth(a, a + n, n, false, seconds / 2));
    set_number(L, "copy", eff_peak_bandwidth(a, a + n, n, true, seconds / 2));
    free(a);
    return 1;
}

void eff_open_profile(lua_State *L)
{
    static const luaL_Reg functions[] = {{"profile_start", start}, {"profile_stop", stop}, {"profile_place", place},
                                         {"profile_rows", rows}, {"peak_flops", peak_flops},
                                         {"peak_bandwidth", peak_bandwidth}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
