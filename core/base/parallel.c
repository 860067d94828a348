/* Threads and the parallel loop; see parallel.h. */
#define _GNU_SOURCE
#include "base/parallel.h"

#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

/* libgomp synchronises with futexes that ThreadSanitizer cannot see; these tell it. */
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define HAPPENS_BEFORE(address) __tsan_release(address)
#define HAPPENS_AFTER(address) __tsan_acquire(address)
#define UNWATCHED __attribute__((no_sanitize_thread))
#else
#define HAPPENS_BEFORE(address) ((void)0)
#define HAPPENS_AFTER(address) ((void)0)
#define UNWATCHED
#endif

static int threads; /* 0: not set yet */

static int cgroup_quota(void)
{
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "r");
    long quota = 0, period = 0;
    if (!file) return EFF_MAX_THREADS;
    int fields = fscanf(file, "%ld %ld", &quota, &period); /* "max 100000" has no quota */
    fclose(file);
    if (fields != 2 || quota <= 0 || period <= 0) return EFF_MAX_THREADS;
    return (int)((quota + period - 1) / period);
}

int eff_available_cores(void)
{
    cpu_set_t mask;
    int cores = sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : 1;
    int quota = cgroup_quota();
    if (quota < cores) cores = quota;
    const char *limit = getenv("OMP_NUM_THREADS");
    if (limit && atoi(limit) > 0 && atoi(limit) < cores) cores = atoi(limit);
    return cores < 1 ? 1 : cores > EFF_MAX_THREADS ? EFF_MAX_THREADS : cores;
}

int eff_threads(void)
{
    if (!threads) threads = eff_available_cores();
    return threads;
}

void eff_set_threads(int n) { threads = n < 1 ? 1 : n > EFF_MAX_THREADS ? EFF_MAX_THREADS : n; }

typedef struct loop {
    int64_t n;
    void (*body)(void *context, int64_t i, int worker);
    void *context;
} loop;

static void run_share(const loop *l, int64_t *next, int worker)
{
    for (;;) {
        int64_t i = __atomic_fetch_add(next, 1, __ATOMIC_RELAXED);
        if (i >= l->n) return;
        l->body(l->context, i, worker);
    }
}

/* On the calling thread. A library with OpenMP teams of its own (BLAS) must stay on this thread too, as it does
 * inside a team, or its results would depend on the thread count. */
static void run_alone(int64_t n, void (*body)(void *context, int64_t i, int worker), void *context)
{
    int team = omp_get_max_threads();
    omp_set_num_threads(1);
    for (int64_t i = 0; i < n; i++) body(context, i, 0);
    omp_set_num_threads(team);
}

UNWATCHED void eff_parallel_for(int64_t n, void (*body)(void *context, int64_t i, int worker), void *context)
{
    int team = eff_threads();
    if (n < team) team = (int)n;
    if (team <= 1 || omp_in_parallel()) {
        run_alone(n, body, context);
        return;
    }
    loop l = {n, body, context};
    int64_t next = 0;
    HAPPENS_BEFORE(&l);
#pragma omp parallel num_threads(team)
    {
        HAPPENS_AFTER(&l);
        run_share(&l, &next, omp_get_thread_num());
        HAPPENS_BEFORE(&l);
    }
    HAPPENS_AFTER(&l);
}
