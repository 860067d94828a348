/* A place in the loader's ring; see slot.h. */
#include "data/slot.h"

#include <stdlib.h>
#include <string.h>

#include "base/pool.h"

static size_t sample_values(const eff_batch *b) { return (size_t)b->height * b->width * 3; }

eff_status eff_slot_allocate(eff_slot *s, int64_t size, int height, int width, const eff_normalization *of_bytes)
{
    *s = (eff_slot){.batch = -1, .size = size, .view = {.height = height, .width = width, .normalization = of_bytes}};
    size_t n = (size_t)size, values = n * sample_values(&s->view);
    if (of_bytes) s->view.bytes = eff_pool_alloc(values);
    else s->view.images = eff_pool_alloc(values * sizeof(float));
    s->view.labels = eff_pool_alloc(n * sizeof(int64_t));
    s->view.indices = eff_pool_alloc(n * sizeof(int64_t));
    s->failures = calloc(n, sizeof *s->failures);
    if ((s->view.images || s->view.bytes) && s->view.labels && s->view.indices && s->failures) return EFF_OK;
    return eff_fail(EFF_E_MEMORY, "loader: no memory for a batch of %lld x %d x %d x 3 %s", (long long)size, height, width,
                    of_bytes ? "bytes" : "floats");
}

static void forget_failures(eff_slot *s)
{
    for (int64_t i = 0; s->failures && i < s->size; i++) {
        free(s->failures[i].why);
        s->failures[i] = (eff_sample_failure){EFF_OK, NULL};
    }
}

void eff_slot_free(eff_slot *s)
{
    forget_failures(s);
    free(s->failures);
    eff_pool_free(s->view.images);
    eff_pool_free(s->view.bytes);
    eff_pool_free(s->view.labels);
    eff_pool_free(s->view.indices);
}

eff_sample_place eff_slot_place(const eff_slot *s, int64_t sample)
{
    const eff_batch *b = &s->view;
    size_t at = (size_t)sample * sample_values(b);
    return (eff_sample_place){b->images ? b->images + at : NULL, b->bytes ? b->bytes + at : NULL};
}

void eff_slot_clear(eff_slot *s)
{
    forget_failures(s);
    s->batch = -1;
}

static void move_sample(eff_slot *s, int64_t to, int64_t from)
{
    if (to == from) return;
    eff_batch *b = &s->view;
    size_t values = sample_values(b);
    eff_sample_place new = eff_slot_place(s, to), old = eff_slot_place(s, from);
    if (b->bytes) memcpy(new.bytes, old.bytes, values);
    else memcpy(new.floats, old.floats, values * sizeof(float));
    b->labels[to] = b->labels[from];
    b->indices[to] = b->indices[from];
}

/* The failure of sample i, which is forgotten; after a first one that was `fatal` it is not looked at. */
static eff_status take_failure(eff_slot *s, int64_t i, eff_unreadable *unreadable, eff_status fatal)
{
    eff_sample_failure failure = s->failures[i];
    s->failures[i] = (eff_sample_failure){EFF_OK, NULL};
    if (fatal == EFF_OK) return eff_unreadable_note(unreadable, failure.status, s->view.indices[i], failure.why);
    free(failure.why);
    return fatal;
}

eff_status eff_slot_settle(eff_slot *s, eff_unreadable *unreadable)
{
    eff_status status = EFF_OK;
    eff_batch *b = &s->view;
    int64_t kept = 0, asked = b->count, padding_from = b->count - b->padding;
    for (int64_t i = 0; i < asked; i++) {
        if (s->failures[i].status == EFF_OK) {
            move_sample(s, kept++, i);
            continue;
        }
        if (i >= padding_from) b->padding--;
        status = take_failure(s, i, unreadable, status);
    }
    b->count = kept;
    if (status != EFF_OK || kept > 0 || asked == 0) return status;
    return eff_fail(EFF_E_FORMAT, "none of the %lld pictures of batch %lld could be read; the last: %s", (long long)asked,
                    (long long)b->position, eff_unreadable_last(unreadable));
}
