/* A node of the tape: one recorded call, what it saved, and where its gradients go. Private to autograd/. */
#ifndef EFF_AUTOGRAD_NODE_H
#define EFF_AUTOGRAD_NODE_H

#include "autograd/op.h"

typedef struct eff_node {
    eff_link link; /* first, so that a tensor's maker is the node */
    uint64_t id;   /* grows in the order of recording: backward goes by falling id */
    int place;     /* where it counts in a profile */
    bool spent;    /* its saved tensors were released by a backward */
    eff_call call; /* in[] and out[]: saved tensors, or shape-only ones */
    struct {
        eff_link *node; /* NULL: a leaf, or no gradient wanted */
        int output;
        eff_tensor *leaf;
    } edge[EFF_MAX_INPUTS];
    uint64_t visited; /* mark of the last backward that saw it */
    struct eff_node *next_doomed;
} eff_node;

/* Records c, whose inputs were `in` before dense copies were made, and makes its outputs point at the node. */
eff_status eff_node_record(const eff_call *c, eff_tensor *const *in);

void eff_node_release_saved(eff_node *node);

#endif
