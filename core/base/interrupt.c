/* Signal flag; see interrupt.h. */
#define _GNU_SOURCE
#include "base/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static int pending;
static bool held;

static void on_signal(int number)
{
    if (number == SIGINT && __atomic_load_n(&pending, __ATOMIC_RELAXED) == SIGINT) _exit(130);
    __atomic_store_n(&pending, number, __ATOMIC_RELAXED);
}

void eff_interrupt_install(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
}

int eff_interrupt_pending(void)
{
    return __atomic_load_n(&held, __ATOMIC_RELAXED) ? 0 : __atomic_load_n(&pending, __ATOMIC_RELAXED);
}

int eff_interrupt_take(void) { return __atomic_exchange_n(&pending, 0, __ATOMIC_RELAXED); }

void eff_interrupt_hold(bool hold) { __atomic_store_n(&held, hold, __ATOMIC_RELAXED); }
