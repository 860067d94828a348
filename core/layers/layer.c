/* Making, holding and running layers; see layer.h. */
#include "layers/layer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EFF_LAYER(name) extern const eff_layer_type eff_layer_##name;
#include "layers/layers.def"
#undef EFF_LAYER

static const eff_layer_type *const types[] = {
#define EFF_LAYER(name) &eff_layer_##name,
#include "layers/layers.def"
#undef EFF_LAYER
};

static uint64_t seed, filled;
static bool drawing = true;

int eff_layer_type_count(void) { return (int)(sizeof types / sizeof types[0]); }

const eff_layer_type *eff_layer_type_at(int index) { return types[index]; }

int eff_layer_arg(const eff_layer_type *type, const char *name)
{
    for (int i = 0; type->args[i].name; i++)
        if (strcmp(type->args[i].name, name) == 0) return i;
    return -1;
}

void eff_layer_seed(uint64_t value)
{
    seed = value;
    filled = 0;
}

bool eff_layer_set_drawing(bool on)
{
    bool before = drawing;
    drawing = on;
    return before;
}

eff_status eff_layer_new(eff_layer **out, const eff_layer_type *type, const eff_value *arg)
{
    *out = NULL;
    eff_layer *layer = calloc(1, sizeof *layer);
    if (!layer) return eff_fail(EFF_E_MEMORY, "%s: no memory for a layer", type->name);
    layer->refs = 1;
    layer->type = type;
    layer->training = true;
    for (int i = 0; type->args[i].name; i++) layer->arg[i] = arg[i];
    eff_status status = type->create ? type->create(layer) : EFF_OK;
    if (status == EFF_OK) *out = layer;
    else eff_layer_release(layer);
    return status;
}

eff_layer *eff_layer_retain(eff_layer *layer)
{
    layer->refs++;
    return layer;
}

void eff_layer_release(eff_layer *layer)
{
    if (!layer || --layer->refs > 0) return;
    for (int i = 0; i < layer->n_parameters; i++) eff_tensor_release(layer->parameter[i].tensor);
    for (int i = 0; i < layer->n_buffers; i++) eff_tensor_release(layer->buffer[i].tensor);
    free(layer);
}

eff_status eff_layer_forward(eff_tensor **y, eff_layer *layer, eff_tensor *x)
{
    *y = NULL;
    return layer->type->forward(y, layer, x);
}

eff_status eff_layer_fail(const eff_layer *layer, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return eff_fail(EFF_E_ARGUMENT, "%s: %s", layer->type->name, text);
}

eff_status eff_layer_want_positive(const eff_layer *layer, int index)
{
    if (layer->arg[index].i >= 1) return EFF_OK;
    return eff_layer_fail(layer, "%s is %lld, must be at least 1", layer->type->args[index].name,
                          (long long)layer->arg[index].i);
}

static void fill_tensor(eff_tensor *t, eff_fill fill, double scale)
{
    eff_rng rng;
    real *x = eff_tensor_reals(t);
    eff_rng_start(&rng, seed, EFF_RNG_INIT, filled++, 0);
    if (fill != EFF_FILL_CONSTANT && !drawing) return;
    for (int64_t i = 0, n = eff_tensor_numel(t); i < n; i++) {
        if (fill == EFF_FILL_NORMAL) x[i] = (real)(scale * eff_rng_normal(&rng));
        else if (fill == EFF_FILL_UNIFORM) x[i] = (real)eff_rng_range(&rng, -scale, scale);
        else x[i] = (real)scale;
    }
}

eff_status eff_layer_add_parameter(eff_layer *layer, const char *name, int ndim, const int64_t *shape, eff_fill fill,
                                   double scale, bool decay)
{
    eff_layer_tensor *slot = &layer->parameter[layer->n_parameters];
    EFF_TRY(eff_tensor_new(&slot->tensor, EFF_REAL, ndim, shape));
    slot->name = name;
    slot->decay = decay;
    slot->tensor->requires_grad = true;
    layer->n_parameters++;
    fill_tensor(slot->tensor, fill, scale);
    return EFF_OK;
}

eff_status eff_layer_add_buffer(eff_layer *layer, const char *name, int64_t n, double value)
{
    eff_layer_tensor *slot = &layer->buffer[layer->n_buffers];
    EFF_TRY(eff_tensor_new(&slot->tensor, EFF_REAL, 1, &n));
    slot->name = name;
    layer->n_buffers++;
    eff_tensor_fill(slot->tensor, value);
    return EFF_OK;
}

eff_status eff_layer_run(eff_tensor **y, eff_call *c)
{
    EFF_TRY(eff_call_run(c));
    *y = c->out[0];
    c->out[0] = NULL;
    eff_call_release_outputs(c);
    return EFF_OK;
}

eff_status eff_layer_apply(eff_tensor **y, const eff_op *op, eff_tensor *a, eff_tensor *b)
{
    eff_call c;
    eff_call_start(&c, op);
    c.in[c.n_in++] = a;
    if (b) c.in[c.n_in++] = b;
    return eff_layer_run(y, &c);
}
