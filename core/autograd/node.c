/* Recording calls and letting them go; see node.h. */
#include "autograd/node.h"

#include "autograd/deferred.h"
#include "autograd/profile.h"

#include <stdlib.h>

static uint64_t next_id = 1;

/* Nodes whose last reference went while another was being destroyed wait here: a long chain of nodes must not
 * become a deep recursion. */
static eff_node *doomed;
static bool destroying;

void eff_node_release_saved(eff_node *node)
{
    for (int i = 0; i < EFF_MAX_INPUTS; i++) {
        eff_tensor_release(node->call.in[i]);
        node->call.in[i] = NULL;
    }
    eff_call_release_outputs(&node->call);
    for (int i = 0; i < EFF_MAX_OUTPUTS; i++) {
        eff_tensor_release(node->call.dout[i]);
        node->call.dout[i] = NULL;
    }
    if (node->call.op->forget && node->call.context) node->call.op->forget(&node->call);
    node->call.context = NULL;
}

static void node_free(eff_node *node)
{
    eff_node_release_saved(node);
    for (int i = 0; i < node->call.n_in; i++) {
        eff_link_release(node->edge[i].node);
        eff_tensor_release(node->edge[i].leaf);
    }
    free(node);
}

static void node_destroy(eff_link *link)
{
    eff_node *node = (eff_node *)link;
    if (destroying) {
        node->next_doomed = doomed;
        doomed = node;
        return;
    }
    destroying = true;
    node_free(node);
    while (doomed) {
        eff_node *next = doomed;
        doomed = next->next_doomed;
        node_free(next);
    }
    destroying = false;
}

static eff_status save(eff_tensor **slot, const eff_tensor *t, bool with_contents)
{
    if (with_contents) return t->recipe ? eff_save_recipe(slot, t) : eff_tensor_alias(slot, t);
    return eff_tensor_shape_only(slot, t);
}

/* Saves the inputs as they were before dense copies were made where they were deferred. */
static eff_status save_tensors(eff_node *node, const eff_call *c, eff_tensor *const *in)
{
    unsigned saves = c->op->saves;
    for (int i = 0; i < c->n_in; i++) {
        bool kept = (saves & EFF_SAVE_ALL_IN) == EFF_SAVE_ALL_IN || (i < 16 && (saves & EFF_SAVE_IN(i)));
        if (c->in[i]) EFF_TRY(save(&node->call.in[i], eff_is_deferred(in[i]) ? in[i] : c->in[i], kept));
    }
    for (int i = 0; i < c->n_out; i++) EFF_TRY(save(&node->call.out[i], c->out[i], saves & EFF_SAVE_OUT(i)));
    return EFF_OK;
}

static void set_edges(eff_node *node, const eff_call *c, eff_tensor *const *in)
{
    for (int i = 0; i < c->n_in; i++) {
        eff_tensor *t = in[i];
        node->call.wants[i] = t && t->requires_grad;
        if (!node->call.wants[i]) continue;
        if (t->maker) {
            eff_link_retain(t->maker);
            node->edge[i].node = t->maker;
            node->edge[i].output = t->maker_output;
        } else {
            node->edge[i].leaf = eff_tensor_retain(t);
        }
    }
}

eff_status eff_node_record(const eff_call *c, eff_tensor *const *in)
{
    eff_node *node = calloc(1, sizeof *node);
    if (!node) return eff_fail(EFF_E_MEMORY, "no memory to record %s", c->op->name);
    node->link.refs = 1;
    node->link.destroy = node_destroy;
    node->id = next_id++;
    node->place = eff_profile_place();
    node->call.op = c->op;
    node->call.n_in = c->n_in;
    node->call.n_out = c->n_out;
    node->call.training = true;
    node->call.seed = c->seed;
    node->call.stream_a = c->stream_a;
    node->call.stream_b = c->stream_b;
    for (int i = 0; i < EFF_MAX_ARGS; i++) node->call.arg[i] = c->arg[i];
    eff_status status = save_tensors(node, c, in);
    if (status == EFF_OK) {
        node->call.context = c->context;
        set_edges(node, c, in);
        for (int i = 0; i < c->n_out; i++) {
            if (c->out[i]->dtype != EFF_REAL) continue;
            c->out[i]->requires_grad = true;
            c->out[i]->maker = &node->link;
            c->out[i]->maker_output = i;
            eff_link_retain(&node->link);
        }
    }
    eff_link_release(&node->link);
    return status;
}
