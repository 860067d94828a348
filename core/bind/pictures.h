/* What the bindings of pictures, sources, pipelines and loaders share. Private to bind/. */
#ifndef EFF_BIND_PICTURES_H
#define EFF_BIND_PICTURES_H

#include "bind/bind.h"

#include "data/augment.h"
#include "data/source.h"

eff_source *eff_check_source(lua_State *L, int index);
/* An empty box of a source, filled by the caller, so that nothing is lost when there is no memory for it. */
eff_source **eff_push_source_box(lua_State *L);

eff_pipeline *eff_check_pipeline(lua_State *L, int index);

/* The tensor at index, uint8 of height x width x 3, as an image that shares its memory: read it only. */
eff_image eff_check_image(lua_State *L, int index, const char *what);

/* A new uint8 tensor with the image's pixels. */
eff_status eff_image_tensor(eff_tensor **out, const eff_image *image);

/* A field that is one of `names` (NULL-terminated): its place in the list. `missing` when absent. */
int eff_field_choice(lua_State *L, int index, const char *what, const char *name, const char *const *names, int missing);

/* The tables at index as a step (without a policy's operations), as an operation, as the style of operations. */
void eff_read_step(lua_State *L, int index, eff_step *step);
void eff_read_operation(lua_State *L, int index, eff_policy_op *op);
void eff_read_op_style(lua_State *L, int index, const char *what, eff_op_style *style);

#endif
