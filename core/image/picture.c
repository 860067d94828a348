/* See picture.h. */
#include "image/picture.h"

#include "image/codec.h"
#include "image/orientation.h"

eff_picture eff_picture_of(const eff_image *image)
{
    return (eff_picture){.image = image, .height = image->height, .width = image->width};
}

eff_status eff_picture_open(eff_picture *out, const eff_buffer *file)
{
    *out = (eff_picture){.data = file->data, .size = file->size};
    out->orientation = eff_orientation_of(file->data, file->size);
    return eff_image_decode_size(&out->height, &out->width, file->data, file->size);
}

static eff_status decode_part(eff_image *space, eff_box *box, const eff_picture *picture, const eff_wanted *wanted)
{
    bool swaps = eff_orientation_swaps(picture->orientation);
    const eff_wanted stored = {
        .part = eff_orientation_stored(picture->orientation, wanted->part, picture->height, picture->width),
        .height = swaps ? wanted->width : wanted->height,
        .width = swaps ? wanted->height : wanted->width,
    };
    EFF_TRY(eff_codec_decode_part(space, box, picture->data, picture->size, &stored));
    return eff_orientation_apply(space, box, picture->orientation);
}

eff_status eff_picture_part(const eff_image **image, eff_box *box, const eff_picture *picture, const eff_wanted *wanted,
                            eff_image *space)
{
    *image = picture->image ? picture->image : space;
    *box = eff_box_of(wanted->part);
    if (picture->image) return EFF_OK;
    eff_status status = decode_part(space, box, picture, wanted);
    if (status != EFF_OK) space->height = space->width = 0;
    return status;
}

eff_status eff_picture_whole(const eff_image **image, const eff_picture *picture, eff_image *space)
{
    *image = picture->image ? picture->image : space;
    if (picture->image) return EFF_OK;
    return eff_image_decode(space, picture->data, picture->size);
}
