/* cast: another element type; a constant for differentiation. */
#include "autograd/op.h"

enum { X, DTYPE };

static const char *const types[] = {"float32", "float64", "int32", "int64", "uint8", NULL};

static eff_status shape(eff_call *c)
{
    eff_spec_like(c, 0, (eff_dtype)c->arg[DTYPE].i, c->in[X]);
    return EFF_OK;
}

static eff_status forward(eff_call *c) { return eff_tensor_copy(c->out[0], c->in[X]); }

static const char *const samples[] = {"x=2,3 dtype=int32", NULL};

const eff_op eff_op_cast = {
    .name = "cast",
    .doc = "x with another element type; to integers it truncates; the result is a constant for differentiation",
    .args = EFF_ARGS(EFF_IN("x", "any shape"), EFF_CHOICE("dtype", types, "float32, float64, int32, int64 or uint8")),
    .flags = EFF_STRIDED,
    .shape = shape,
    .forward = forward,
    .backward = eff_no_grad,
    .samples = samples,
};
