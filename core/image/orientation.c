/* Turning pictures and boxes; see orientation.h. The tags are read in exif.c. */
#include "image/orientation.h"

#include <string.h>

/* Each orientation flips the stored rows, the stored columns or both, and exchanges rows and columns after that. */
static bool flips_rows(int orientation)
{
    return orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
}

static bool flips_columns(int orientation)
{
    return orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
}

eff_rect eff_orientation_stored(int orientation, eff_rect part, int height, int width)
{
    if (eff_orientation_swaps(orientation)) {
        part = (eff_rect){part.x, part.y, part.width, part.height};
        int stored_height = width;
        width = height;
        height = stored_height;
    }
    if (flips_rows(orientation)) part.y = height - part.y - part.height;
    if (flips_columns(orientation)) part.x = width - part.x - part.width;
    return part;
}

static eff_box shown_box(int orientation, eff_box box, const eff_image *stored)
{
    if (flips_rows(orientation)) box.y = stored->height - box.y - box.height;
    if (flips_columns(orientation)) box.x = stored->width - box.x - box.width;
    return eff_orientation_swaps(orientation) ? (eff_box){box.x, box.y, box.width, box.height} : box;
}

static void turn(eff_image *out, const eff_image *stored, int orientation)
{
    ptrdiff_t row = (ptrdiff_t)stored->width * 3, pixel = 3;
    const uint8_t *from = stored->pixels;
    if (flips_rows(orientation)) {
        from += row * (stored->height - 1);
        row = -row;
    }
    if (flips_columns(orientation)) {
        from += pixel * (stored->width - 1);
        pixel = -pixel;
    }
    bool swaps = eff_orientation_swaps(orientation);
    ptrdiff_t down = swaps ? pixel : row, right = swaps ? row : pixel;
    uint8_t *to = out->pixels;
    for (int y = 0; y < out->height; y++)
        for (int x = 0; x < out->width; x++, to += 3) memcpy(to, from + y * down + x * right, 3);
}

eff_status eff_orientation_apply(eff_image *image, eff_box *box, int orientation)
{
    if (orientation == 1) return EFF_OK;
    bool swaps = eff_orientation_swaps(orientation);
    eff_image turned = {0};
    EFF_TRY(eff_image_reserve(&turned, swaps ? image->width : image->height, swaps ? image->height : image->width));
    turn(&turned, image, orientation);
    if (box) *box = shown_box(orientation, *box, image);
    eff_image_free(image);
    *image = turned;
    return EFF_OK;
}
