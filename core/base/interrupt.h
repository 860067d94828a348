/* The one flag behind all signals: handlers set it, loops look at it. */
#ifndef EFF_BASE_INTERRUPT_H
#define EFF_BASE_INTERRUPT_H

#include <stdbool.h>

/* Installs handlers for SIGINT, SIGTERM and SIGUSR1 that set the flag; a second SIGINT ends at once. */
void eff_interrupt_install(void);

/* The signal that arrived and was not yet taken, or 0; 0 while signals are held. Cheap: an atomic load. */
int eff_interrupt_pending(void);

/* Takes it: returns the signal and clears the flag. */
int eff_interrupt_take(void);

/* While held, a signal waits: for work that must not stop half-way, such as one training step. */
void eff_interrupt_hold(bool held);

#endif
