/* What the bindings share: raising, boxes, argument reading. Only files of bind/ include this, and only bind/
 * (and the program) knows Lua.
 *
 * A userdata ("box") holds one reference to a C object. Its finaliser drops that reference and does nothing
 * else: an error raised by a finaliser ends the process.
 */
#ifndef EFF_BIND_BIND_H
#define EFF_BIND_BIND_H

#include <lauxlib.h>
#include <lua.h>

#include "layers/layer.h"
#include "ops/registry.h"

/* ---- raising: the one door ---- */

/* Raises the formatted text with the position of the Lua code that called. */
int eff_raise(lua_State *L, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

/* Raises "<function>: argument <index> is a <type>, wanted <wanted>"; of methods the object does not count. */
int eff_raise_argument(lua_State *L, int index, const char *wanted) __attribute__((noreturn));

/* Raises eff_message() unless status is EFF_OK. */
void eff_check(lua_State *L, eff_status status);

/* Pushes nil, message, code for outcomes that a caller expects (a missing file); returns 3. */
int eff_push_failure(lua_State *L, eff_status status);

/* Raises "<what>: unknown <kind> '<name>' (did you mean ...?)"; the known names are the keys or items of the
 * table at `known`. */
int eff_raise_unknown(lua_State *L, const char *what, const char *kind, const char *name, int known) __attribute__((noreturn));

/* ---- tensors ---- */

#define EFF_TENSOR_TYPE "effv2.tensor"

/* Pushes a box that takes over one reference to t. */
void eff_push_tensor(lua_State *L, eff_tensor *t);
eff_tensor *eff_check_tensor(lua_State *L, int index);
eff_tensor *eff_to_tensor(lua_State *L, int index); /* NULL when it is none; raises when it was freed */
eff_tensor *eff_to_operand(lua_State *L, int index); /* the same, but a deferred tensor stays deferred */

/* The box itself must stay alive beyond its step. */
void eff_keep_box(lua_State *L, int index);

/* ---- layers ---- */

#define EFF_LAYER_TYPE "effv2.layer"
eff_layer *eff_check_layer(lua_State *L, int index);

/* ---- tables ---- */

/* Reads a list of up to `most` integers at index into out; returns the count. `what` names it in errors. */
int eff_read_ints(lua_State *L, int index, int64_t *out, int most, const char *what);
void eff_push_ints(lua_State *L, int n, const int64_t *values);

/* An integer argument; raises for fractions and beyond 2^53. */
int64_t eff_check_int(lua_State *L, int index, const char *what);

/* Raises unless argument 1 is a function, or something else that can be called (a model). */
void eff_check_callable(lua_State *L, const char *what);

/* Whether the value is a table whose keys are names (and not a list). */
bool eff_is_named_table(lua_State *L, int index);

/* Sets *value from the Lua value at index, following the argument's kind. `what` is the op or layer. */
void eff_read_value(lua_State *L, int index, eff_value *value, const eff_arg *arg, const char *what);
void eff_push_value(lua_State *L, const eff_value *value, const eff_arg *arg);

/* Raises when the table at index has a key that is not among `names` (NULL-terminated). */
void eff_only_keys(lua_State *L, int index, const char *what, const char *const *names);

/* Fields of a named table: the default when absent, raising when of another type. */
double eff_field_number(lua_State *L, int index, const char *name, double missing);
int64_t eff_field_int(lua_State *L, int index, const char *name, int64_t missing);
bool eff_field_bool(lua_State *L, int index, const char *name, bool missing);
const char *eff_field_string(lua_State *L, int index, const char *name, const char *missing);
eff_tensor *eff_field_tensor(lua_State *L, int index, const char *name); /* NULL when absent */

/* ---- one opener a userdata type or topic; each adds functions to the module table on top of the stack ---- */

void eff_open_tensor(lua_State *L);
void eff_open_make(lua_State *L);
void eff_open_ops(lua_State *L);
void eff_open_tape(lua_State *L);
void eff_open_trace(lua_State *L);
void eff_open_layers(lua_State *L);
void eff_open_kernels(lua_State *L);
void eff_open_profile(lua_State *L);
void eff_open_optim(lua_State *L);
void eff_open_io(lua_State *L);
void eff_open_lock(lua_State *L);
void eff_open_json(lua_State *L);
void eff_open_database(lua_State *L);
void eff_open_process(lua_State *L);
void eff_open_image(lua_State *L);
void eff_open_source(lua_State *L);
void eff_open_augment(lua_State *L);
void eff_open_loader(lua_State *L);
void eff_open_archives(lua_State *L);
void eff_open_onnx(lua_State *L);
void eff_open_system(lua_State *L);

#endif
