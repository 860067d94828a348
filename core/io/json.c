/* See json.h. */
#include "io/json.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 500, INDENT = 2 }; /* deeper nesting is a cycle or a mistake */

eff_status eff_json_parse(json_t **value, const char *text, size_t bytes, const char *source)
{
    json_error_t error;
    json_t *parsed = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!parsed)
        return eff_fail(json_error_code(&error) == json_error_out_of_memory ? EFF_E_MEMORY : EFF_E_FORMAT,
                        "%s: not valid JSON: line %d, column %d: %s", source, error.line, error.column, error.text);
    *value = parsed;
    return EFF_OK;
}

json_t *eff_json_number(double x)
{
    if (!isfinite(x)) return json_null();
    bool whole = fabs(x) <= (double)EFF_JSON_MAX_EXACT && x == trunc(x) && !(x == 0 && signbit(x));
    return whole ? json_integer((json_int_t)x) : json_real(x);
}

/* ---- writing ---- */

typedef struct writer {
    char *text;
    size_t used, room;
    int flags;
    eff_status status; /* the first failure; later writes do nothing */
} writer;

static void put(writer *w, const char *text, size_t bytes)
{
    if (w->status != EFF_OK) return;
    if (w->used + bytes + 1 > w->room) {
        size_t room = 2 * (w->used + bytes + 1);
        char *larger = realloc(w->text, room);
        if (!larger) {
            w->status = eff_fail(EFF_E_MEMORY, "no memory for a JSON text of %zu bytes", room);
            return;
        }
        w->text = larger;
        w->room = room;
    }
    memcpy(w->text + w->used, text, bytes);
    w->used += bytes;
    w->text[w->used] = '\0';
}

static void put_text(writer *w, const char *text) { put(w, text, strlen(text)); }

static void put_line_start(writer *w, int depth)
{
    if (!(w->flags & EFF_JSON_PRETTY)) return;
    put(w, "\n", 1);
    for (int i = 0; i < depth * INDENT; i++) put(w, " ", 1);
}

static void put_real(writer *w, double x)
{
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, x);
        if (strtod(digits, NULL) == x) break;
    }
    put_text(w, digits);
    if (!strpbrk(digits, ".e")) put_text(w, ".0"); /* else it would be read as an integer, -0 without its sign */
}

static void put_string(writer *w, const char *text, size_t bytes)
{
    static const char short_escapes[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: the byte, its letter */
    put(w, "\"", 1);
    size_t plain = 0;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        put(w, text + plain, i - plain);
        plain = i + 1;
        char escape[8] = {'\\'};
        for (const char *pair = short_escapes; *pair; pair += 2)
            if (pair[0] == (char)c) escape[1] = pair[1];
        if (!escape[1]) snprintf(escape, sizeof escape, "\\u%04x", c);
        put_text(w, escape);
    }
    put(w, text + plain, bytes - plain);
    put(w, "\"", 1);
}

static void put_value(writer *w, const json_t *value, int depth);

static void put_array(writer *w, const json_t *array, int depth)
{
    size_t count = json_array_size(array);
    put(w, "[", 1);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) put(w, ",", 1);
        put_line_start(w, depth + 1);
        put_value(w, json_array_get(array, i), depth + 1);
    }
    if (count > 0) put_line_start(w, depth);
    put(w, "]", 1);
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* The object's keys, in its own order or sorted; NULL when there is no memory. */
static const char **keys_of(const json_t *object, bool sorted)
{
    size_t count = json_object_size(object), i = 0;
    const char **keys = malloc((count + 1) * sizeof *keys);
    if (!keys) return NULL;
    json_t *any = (json_t *)object; /* jansson iterates over mutable objects only */
    for (void *at = json_object_iter(any); at; at = json_object_iter_next(any, at))
        keys[i++] = json_object_iter_key(at);
    if (sorted) qsort(keys, count, sizeof *keys, by_text);
    return keys;
}

static void put_object(writer *w, const json_t *object, int depth)
{
    const char **keys = keys_of(object, w->flags & EFF_JSON_SORTED);
    if (!keys) {
        w->status = eff_fail(EFF_E_MEMORY, "no memory for the keys of a JSON object");
        return;
    }
    size_t count = json_object_size(object);
    put(w, "{", 1);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) put(w, ",", 1);
        put_line_start(w, depth + 1);
        put_string(w, keys[i], strlen(keys[i]));
        put_text(w, w->flags & EFF_JSON_PRETTY ? ": " : ":");
        put_value(w, json_object_get(object, keys[i]), depth + 1);
    }
    if (count > 0) put_line_start(w, depth);
    put(w, "}", 1);
    free(keys);
}

static void put_value(writer *w, const json_t *value, int depth)
{
    if (w->status != EFF_OK) return;
    if (depth > MAX_DEPTH) {
        w->status = eff_fail(EFF_E_ARGUMENT,
                             "a value for JSON is nested deeper than %d levels: does it contain itself?", MAX_DEPTH);
        return;
    }
    char digits[24];
    switch (json_typeof(value)) {
    case JSON_OBJECT: put_object(w, value, depth); break;
    case JSON_ARRAY: put_array(w, value, depth); break;
    case JSON_STRING: put_string(w, json_string_value(value), json_string_length(value)); break;
    case JSON_INTEGER:
        snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(value));
        put_text(w, digits);
        break;
    case JSON_REAL: put_real(w, json_real_value(value)); break;
    case JSON_TRUE: put_text(w, "true"); break;
    case JSON_FALSE: put_text(w, "false"); break;
    case JSON_NULL: put_text(w, "null"); break;
    }
}

eff_status eff_json_write(char **text, size_t *bytes, const json_t *value, int flags)
{
    writer w = {.flags = flags};
    put_value(&w, value, 0);
    if (w.status != EFF_OK) {
        free(w.text);
        return w.status;
    }
    *text = w.text;
    *bytes = w.used;
    return EFF_OK;
}
