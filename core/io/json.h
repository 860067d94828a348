/* JSON that gives back the numbers it was given. The values are jansson's (json_t); this adds what jansson
 * leaves open: NaN and infinity are null, whole numbers are written as such, and every other number with the
 * fewest digits (15 to 17) that read back as the same bits, so 0.1 stays "0.1".
 *
 * Integers beyond +-EFF_JSON_MAX_EXACT do not fit a double; a caller that makes Lua numbers of them checks.
 */
#ifndef EFF_IO_JSON_H
#define EFF_IO_JSON_H

#include "base/status.h"

#include <jansson.h>
#include <stddef.h>

#define EFF_JSON_MAX_EXACT (1LL << 53)

enum { EFF_JSON_PRETTY = 1, EFF_JSON_SORTED = 2 }; /* two spaces a level; keys in byte order */

/* Any JSON value; a key given twice is an error. `source` (a path) opens the error text. */
eff_status eff_json_parse(json_t **value, const char *text, size_t bytes, const char *source);

/* A new json_t: an integer if x is whole and |x| <= 2^53 (but -0.0 stays a real), null if x is NaN or infinite,
 * else a real. NULL when there is no memory. */
json_t *eff_json_number(double x);

/* *text is released with free() and ends with a NUL; there is no final newline. */
eff_status eff_json_write(char **text, size_t *bytes, const json_t *value, int flags);

#endif
