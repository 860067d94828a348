/* Timing the loops of peak_simd.c on all threads. */
#define _POSIX_C_SOURCE 199309L
#include "kernels/peak.h"

#include "base/cpu.h"
#include "base/parallel.h"

#include <time.h>

enum { TASKS_PER_THREAD = 4, TRIALS = 8 };

extern const eff_peak_kernels eff_peak_portable, eff_peak_avx2, eff_peak_avx512;

static const eff_peak_kernels *kernels_now(void)
{
#ifdef __x86_64__
    if (eff_isa_current() == EFF_ISA_AVX512) return &eff_peak_avx512;
    if (eff_isa_current() == EFF_ISA_AVX2) return &eff_peak_avx2;
#endif
    return &eff_peak_portable;
}

typedef struct job {
    const eff_peak_kernels *kernels;
    int64_t rounds; /* of multiply-adds */
    const float *a;
    float *b; /* NULL: read only */
    int64_t n, tasks;
    float sink[EFF_MAX_THREADS]; /* so that no result is unused */
} job;

static void multiply_add_task(void *context, int64_t i, int worker)
{
    job *j = context;
    (void)i;
    j->sink[worker] += j->kernels->multiply_add(j->rounds);
}

static void stream_task(void *context, int64_t i, int worker)
{
    job *j = context;
    int64_t from = j->n * i / j->tasks, count = j->n * (i + 1) / j->tasks - from;
    if (j->b) j->kernels->copy(j->b + from, j->a + from, count);
    else j->sink[worker] += j->kernels->read(j->a + from, count);
}

static double seconds_of(job *j, void (*task)(void *, int64_t, int))
{
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    eff_parallel_for(j->tasks, task, j);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
}

double eff_peak_flops(double seconds)
{
    job j = {.kernels = kernels_now(), .rounds = 1000, .tasks = TASKS_PER_THREAD * eff_threads()};
    double taken = seconds_of(&j, multiply_add_task), best = 0;
    while (taken < seconds / TRIALS) {
        j.rounds *= 2;
        taken = seconds_of(&j, multiply_add_task);
    }
    for (int trial = 0; trial < TRIALS; trial++) {
        double rate = j.kernels->flops_a_round * (double)(j.rounds * j.tasks) / seconds_of(&j, multiply_add_task);
        if (rate > best) best = rate;
    }
    return best;
}

double eff_peak_bandwidth(const float *a, float *b, int64_t n, bool copy, double seconds)
{
    job j = {.kernels = kernels_now(), .a = a, .b = copy ? b : NULL, .n = n, .tasks = TASKS_PER_THREAD * eff_threads()};
    double best = 0, used = 0;
    for (int trial = 0; trial < TRIALS || used < seconds; trial++) {
        double taken = seconds_of(&j, stream_task), rate = (copy ? 2.0 : 1.0) * (double)n * sizeof *a / taken;
        if (rate > best) best = rate;
        used += taken;
    }
    return best;
}
