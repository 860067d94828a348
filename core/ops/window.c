/* Sliding-window geometry; see window.h. */
#include "ops/window.h"

const char *const eff_padding_words[] = {"same", "valid", NULL};

enum { SAME, VALID };

enum { MOST_PIXELS = 1 << 16 }; /* of a stride, a step of a dilated kernel, a border: sums of products stay small */

eff_status eff_pair_parse(int64_t pair[2], const eff_call *c, const char *name, const eff_value *given, int64_t missing)
{
    if (given->i > 2)
        return eff_fail(EFF_E_ARGUMENT, "%s: %s has %lld numbers, wanted 1 or 2", c->op->name, name, (long long)given->i);
    for (int d = 0; d < 2; d++) {
        pair[d] = given->i == 0 ? missing : given->list[given->i == 2 ? d : 0];
        if (pair[d] < 1)
            return eff_fail(EFF_E_ARGUMENT, "%s: %s is %lld, must be at least 1", c->op->name, name, (long long)pair[d]);
        if (pair[d] > MOST_PIXELS)
            return eff_fail(EFF_E_ARGUMENT, "%s: %s is %lld, must be at most %d", c->op->name, name, (long long)pair[d],
                            MOST_PIXELS);
    }
    return EFF_OK;
}

static int64_t reach(const eff_window *w, int d) { return (w->kernel[d] - 1) * w->dilation[d] + 1; }

/* TensorFlow's SAME: ceil(n / stride) outputs, the smaller half of the zeros before. */
static void pad_same(eff_window *w, int d, int64_t n)
{
    int64_t out = (n + w->stride[d] - 1) / w->stride[d], total = (out - 1) * w->stride[d] + reach(w, d) - n;
    if (total < 0) total = 0;
    w->before[d] = total / 2;
    w->after[d] = total - total / 2;
}

static eff_status explicit_padding(eff_window *w, const eff_call *c, const eff_value *padding)
{
    const int64_t *p = padding->list;
    switch (padding->i) {
    case 0: w->before[0] = w->after[0] = w->before[1] = w->after[1] = 0; break;
    case 1: w->before[0] = w->after[0] = w->before[1] = w->after[1] = p[0]; break;
    case 2:
        w->before[0] = w->after[0] = p[0];
        w->before[1] = w->after[1] = p[1];
        break;
    case 4:
        w->before[0] = p[0];
        w->after[0] = p[1];
        w->before[1] = p[2];
        w->after[1] = p[3];
        break;
    default:
        return eff_fail(EFF_E_ARGUMENT, "%s: padding has %lld numbers, wanted 1, 2 {vertical, horizontal} or 4 {top, bottom, left, right}",
                        c->op->name, (long long)padding->i);
    }
    for (int d = 0; d < 2; d++)
        if (w->before[d] < 0 || w->after[d] < 0 || w->before[d] > MOST_PIXELS || w->after[d] > MOST_PIXELS)
            return eff_fail(EFF_E_ARGUMENT, "%s: padding of %lld and %lld, must be 0 to %d", c->op->name,
                            (long long)w->before[d], (long long)w->after[d], MOST_PIXELS);
    return EFF_OK;
}

eff_status eff_window_fit(eff_window *w, const eff_call *c, const eff_value *padding, int64_t height, int64_t width)
{
    int64_t size[2] = {height, width};
    bool word = padding->i == 1 && padding->list[0] <= EFF_WORD(SAME) && padding->list[0] >= EFF_WORD(VALID);
    if (!word) EFF_TRY(explicit_padding(w, c, padding));
    for (int d = 0; d < 2; d++) {
        if (word && padding->list[0] == EFF_WORD(SAME)) pad_same(w, d, size[d]);
        else if (word) w->before[d] = w->after[d] = 0;
        int64_t room = size[d] + w->before[d] + w->after[d] - reach(w, d);
        if (room < 0)
            return eff_fail(EFF_E_SHAPE, "%s: the kernel reaches over %lld pixels, the padded image has %lld %s",
                            c->op->name, (long long)reach(w, d), (long long)(size[d] + w->before[d] + w->after[d]),
                            d == 0 ? "rows" : "columns");
        w->out[d] = room / w->stride[d] + 1;
    }
    return EFF_OK;
}
