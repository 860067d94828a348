/* Threads and the parallel loop; see parallel.h.
 *
 * The team is the calling thread and workers that live as long as the process. Between two loops a worker spins
 * for some tens of microseconds, which the next loop of a training step usually meets, and then sleeps: on a busy
 * machine libgomp's longer spinning takes the cores away from the very threads that are waited for (a tenth of
 * the speed with three processes on two cores). Sanitizers see every synchronisation, too.
 */
#define _GNU_SOURCE
#include "base/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { SPINS = 2000 };

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

typedef struct share { /* of a loop, for one thread; what is left of it goes to whoever is done with his own */
    _Alignas(64) int64_t next;
    int64_t end;
} share;

typedef struct loop {
    int64_t n;
    int team;
    void (*body)(void *context, int64_t i, int worker);
    void *context;
} loop;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    int workers;         /* that exist; worker i of a team is the i-th of them, worker 0 the caller */
    unsigned generation; /* one more for each loop */
    int running;         /* workers that have not finished the present loop */
    int sleepers;        /* workers that sleep or are about to */
    bool caller_sleeps;
    bool busy; /* a loop is running */
    loop *now;
    share shares[EFF_MAX_THREADS]; /* of the present loop */
} team = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static _Thread_local bool inside; /* in a body: an inner loop runs on this thread alone */

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void deal_shares(const loop *l)
{
    for (int k = 0; k < l->team; k++) {
        __atomic_store_n(&team.shares[k].next, k * l->n / l->team, __ATOMIC_RELAXED);
        team.shares[k].end = (k + 1) * l->n / l->team;
    }
}

/* His own share first: one loop after another cuts a batch at the same places, so that a thread mostly reads what it
 * wrote itself, out of the cache of its core. */
static void run_shares(const loop *l, int worker)
{
    inside = true;
    for (int k = 0; k < l->team; k++) {
        share *s = &team.shares[(worker + k) % l->team];
        int64_t i;
        while ((i = __atomic_fetch_add(&s->next, 1, __ATOMIC_RELAXED)) < s->end) l->body(l->context, i, worker);
    }
    inside = false;
}

/* A library with OpenMP teams of its own (OpenBLAS) must stay on the calling thread, or its results would depend
 * on the thread count; the number is a property of each thread. */
static void keep_libraries_serial(void)
{
    static _Thread_local bool kept;
    if (!kept) omp_set_num_threads(1);
    kept = true;
}

static unsigned generation_now(void) { return __atomic_load_n(&team.generation, __ATOMIC_SEQ_CST); }

static void await_generation_after(unsigned seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (generation_now() != seen) return;
        relax();
    }
    pthread_mutex_lock(&team.lock);
    __atomic_add_fetch(&team.sleepers, 1, __ATOMIC_SEQ_CST);
    while (generation_now() == seen) pthread_cond_wait(&team.wake, &team.lock);
    __atomic_sub_fetch(&team.sleepers, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&team.lock);
}

static void report_finished(void)
{
    if (__atomic_sub_fetch(&team.running, 1, __ATOMIC_SEQ_CST) > 0) return;
    if (!__atomic_load_n(&team.caller_sleeps, __ATOMIC_SEQ_CST)) return;
    pthread_mutex_lock(&team.lock);
    pthread_cond_signal(&team.done);
    pthread_mutex_unlock(&team.lock);
}

typedef struct start {
    int worker;
    unsigned generation;
} start;

static void *work(void *argument)
{
    start s = *(start *)argument;
    free(argument);
    keep_libraries_serial();
    for (;;) {
        await_generation_after(s.generation);
        s.generation++;
        if (s.worker < team.now->team) run_shares(team.now, s.worker);
        report_finished();
    }
    return NULL;
}

/* Makes workers until there are `wanted`; fewer when the system refuses. */
static void hire(int wanted)
{
    while (team.workers < wanted) {
        pthread_t thread;
        start *s = malloc(sizeof *s);
        if (!s) return;
        *s = (start){team.workers + 1, generation_now()};
        if (pthread_create(&thread, NULL, work, s) != 0) {
            free(s);
            return;
        }
        pthread_detach(thread);
        team.workers++;
    }
}

static void await_workers(void)
{
    for (int i = 0; i < SPINS; i++) {
        if (__atomic_load_n(&team.running, __ATOMIC_SEQ_CST) == 0) return;
        relax();
    }
    pthread_mutex_lock(&team.lock);
    __atomic_store_n(&team.caller_sleeps, true, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&team.running, __ATOMIC_SEQ_CST) > 0) pthread_cond_wait(&team.done, &team.lock);
    __atomic_store_n(&team.caller_sleeps, false, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&team.lock);
}

static void run_with_team(loop *l)
{
    team.now = l;
    deal_shares(l);
    __atomic_store_n(&team.running, team.workers, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&team.generation, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&team.sleepers, __ATOMIC_SEQ_CST) > 0) {
        pthread_mutex_lock(&team.lock);
        pthread_cond_broadcast(&team.wake);
        pthread_mutex_unlock(&team.lock);
    }
    run_shares(l, 0);
    await_workers();
}

static void run_alone(loop *l)
{
    bool before = inside;
    inside = true;
    for (int64_t i = 0; i < l->n; i++) l->body(l->context, i, 0);
    inside = before;
}

void eff_parallel_for(int64_t n, void (*body)(void *context, int64_t i, int worker), void *context)
{
    int wanted = eff_threads();
    loop l = {.n = n, .team = n < wanted ? (int)n : wanted, .body = body, .context = context};
    keep_libraries_serial();
    if (l.team <= 1 || inside || __atomic_exchange_n(&team.busy, true, __ATOMIC_ACQUIRE)) {
        run_alone(&l);
        return;
    }
    hire(l.team - 1);
    run_with_team(&l);
    __atomic_store_n(&team.busy, false, __ATOMIC_RELEASE);
}
