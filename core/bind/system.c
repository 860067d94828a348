/* The machine and the process: threads, instruction set, memory, clock, signals. */
#define _GNU_SOURCE
#include "bind/bind.h"

#include "base/cpu.h"
#include "base/interrupt.h"
#include "base/parallel.h"
#include "base/pool.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static int set_threads(lua_State *L)
{
    int64_t n = eff_check_int(L, 1, "set_threads");
    if (n < 1 || n > EFF_MAX_THREADS) eff_raise(L, "set_threads: %lld, must be 1 to %d", (long long)n, EFF_MAX_THREADS);
    eff_set_threads((int)n);
    return 0;
}

static int get_threads(lua_State *L)
{
    lua_pushnumber(L, eff_threads());
    return 1;
}

static int use_isa(lua_State *L)
{
    eff_check(L, eff_isa_use(luaL_checkstring(L, 1)));
    return 0;
}

static void set_text(lua_State *L, const char *key, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

static void set_number(lua_State *L, const char *key, double value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, key);
}

/* info(): what the program runs on */
static int info(lua_State *L)
{
    static const char *const flavours[] = {"serial", "pthreads", "OpenMP"};
    int flavour = openblas_get_parallel();
    lua_newtable(L);
    set_text(L, "cpu", eff_cpu_name());
    set_text(L, "isa", eff_isa_name(eff_isa_current()));
    set_text(L, "best_isa", eff_isa_name(eff_isa_best()));
    set_text(L, "blas", openblas_get_config());
    set_text(L, "blas_core", openblas_get_corename());
    set_text(L, "blas_threads", flavour >= 0 && flavour < 3 ? flavours[flavour] : "unknown");
    set_number(L, "cores", eff_available_cores());
    set_number(L, "threads", eff_threads());
    set_text(L, "real", EFF_REAL_NAME);
    return 1;
}

static double resident_bytes(const char *field)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    double kilobytes = 0;
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0) kilobytes = strtod(line + strlen(field) + 1, NULL);
    if (file) fclose(file);
    return kilobytes * 1024;
}

/* memory(): bytes of tensors in use, cached for reuse, at the peak; calls of the system allocator; RSS */
static int memory(lua_State *L)
{
    eff_pool_stats s = eff_pool_get_stats();
    lua_newtable(L);
    set_number(L, "live", (double)s.live_bytes);
    set_number(L, "cached", (double)s.cached_bytes);
    set_number(L, "peak", (double)s.peak_bytes);
    set_number(L, "allocations", (double)s.system_allocs);
    set_number(L, "rss", resident_bytes("VmRSS"));
    set_number(L, "peak_rss", resident_bytes("VmHWM"));
    return 1;
}

static int memory_trim(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT, 0);
    eff_pool_trim();
    return 0;
}

static int memory_reset_peak(lua_State *L)
{
    (void)L;
    eff_pool_reset_peak();
    return 0;
}

/* clock(): seconds of a clock that never goes back */
static int clock_seconds(lua_State *L)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    lua_pushnumber(L, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    return 1;
}

/* interrupted(): the number of the signal that waits to be handled, or false */
static int interrupted(lua_State *L)
{
    int number = eff_interrupt_pending();
    if (number) lua_pushnumber(L, number);
    else lua_pushboolean(L, 0);
    return 1;
}

/* take_interrupt(): the same, and the signal counts as handled */
static int take_interrupt(lua_State *L)
{
    int number = eff_interrupt_take();
    if (number) lua_pushnumber(L, number);
    else lua_pushboolean(L, 0);
    return 1;
}

/* hold_interrupts(f, ...): calls f; a signal that arrives meanwhile waits until it has returned */
static int hold_interrupts(lua_State *L)
{
    eff_check_callable(L, "hold_interrupts");
    eff_interrupt_hold(true);
    int failed = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    eff_interrupt_hold(false);
    if (failed) return lua_error(L);
    return lua_gettop(L);
}

static int is_terminal(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_optnumber(L, 1, 2)));
    return 1;
}

/* terminal_width([file]): columns of the terminal behind a file descriptor; nil where there is none */
static int terminal_width(lua_State *L)
{
    struct winsize size;
    if (ioctl((int)luaL_optnumber(L, 1, 2), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 0;
    lua_pushnumber(L, size.ws_col);
    return 1;
}

static int process_id(lua_State *L)
{
    lua_pushnumber(L, (double)getpid());
    return 1;
}

static int host_name(lua_State *L)
{
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    lua_pushstring(L, name);
    return 1;
}

void eff_open_system(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"set_threads", set_threads}, {"threads", get_threads}, {"use_isa", use_isa}, {"info", info}, {"memory", memory},
        {"memory_trim", memory_trim}, {"memory_reset_peak", memory_reset_peak}, {"clock", clock_seconds},
        {"interrupted", interrupted}, {"take_interrupt", take_interrupt}, {"hold_interrupts", hold_interrupts}, {"is_terminal", is_terminal},
        {"terminal_width", terminal_width}, {"process_id", process_id}, {"host_name", host_name}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
