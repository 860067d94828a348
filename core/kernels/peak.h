/* What this machine can do at most, measured: what the speed of a kernel is a fraction of. */
#ifndef EFF_KERNELS_PEAK_H
#define EFF_KERNELS_PEAK_H

#include <stdbool.h>
#include <stdint.h>

/* Floating-point operations a second of multiply-adds between registers, on all threads in use and with the
 * instruction set in use (a multiply-add counts as two): the best of several trials that take `seconds` in all. */
double eff_peak_flops(double seconds);

/* Bytes a second that stream through memory: read where `copy` is false, else read and written, both counted.
 * `a` and `b` hold n floats each, several times what the caches hold; `b` alone is written. */
double eff_peak_bandwidth(const float *a, float *b, int64_t n, bool copy, double seconds);

/* One instruction set's loops */
typedef struct eff_peak_kernels {
    double flops_a_round;
    float (*multiply_add)(int64_t rounds);
    float (*read)(const float *a, int64_t n);
    void (*copy)(float *b, const float *a, int64_t n);
} eff_peak_kernels;

#endif
