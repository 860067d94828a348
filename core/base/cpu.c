/* Instruction-set detection; see cpu.h. */
#include "base/cpu.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[EFF_ISA_COUNT] = {"portable", "avx2", "avx512"};
static atomic_int current = -1; /* loader threads may be the first to ask */

const char *eff_isa_name(eff_isa isa) { return names[isa]; }

eff_isa eff_isa_best(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
        return EFF_ISA_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return EFF_ISA_AVX2;
#endif
    return EFF_ISA_PORTABLE;
}

eff_status eff_isa_use(const char *name)
{
    for (int i = 0; i < EFF_ISA_COUNT; i++) {
        if (strcmp(names[i], name) != 0) continue;
        if (i > (int)eff_isa_best())
            return eff_fail(EFF_E_ARGUMENT, "instruction set %s: this CPU has %s at most", name, names[eff_isa_best()]);
        current = i;
        return EFF_OK;
    }
    return eff_fail(EFF_E_ARGUMENT, "unknown instruction set '%s' (known: portable, avx2, avx512)", name);
}

eff_status eff_isa_check_environment(void)
{
    const char *wanted = getenv("EFFV2_ISA");
    if (!wanted || !*wanted) return EFF_OK;
    eff_status status = eff_isa_use(wanted);
    return status == EFF_OK ? EFF_OK : eff_fail_at(status, "EFFV2_ISA");
}

eff_isa eff_isa_current(void)
{
    if (current < 0) (void)eff_isa_check_environment();
    if (current < 0) current = (int)eff_isa_best();
    return (eff_isa)current;
}

const char *eff_cpu_name(void)
{
    static char name[128];
    if (name[0]) return name;
    snprintf(name, sizeof name, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[256];
    while (file && fgets(line, sizeof line, file)) {
        char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value) continue;
        value += 2;
        value[strcspn(value, "\n")] = 0;
        snprintf(name, sizeof name, "%s", value);
        break;
    }
    if (file) fclose(file);
    return name;
}
