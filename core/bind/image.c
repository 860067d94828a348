/* Pictures from and to files; a picture is a uint8 tensor of height x width x 3. */
#include "bind/pictures.h"

#include <string.h>

eff_image eff_check_image(lua_State *L, int index, const char *what)
{
    char text[EFF_SHAPE_TEXT];
    const eff_tensor *t = eff_check_tensor(L, index);
    if (t->dtype != EFF_U8 || t->ndim != 3 || t->shape[2] != 3 || !eff_tensor_is_dense(t))
        eff_raise(L, "%s: a %s tensor of %s%s, wanted a picture: uint8 of height x width x 3", what,
                  eff_dtype_name(t->dtype), eff_shape_text(text, t->ndim, t->shape),
                  eff_tensor_is_dense(t) ? "" : " with gaps (call :contiguous())");
    if (t->shape[0] < 1 || t->shape[1] < 1 || t->shape[0] * t->shape[1] > EFF_IMAGE_MAX_PIXELS)
        eff_raise(L, "%s: a picture of %s is not possible", what, eff_shape_text(text, t->ndim, t->shape));
    return (eff_image){.height = (int)t->shape[0], .width = (int)t->shape[1], .pixels = eff_tensor_data(t)};
}

eff_status eff_image_tensor(eff_tensor **out, const eff_image *image)
{
    int64_t shape[3] = {image->height, image->width, 3};
    EFF_TRY(eff_tensor_new(out, EFF_U8, 3, shape));
    memcpy(eff_tensor_data(*out), image->pixels, eff_image_bytes(image));
    return EFF_OK;
}

/* read_image(path): a uint8 tensor of height x width x 3; or nil, message, code */
static int read_image(lua_State *L)
{
    eff_image image = {0};
    eff_tensor *t = NULL;
    eff_status status = eff_image_read_file(&image, luaL_checkstring(L, 1));
    if (status == EFF_OK) status = eff_image_tensor(&t, &image);
    eff_image_free(&image);
    if (status != EFF_OK) return eff_push_failure(L, status);
    eff_push_tensor(L, t);
    return 1;
}

/* write_png(path, picture): true; or nil, message, code */
static int write_png(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    eff_image image = eff_check_image(L, 2, "write_png");
    eff_status status = eff_image_write_png(path, &image);
    if (status != EFF_OK) return eff_push_failure(L, status);
    lua_pushboolean(L, 1);
    return 1;
}

void eff_open_image(lua_State *L)
{
    static const luaL_Reg functions[] = {{"read_image", read_image}, {"write_png", write_png}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
