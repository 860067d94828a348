/* Timing of calls; see profile.h. */
#define _POSIX_C_SOURCE 199309L
#include "autograd/profile.h"

#include "autograd/node.h"

#include <stdlib.h>
#include <time.h>

bool eff_profiling = false;

static eff_profile_row *rows;
static int count, capacity, latest;
static int place_now;
static double inner_seconds; /* of finished calls inside the one that runs */

void eff_profile_start(void)
{
    count = latest = place_now = 0;
    inner_seconds = 0;
    eff_profiling = true;
}

void eff_profile_stop(void) { eff_profiling = false; }

int eff_profile_set_place(int place)
{
    int before = place_now;
    place_now = place;
    return before;
}

int eff_profile_place(void) { return place_now; }

const eff_profile_row *eff_profile_rows(int *n)
{
    *n = count;
    return rows;
}

static bool is_row(int i, int place, const eff_op *op) { return rows[i].place == place && rows[i].op == op; }

/* The row of an op at a place. Steps repeat, so the search begins behind the row that was found last. */
static eff_profile_row *row_of(int place, const eff_op *op)
{
    for (int i = 1; i <= count; i++) {
        int at = (latest + i) % count;
        if (is_row(at, place, op)) return &rows[latest = at];
    }
    if (count == capacity) {
        int more = capacity ? 2 * capacity : 256;
        eff_profile_row *grown = realloc(rows, (size_t)more * sizeof *grown);
        if (!grown) return NULL;
        rows = grown;
        capacity = more;
    }
    rows[count] = (eff_profile_row){.place = place, .op = op};
    return &rows[latest = count++];
}

/* ---- time ---- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

eff_profile_span eff_profile_begin(void)
{
    if (!eff_profiling) return (eff_profile_span){0, 0};
    eff_profile_span span = {now(), inner_seconds};
    inner_seconds = 0;
    return span;
}

static void add(eff_profile_pass *pass, const eff_profile_span *span, const eff_cost *cost, double times)
{
    double elapsed = now() - span->began;
    pass->calls++;
    pass->seconds += elapsed - inner_seconds;
    pass->cost.flops += times * cost->flops;
    pass->cost.bytes += times * cost->bytes;
    inner_seconds = span->inner + elapsed;
}

void eff_profile_end_forward(const eff_profile_span *span, const eff_call *c)
{
    eff_cost cost;
    eff_profile_row *row = span->began > 0 ? row_of(place_now, c->op) : NULL;
    if (!row) return;
    eff_op_cost(&cost, c);
    add(&row->forward, span, &cost, 1);
}

/* Whether backward computed the gradient of input i, in an array of its own. */
static bool has_computed(const eff_call *c, int i)
{
    if (!c->din[i] || c->in[i]->ndim < 2) return false;
    for (int j = 0; j < c->n_out; j++)
        if (c->dout[j] && c->dout[j]->storage == c->din[i]->storage) return false;
    return true;
}

void eff_profile_end_backward(const eff_profile_span *span, int place, eff_call *c)
{
    eff_cost cost;
    int gradients = 0;
    eff_profile_row *row = span->began > 0 ? row_of(place, c->op) : NULL;
    if (!row) return;
    for (int i = 0; i < c->n_in; i++) gradients += has_computed(c, i);
    for (int i = 0; i < c->n_out; i++) eff_spec_like(c, i, c->out[i]->dtype, c->out[i]);
    eff_op_cost(&cost, c);
    add(&row->backward, span, &cost, gradients);
}

/* ---- memory ---- */

typedef struct kept_array {
    const eff_storage *storage;
    const eff_node *node;
} kept_array;

/* By array, and then the earliest node first */
static int compare_kept(const void *a, const void *b)
{
    const kept_array *x = a, *y = b;
    if (x->storage != y->storage) return x->storage < y->storage ? -1 : 1;
    return x->node->id < y->node->id ? -1 : x->node->id > y->node->id;
}

/* What a node saved and nobody else owns: parameters are leaves, and stay anyway. */
static size_t list_kept(kept_array *list, const eff_node *node)
{
    size_t n = 0;
    for (int i = 0; i < node->call.n_in; i++) {
        const eff_tensor *t = node->call.in[i];
        if (t && t->storage && !node->edge[i].leaf) list[n++] = (kept_array){t->storage, node};
    }
    for (int i = 0; i < node->call.n_out; i++) {
        const eff_tensor *t = node->call.out[i];
        if (t && t->storage) list[n++] = (kept_array){t->storage, node};
    }
    return n;
}

void eff_profile_count_kept(eff_node *const *nodes, size_t node_count)
{
    kept_array *list = eff_profiling ? malloc(node_count * (EFF_MAX_INPUTS + EFF_MAX_OUTPUTS) * sizeof *list) : NULL;
    size_t n = 0;
    if (!list) return;
    for (int i = 0; i < count; i++) rows[i].kept = 0;
    for (size_t i = 0; i < node_count; i++) n += list_kept(list + n, nodes[i]);
    qsort(list, n, sizeof *list, compare_kept);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && list[i].storage == list[i - 1].storage) continue;
        eff_profile_row *row = row_of(list[i].node->place, list[i].node->call.op);
        if (row) row->kept += (double)list[i].storage->bytes;
    }
    free(list);
}
