/* Pictures that are decoded as far as they are needed: a crop chosen from the header's size needs neither the rows
 * below it nor, when it will be made smaller, every pixel. */
#ifndef EFF_IMAGE_PICTURE_H
#define EFF_IMAGE_PICTURE_H

#include "image/image.h"

/* A picture that was read: its pixels, or its file. Both belong to someone else. */
typedef struct eff_picture {
    const eff_image *image; /* its pixels, or NULL: */
    const uint8_t *data;    /* a JPEG or PNG of `size` bytes */
    size_t size;
    int orientation; /* of what the file stores; see orientation.h */
    int height, width; /* of the picture as it is seen */
} eff_picture;

eff_picture eff_picture_of(const eff_image *image);

/* A file's bytes, of which the header is looked at. EFF_E_FORMAT as for eff_image_decode. */
eff_status eff_picture_open(eff_picture *out, const eff_buffer *file);

/* What someone wants to see of a picture. */
typedef struct eff_wanted {
    eff_rect part;
    int height, width; /* the part may come smaller than it is, but not smaller than this */
} eff_wanted;

/* Finds an image that has the part: the picture's own, or one decoded into `space`. *box is where the part lies in it,
 * which is on whole pixels when it comes as large as it is; then its pixels are those of the decoded whole. A JPEG
 * comes at 1/2, 1/4 or 1/8 of its size where that suffices; damage outside of the part may stay unseen. */
eff_status eff_picture_part(const eff_image **image, eff_box *box, const eff_picture *picture, const eff_wanted *wanted,
                            eff_image *space);

/* All of it, as it is. */
eff_status eff_picture_whole(const eff_image **image, const eff_picture *picture, eff_image *space);

#endif
