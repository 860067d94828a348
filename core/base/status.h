/* Status codes and the message that explains the last failure.
 *
 * Below bind/ every function that can fail returns an eff_status, cleans up after itself and leaves a
 * message in a thread-local buffer. Nothing aborts, exits or jumps.
 */
#ifndef EFF_BASE_STATUS_H
#define EFF_BASE_STATUS_H

typedef enum eff_status {
    EFF_OK = 0,
    EFF_E_ARGUMENT,    /* a value that the function cannot work with */
    EFF_E_SHAPE,       /* tensors whose shapes do not fit */
    EFF_E_TYPE,        /* tensors whose element types do not fit */
    EFF_E_MEMORY,      /* no memory */
    EFF_E_IO,          /* the operating system refused: missing file, full disk, permissions */
    EFF_E_FORMAT,      /* a file that is not what it claims to be */
    EFF_E_INTERRUPTED, /* SIGINT, SIGTERM or SIGUSR1 arrived */
    EFF_E_STATE        /* an object used after its end, or in the wrong order */
} eff_status;

/* Stores the formatted message and returns `code`, so that `return eff_fail(...)` reads well. */
eff_status eff_fail(eff_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts the formatted text and ": " before the stored message; returns `code`. For callers that know
 * more about the place (the layer's path, the file's name). */
eff_status eff_fail_at(eff_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The message of this thread's last failure; never NULL. */
const char *eff_message(void);

/* A short machine-readable name: "argument", "shape", "io", ... */
const char *eff_status_name(eff_status code);

#define EFF_TRY(call)                                                                                        \
    do {                                                                                                     \
        eff_status eff_try_status_ = (call);                                                                 \
        if (eff_try_status_ != EFF_OK) return eff_try_status_;                                               \
    } while (0)

#endif
