/* See picture.h. */
#include "image/picture.h"

#include "image/codec.h"

eff_picture eff_picture_of(const eff_image *image)
{
    return (eff_picture){.image = image, .height = image->height, .width = image->width};
}

eff_status eff_picture_open(eff_picture *out, const eff_buffer *file)
{
    *out = (eff_picture){.data = file->data, .size = file->size};
    return eff_image_decode_size(&out->height, &out->width, file->data, file->size);
}

eff_status eff_picture_part(const eff_image **image, eff_box *box, const eff_picture *picture, const eff_wanted *wanted,
                            eff_image *space)
{
    *image = picture->image ? picture->image : space;
    *box = eff_box_of(wanted->part);
    if (picture->image) return EFF_OK;
    return eff_codec_decode_part(space, box, picture->data, picture->size, wanted);
}

eff_status eff_picture_whole(const eff_image **image, const eff_picture *picture, eff_image *space)
{
    *image = picture->image ? picture->image : space;
    if (picture->image) return EFF_OK;
    return eff_image_decode(space, picture->data, picture->size);
}
