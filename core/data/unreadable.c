/* The unreadable pictures that a loader met; see unreadable.h. */
#include "data/unreadable.h"

#include <stdlib.h>

static bool is_listed(const eff_unreadable *u, int64_t index)
{
    for (int64_t i = 0; i < u->count; i++)
        if (u->list[i].index == index) return true;
    return false;
}

/* Takes over `why`. */
static eff_status add(eff_unreadable *u, int64_t index, char *why)
{
    eff_unreadable_picture *longer = realloc(u->list, (size_t)(u->count + 1) * sizeof *longer);
    if (!longer) {
        free(why);
        return eff_fail(EFF_E_MEMORY, "loader: no memory for the list of unreadable pictures");
    }
    u->list = longer;
    u->list[u->count++] = (eff_unreadable_picture){index, why};
    if (u->count <= u->limit) return EFF_OK;
    return eff_fail(EFF_E_FORMAT, "%lld pictures could not be read, more than the %lld that are accepted; the last: %s",
                    (long long)u->count, (long long)u->limit, eff_unreadable_last(u));
}

/* A damaged or missing file may be skipped; a mistake of the program or missing memory may not. */
static bool is_bad_file(eff_status status)
{
    return status == EFF_E_FORMAT || status == EFF_E_IO || status == EFF_E_SHAPE;
}

eff_status eff_unreadable_note(eff_unreadable *u, eff_status failure, int64_t index, char *why)
{
    bool skipped = u->skip && is_bad_file(failure);
    if (skipped && !is_listed(u, index)) return add(u, index, why);
    eff_status status = EFF_OK;
    if (!skipped) {
        const char *cure = is_bad_file(failure) ? " (replace or remove it, or accept it: on_bad = \"skip\")" : "";
        status = eff_fail(failure, "%s%s", why ? why : "a picture could not be read", cure);
    }
    free(why);
    return status;
}

const char *eff_unreadable_last(const eff_unreadable *u)
{
    return u->count && u->list[u->count - 1].why ? u->list[u->count - 1].why : "?";
}

void eff_unreadable_free(eff_unreadable *u)
{
    for (int64_t i = 0; i < u->count; i++) free(u->list[i].why);
    free(u->list);
    *u = (eff_unreadable){0};
}
