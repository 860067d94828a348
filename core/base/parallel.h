/* The one door to threads for numerics.
 *
 * Work is cut into chunks whose number and bounds depend on the problem alone, never on the thread count,
 * so the same bits come out of any number of threads. A body writes only to its own chunk's output; it must
 * not fail, raise or allocate: scratch is given per worker by the caller.
 * For the thread that runs Lua; from another thread while a loop runs, the loop runs on that thread alone.
 */
#ifndef EFF_BASE_PARALLEL_H
#define EFF_BASE_PARALLEL_H

#include <stdint.h>

/* Most threads that a program can use; scratch "per worker" is sized by eff_threads(). */
enum { EFF_MAX_THREADS = 64 };

int eff_threads(void);        /* threads used now, >= 1 */
void eff_set_threads(int n);  /* clamped to 1 .. EFF_MAX_THREADS */
int eff_available_cores(void); /* affinity mask, cgroup quota, OMP_NUM_THREADS: the smallest */

/* Calls body(context, i, worker) for i = 0 .. n-1, each i once; worker is 0 .. eff_threads()-1. */
void eff_parallel_for(int64_t n, void (*body)(void *context, int64_t i, int worker), void *context);

/* ceil(n / chunk) */
static inline int64_t eff_chunks(int64_t n, int64_t chunk) { return (n + chunk - 1) / chunk; }

#endif
