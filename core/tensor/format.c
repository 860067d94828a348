/* Printing a tensor as NumPy does; see tensor.h. Formats only what is shown. */
#include "tensor/tensor.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { EDGE = 3, SUMMARISE_ABOVE = 1000 };

typedef struct writer {
    char *text;
    size_t capacity, length;
} writer;

typedef struct style {
    bool integers, exponent;
    int width;
} style;

static void put(writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(writer *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = w->length < w->capacity ? w->capacity - w->length : 0;
    int n = vsnprintf(room ? w->text + w->length : NULL, room, format, args);
    va_end(args);
    if (n > 0) w->length += (size_t)n;
}

static int print_number(char *text, size_t size, double value, const style *s)
{
    if (s->integers && isfinite(value)) return snprintf(text, size, "%.0f", value);
    if (!isfinite(value)) return snprintf(text, size, "%s", value != value ? "nan" : value > 0 ? "inf" : "-inf");
    return snprintf(text, size, s->exponent ? "%.4e" : "%.4f", value);
}

typedef void (*visitor)(double value, void *context);

static bool summarised(const eff_tensor *t) { return eff_tensor_numel(t) > SUMMARISE_ABOVE; }

/* Calls visit for each element that is shown. */
static void each_shown(const eff_tensor *t, int axis, int64_t *index, visitor visit, void *context)
{
    if (axis == t->ndim) {
        visit(eff_tensor_get(t, index), context);
        return;
    }
    bool cut = summarised(t) && t->shape[axis] > 2 * EDGE;
    for (int64_t i = 0; i < t->shape[axis]; i++) {
        if (cut && i == EDGE) i = t->shape[axis] - EDGE;
        index[axis] = i;
        each_shown(t, axis + 1, index, visit, context);
    }
}

typedef struct extremes {
    double largest, smallest;
    bool integral;
} extremes;

static void see_extremes(double value, void *context)
{
    extremes *e = context;
    if (!isfinite(value)) return;
    double size = fabs(value);
    if (size > e->largest) e->largest = size;
    if (size > 0 && (e->smallest == 0 || size < e->smallest)) e->smallest = size;
    if (value != floor(value)) e->integral = false;
}

typedef struct measure {
    const style *s;
    int width;
} measure;

static void see_width(double value, void *context)
{
    measure *m = context;
    char text[64];
    int width = print_number(text, sizeof text, value, m->s);
    if (width > m->width) m->width = width;
}

static style choose_style(const eff_tensor *t)
{
    extremes e = {0, 0, true};
    int64_t index[EFF_MAX_DIMS] = {0};
    style s = {t->dtype == EFF_I32 || t->dtype == EFF_I64 || t->dtype == EFF_U8, false, 0};
    each_shown(t, 0, index, see_extremes, &e);
    if (!s.integers) s.exponent = e.largest >= 1e8 || (e.smallest > 0 && e.smallest < 1e-4) ||
                                  (e.smallest > 0 && e.largest / e.smallest > 1e6);
    measure m = {&s, 0};
    each_shown(t, 0, index, see_width, &m);
    s.width = m.width;
    return s;
}

static void put_axis(writer *w, const eff_tensor *t, int axis, int64_t *index, const style *s)
{
    if (axis == t->ndim) {
        char text[64];
        print_number(text, sizeof text, eff_tensor_get(t, index), s);
        put(w, "%*s", t->ndim ? s->width : 0, text);
        return;
    }
    bool innermost = axis == t->ndim - 1, cut = summarised(t) && t->shape[axis] > 2 * EDGE;
    put(w, "[");
    for (int64_t i = 0; i < t->shape[axis]; i++) {
        if (i > 0 && innermost) put(w, " ");
        if (i > 0 && !innermost) {
            for (int j = axis; j < t->ndim - 1; j++) put(w, "\n");
            put(w, "%*s", axis + 1, "");
        }
        if (cut && i == EDGE) {
            put(w, innermost ? "... " : "...");
            if (!innermost) {
                for (int j = axis; j < t->ndim - 1; j++) put(w, "\n");
                put(w, "%*s", axis + 1, "");
            }
            i = t->shape[axis] - EDGE;
        }
        index[axis] = i;
        put_axis(w, t, axis + 1, index, s);
    }
    put(w, "]");
}

static void put_bytes(writer *w, double bytes)
{
    if (bytes < 1e3) put(w, "%.0f B", bytes);
    else if (bytes < 1e6) put(w, "%.1f kB", bytes / 1e3);
    else if (bytes < 1e9) put(w, "%.1f MB", bytes / 1e6);
    else put(w, "%.1f GB", bytes / 1e9);
}

size_t eff_tensor_format(const eff_tensor *t, char *text, size_t capacity)
{
    writer w = {text, capacity, 0};
    int64_t index[EFF_MAX_DIMS] = {0};
    char shape[EFF_SHAPE_TEXT];
    if (eff_tensor_numel(t) == 0) {
        put(&w, "[]"); /* its rows may be any number */
    } else {
        style s = choose_style(t);
        put_axis(&w, t, 0, index, &s);
    }
    put(&w, "\n[%s %s, ", eff_dtype_name(t->dtype), eff_shape_text(shape, t->ndim, t->shape));
    put_bytes(&w, (double)eff_tensor_numel(t) * (double)eff_dtype_size(t->dtype));
    put(&w, "]");
    return w.length;
}
