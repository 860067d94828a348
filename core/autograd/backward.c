/* The backward walk; see backward.h.
 *
 * An op's backward assigns its gradients to fresh tensors; the walk sums what several consumers send. So a
 * gradient with one consumer is written once, never zeroed first, and an addition hands its gradient on as it
 * is. A leaf whose flat gradient counts as zero is written in place.
 */
#include "autograd/backward.h"

#include "autograd/deferred.h"
#include "autograd/node.h"
#include "autograd/profile.h"
#include "base/interrupt.h"
#include "kernels/variants.h"

#include <stdlib.h>
#include <string.h>

typedef struct node_list {
    eff_node **items;
    size_t count, capacity;
} node_list;

static eff_status push(node_list *list, eff_node *node)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 256;
        eff_node **items = realloc(list->items, capacity * sizeof *items);
        if (!items) return eff_fail(EFF_E_MEMORY, "backward: no memory for the list of nodes");
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = node;
    return EFF_OK;
}

static int by_falling_id(const void *a, const void *b)
{
    uint64_t x = (*(eff_node *const *)a)->id, y = (*(eff_node *const *)b)->id;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* All nodes that root depends on, the latest first. */
static eff_status collect(node_list *list, eff_node *root)
{
    static uint64_t mark;
    mark++;
    root->visited = mark;
    EFF_TRY(push(list, root));
    for (size_t i = 0; i < list->count; i++) {
        eff_node *node = list->items[i];
        for (int j = 0; j < node->call.n_in; j++) {
            eff_node *next = (eff_node *)node->edge[j].node;
            if (!next || next->visited == mark) continue;
            next->visited = mark;
            EFF_TRY(push(list, next));
        }
    }
    qsort(list->items, list->count, sizeof *list->items, by_falling_id);
    return EFF_OK;
}

static void add_into(eff_tensor *sum, const eff_tensor *t)
{
    real *s = eff_tensor_reals(sum);
    eff_elementwise_kernels_now()->binary(EFF_BINARY_ADD, s, s, eff_tensor_reals(t), eff_tensor_numel(sum));
}

static bool sole_owner(const eff_tensor *t) { return t->refs == 1 && t->storage->refs == 1; }

/* Puts t into an empty slot, or adds it; takes over one reference to t. */
static eff_status accumulate(eff_tensor **slot, eff_tensor *t)
{
    if (!*slot) {
        *slot = t;
        return EFF_OK;
    }
    eff_status settled = eff_settle(*slot);
    if (settled == EFF_OK) settled = eff_settle(t);
    if (settled != EFF_OK) {
        eff_tensor_release(t);
        return settled;
    }
    if (!sole_owner(*slot)) {
        eff_tensor *sum = NULL;
        eff_status status = eff_tensor_like(&sum, *slot);
        if (status == EFF_OK) status = eff_tensor_copy(sum, *slot);
        if (status != EFF_OK) {
            eff_tensor_release(sum);
            eff_tensor_release(t);
            return status;
        }
        eff_tensor_release(*slot);
        *slot = sum;
    }
    add_into(*slot, t);
    eff_tensor_release(t);
    return EFF_OK;
}

/* Adds t to the gradient of a leaf; takes over one reference to t. */
static eff_status give_to_leaf(eff_tensor *leaf, eff_tensor *t)
{
    if (t == leaf->grad) { /* the op wrote it in place */
        eff_tensor_release(t);
        return EFF_OK;
    }
    eff_status status = eff_settle(t);
    if (status == EFF_OK && !leaf->grad && sole_owner(t)) {
        leaf->grad = t;
        return EFF_OK;
    }
    if (status == EFF_OK && !leaf->grad) {
        status = eff_tensor_like(&leaf->grad, leaf);
        leaf->grad_is_zero = true;
    }
    if (status == EFF_OK && leaf->grad_is_zero) {
        status = eff_tensor_copy(leaf->grad, t);
        leaf->grad_is_zero = false;
    } else if (status == EFF_OK) {
        add_into(leaf->grad, t);
    }
    eff_tensor_release(t);
    return status;
}

static eff_status send_gradients(eff_node *node)
{
    eff_status status = EFF_OK;
    for (int i = 0; i < node->call.n_in; i++) {
        eff_tensor *t = node->call.din[i];
        node->call.din[i] = NULL;
        if (!t) continue;
        eff_node *to = (eff_node *)node->edge[i].node;
        if (status != EFF_OK)
            eff_tensor_release(t);
        else if (to)
            status = accumulate(&to->call.dout[node->edge[i].output], t);
        else
            status = give_to_leaf(node->edge[i].leaf, t);
    }
    return status;
}

static bool has_gradient(const eff_node *node)
{
    for (int i = 0; i < node->call.n_out; i++)
        if (node->call.dout[i]) return true;
    return false;
}

static void release_douts(eff_node *node)
{
    for (int i = 0; i < node->call.n_out; i++) {
        eff_tensor_release(node->call.dout[i]);
        node->call.dout[i] = NULL;
    }
}

/* Runs the op's backward with its deferred inputs computed, unless it reads those itself. */
static eff_status run_backward(eff_node *node)
{
    eff_call *c = &node->call;
    eff_tensor *kept[EFF_MAX_INPUTS] = {NULL};
    eff_status status = EFF_OK;
    for (int i = 0; i < c->n_in && status == EFF_OK; i++) {
        c->leaf[i] = node->edge[i].leaf;
        if (!eff_is_deferred(c->in[i]) || (eff_is_scaled(c->in[i]) && eff_reads_deferred(c->op, i))) continue;
        kept[i] = c->in[i];
        status = eff_computed(&c->in[i], kept[i]);
    }
    for (int i = 0; i < c->n_out && status == EFF_OK; i++)
        if (eff_is_deferred(c->dout[i]) && !(i == 0 && (c->op->flags & EFF_READS_DEFERRED_GRADIENT)))
            status = eff_settle(c->dout[i]);
    if (status == EFF_OK) status = c->op->backward(c);
    for (int i = 0; i < c->n_in; i++) {
        if (!kept[i]) continue;
        eff_tensor_release(c->in[i]);
        c->in[i] = kept[i];
    }
    return status == EFF_OK ? EFF_OK : eff_fail_at(status, "backward of %s", c->op->name);
}

static eff_status step_back(eff_node *node, bool keep_graph)
{
    if (eff_interrupt_pending()) return eff_fail(EFF_E_INTERRUPTED, "interrupted");
    if (!has_gradient(node)) return EFF_OK;
    if (node->spent)
        return eff_fail(EFF_E_STATE, "backward: the graph at %s was walked already (pass keep_graph = true to walk it again)",
                        node->call.op->name);
    eff_profile_span span = eff_profile_begin();
    eff_status status = run_backward(node);
    if (status == EFF_OK) eff_profile_end_backward(&span, node->place, &node->call);
    if (!keep_graph) {
        node->spent = true;
        eff_node_release_saved(node);
    } else {
        release_douts(node);
    }
    eff_status sent = status == EFF_OK ? send_gradients(node) : status;
    for (int i = 0; i < node->call.n_in; i++) {
        eff_tensor_release(node->call.din[i]);
        node->call.din[i] = NULL;
    }
    return sent;
}

static eff_status start_gradient(eff_tensor **out, const eff_tensor *root, const eff_tensor *gradient)
{
    char have[EFF_SHAPE_TEXT], given[EFF_SHAPE_TEXT];
    if (!gradient && eff_tensor_numel(root) != 1)
        return eff_fail(EFF_E_SHAPE, "backward: a tensor of %s is no single number: make it one (:sum(), :mean()) or pass a gradient of its shape",
                        eff_shape_text(have, root->ndim, root->shape));
    if (gradient && !eff_tensor_same_shape(root, gradient))
        return eff_fail(EFF_E_SHAPE, "backward: the gradient is %s, the tensor %s: the shapes must be the same",
                        eff_shape_text(given, gradient->ndim, gradient->shape),
                        eff_shape_text(have, root->ndim, root->shape));
    EFF_TRY(eff_tensor_new(out, root->dtype, root->ndim, root->shape));
    if (gradient) return eff_tensor_copy(*out, gradient);
    eff_tensor_fill(*out, 1.0);
    return EFF_OK;
}

static eff_status walk(eff_node *root, eff_tensor *gradient, int output, bool keep_graph)
{
    node_list list = {NULL, 0, 0};
    eff_status status = collect(&list, root);
    if (status == EFF_OK) status = accumulate(&root->call.dout[output], gradient);
    else eff_tensor_release(gradient);
    if (status == EFF_OK) eff_profile_count_kept(list.items, list.count);
    for (size_t i = 0; i < list.count && status == EFF_OK; i++) status = step_back(list.items[i], keep_graph);
    for (size_t i = 0; i < list.count; i++) release_douts(list.items[i]);
    free(list.items);
    return status;
}

eff_status eff_backward(eff_tensor *root, const eff_tensor *gradient, bool keep_graph)
{
    if (!root->requires_grad)
        return eff_fail(EFF_E_STATE, "backward: the tensor depends on nothing that requires a gradient (a parameter, or a tensor "
                        "after :requires_grad(true)), or it was made in no_grad or by an op without a gradient");
    eff_tensor *start = NULL;
    eff_status status = start_gradient(&start, root, gradient);
    if (status != EFF_OK) {
        eff_tensor_release(start);
        return status;
    }
    if (!root->maker) return give_to_leaf(root, start);
    bool recording = eff_set_grad_enabled(false);
    status = walk((eff_node *)root->maker, start, root->maker_output, keep_graph);
    eff_set_grad_enabled(recording);
    return status;
}

void eff_grad_zero(eff_tensor *t) { t->grad_is_zero = t->grad != NULL; }

eff_status eff_grad_settle(eff_tensor *t)
{
    if (!t->grad) {
        EFF_TRY(eff_tensor_like(&t->grad, t));
        t->grad_is_zero = true;
    }
    if (t->grad_is_zero) memset(eff_tensor_data(t->grad), 0, (size_t)eff_tensor_numel(t) * eff_dtype_size(t->dtype));
    t->grad_is_zero = false;
    return EFF_OK;
}
