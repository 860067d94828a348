/* The two decoders behind eff_image_decode; their libraries' headers and jumps stay inside jpeg.c and png.c. Here sizes,
 * parts and pixels are those that are stored: image.c and picture.c turn them. */
#ifndef EFF_IMAGE_CODEC_H
#define EFF_IMAGE_CODEC_H

#include <stdbool.h>

#include "image/picture.h"

/* With pixels == false only height and width are set. */
eff_status eff_jpeg_decode(eff_image *out, const uint8_t *data, size_t size, bool pixels);
eff_status eff_png_decode(eff_image *out, const uint8_t *data, size_t size, bool pixels);

/* See eff_picture_part. */
eff_status eff_jpeg_decode_part(eff_image *out, eff_box *box, const uint8_t *data, size_t size,
                                const eff_wanted *wanted);
eff_status eff_codec_decode_part(eff_image *out, eff_box *box, const uint8_t *data, size_t size,
                                 const eff_wanted *wanted);

/* Refuses sizes beyond the limits of image.h. */
eff_status eff_codec_check_size(const char *format, int64_t height, int64_t width);

#endif
