/* Which instruction sets this CPU has, and which one is used. */
#ifndef EFF_BASE_CPU_H
#define EFF_BASE_CPU_H

#include "base/status.h"

typedef enum eff_isa { EFF_ISA_PORTABLE, EFF_ISA_AVX2, EFF_ISA_AVX512, EFF_ISA_COUNT } eff_isa;

const char *eff_isa_name(eff_isa isa); /* "portable", "avx2", "avx512" */
eff_isa eff_isa_best(void);            /* the widest that the CPU and the kernel support */

/* The one in use: EFFV2_ISA if set, else the best. EFFV2_ISA with an unknown or missing set falls back to
 * the best; eff_isa_check_environment says so. */
eff_isa eff_isa_current(void);
eff_status eff_isa_use(const char *name);
eff_status eff_isa_check_environment(void);

const char *eff_cpu_name(void); /* "AMD EPYC ..." from /proc/cpuinfo, or "unknown" */

#endif
