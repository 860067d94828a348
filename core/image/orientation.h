/* How the pixels of a file must be turned for the picture to stand upright.
 *
 * Cameras store the sensor's rows and say in a tag how they held it. A file's picture is the turned one everywhere
 * outside of the decoders: sizes, crops and pixels are those of the picture as it is seen.
 *
 * An orientation is the number 1 to 8 of EXIF's tag 0x0112; 1 is upright, 2 mirrored, 3 upside down, 4 both; 5 to 8
 * are the same with rows and columns exchanged, so that height and width are exchanged too.
 */
#ifndef EFF_IMAGE_ORIENTATION_H
#define EFF_IMAGE_ORIENTATION_H

#include <stdbool.h>

#include "image/image.h"

/* What the tags of a JPEG (EXIF, or XMP where EXIF has no such tag) or PNG (the chunk eXIf, or uncompressed XMP) ask
 * for. 1 for other files, and where the tag is missing, damaged or not in 1 to 8. */
int eff_orientation_of(const uint8_t *data, size_t size);

static inline bool eff_orientation_swaps(int orientation) { return orientation >= 5; }

/* Where a part of the picture lies among the stored pixels; height and width are the picture's. */
eff_rect eff_orientation_stored(int orientation, eff_rect part, int height, int width);

/* Turns stored pixels; `box`, unless NULL, goes with them. */
eff_status eff_orientation_apply(eff_image *image, eff_box *box, int orientation);

#endif
