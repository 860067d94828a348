/* The element type of the numerics: float, or double in the build that checks gradients. */
#ifndef EFF_BASE_REAL_H
#define EFF_BASE_REAL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifdef EFF_REAL_DOUBLE
typedef double real;
#define EFF_REAL_NAME "float64"
static inline real real_exp(real x) { return exp(x); }
static inline real real_log(real x) { return log(x); }
static inline real real_log1p(real x) { return log1p(x); }
static inline real real_sqrt(real x) { return sqrt(x); }
static inline real real_tanh(real x) { return tanh(x); }
static inline real real_erf(real x) { return erf(x); }
static inline real real_abs(real x) { return fabs(x); }
static inline real real_pow(real x, real y) { return pow(x, y); }
#else
typedef float real;
#define EFF_REAL_NAME "float32"
static inline real real_exp(real x) { return expf(x); }
static inline real real_log(real x) { return logf(x); }
static inline real real_log1p(real x) { return log1pf(x); }
static inline real real_sqrt(real x) { return sqrtf(x); }
static inline real real_tanh(real x) { return tanhf(x); }
static inline real real_erf(real x) { return erff(x); }
static inline real real_abs(real x) { return fabsf(x); }
static inline real real_pow(real x, real y) { return powf(x, y); }
#endif

#endif
