/* Layers: objects that own parameters and state, and whose forward is made of ops.
 *
 * A layer type is a record in its own file plus a line in layers.def; the Lua constructor and its argument
 * checks are derived from the record. Gradients come from the ops.
 */
#ifndef EFF_LAYERS_LAYER_H
#define EFF_LAYERS_LAYER_H

#include "autograd/op.h"

enum { EFF_LAYER_MAX_TENSORS = 6 };

typedef struct eff_layer eff_layer;

typedef struct eff_layer_type {
    const char *name; /* "Conv2d" */
    const char *doc;
    const eff_arg *args; /* no tensors among them */
    eff_status (*create)(eff_layer *layer);                                   /* checks args; NULL: nothing to make */
    eff_status (*forward)(eff_tensor **y, eff_layer *layer, eff_tensor *x);
} eff_layer_type;

typedef struct eff_layer_tensor {
    const char *name; /* "weight", "running_mean" */
    eff_tensor *tensor;
    bool decay; /* of a parameter: whether weight decay applies (kernels yes; biases, gamma, beta no) */
} eff_layer_tensor;

struct eff_layer {
    int refs;
    const eff_layer_type *type;
    eff_value arg[EFF_MAX_ARGS];
    bool training;
    int n_parameters, n_buffers;
    eff_layer_tensor parameter[EFF_LAYER_MAX_TENSORS], buffer[EFF_LAYER_MAX_TENSORS];
};

/* Makes a layer; arg[] holds a value for each of the type's arguments. */
eff_status eff_layer_new(eff_layer **out, const eff_layer_type *type, const eff_value *arg);
eff_layer *eff_layer_retain(eff_layer *layer);
void eff_layer_release(eff_layer *layer);

eff_status eff_layer_forward(eff_tensor **y, eff_layer *layer, eff_tensor *x);

int eff_layer_type_count(void);
const eff_layer_type *eff_layer_type_at(int index);
int eff_layer_arg(const eff_layer_type *type, const char *name); /* its place; -1 when there is none */

/* ---- for layer types ---- */

eff_status eff_layer_fail(const eff_layer *layer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Fails unless integer argument `index` is at least 1. */
eff_status eff_layer_want_positive(const eff_layer *layer, int index);

typedef enum eff_fill { EFF_FILL_CONSTANT, EFF_FILL_NORMAL, EFF_FILL_UNIFORM } eff_fill;

/* Adds a parameter, filled with `scale` itself, with normal numbers of standard deviation `scale`, or with
 * uniform numbers in [-scale, scale). */
eff_status eff_layer_add_parameter(eff_layer *layer, const char *name, int ndim, const int64_t *shape, eff_fill fill,
                                   double scale, bool decay);
eff_status eff_layer_add_buffer(eff_layer *layer, const char *name, int64_t n, double value);

/* Runs an op on up to 5 tensors (NULL-padded) whose arguments were set in c by eff_call_start and the caller;
 * the first output is *y's, the hidden ones are released. */
eff_status eff_layer_run(eff_tensor **y, eff_call *c);

/* y = op(a) or op(a, b) with default arguments */
eff_status eff_layer_apply(eff_tensor **y, const eff_op *op, eff_tensor *a, eff_tensor *b);

/* The seed of the parameters made from now on; the number of tensors filled since is the stream. */
void eff_layer_seed(uint64_t seed);

/* Whether parameters are drawn at random; without it they hold whatever was in memory, for those who overwrite them.
 * Returns what was set before. */
bool eff_layer_set_drawing(bool on);

#endif
