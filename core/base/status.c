/* Thread-local failure messages; see status.h. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 1024 };

static _Thread_local char message[MESSAGE_BYTES];

eff_status eff_fail(eff_status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return code;
}

eff_status eff_fail_at(eff_status code, const char *format, ...)
{
    char place[MESSAGE_BYTES], tail[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(place, sizeof place, format, args);
    va_end(args);
    memcpy(tail, message, sizeof tail);
    size_t length = strlen(place);
    if (length > sizeof message - 3) length = sizeof message - 3;
    memcpy(message, place, length);
    memcpy(message + length, ": ", 2);
    size_t rest = strlen(tail), room = sizeof message - 1 - length - 2;
    if (rest > room) rest = room;
    memcpy(message + length + 2, tail, rest);
    message[length + 2 + rest] = 0;
    return code;
}

const char *eff_message(void) { return message; }

const char *eff_status_name(eff_status code)
{
    switch (code) {
    case EFF_OK: return "ok";
    case EFF_E_ARGUMENT: return "argument";
    case EFF_E_SHAPE: return "shape";
    case EFF_E_TYPE: return "type";
    case EFF_E_MEMORY: return "memory";
    case EFF_E_IO: return "io";
    case EFF_E_FORMAT: return "format";
    case EFF_E_INTERRUPTED: return "interrupted";
    case EFF_E_STATE: return "state";
    }
    return "unknown";
}
