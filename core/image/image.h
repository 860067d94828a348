/* Pictures in memory: 8-bit RGB, rows from top to bottom, and how they come from and go to files.
 *
 * Every file becomes RGB by one stated rule, Pillow's: gray is copied into the three channels, palettes are looked up,
 * CMYK and YCCK (in Adobe's inverted convention, as everybody reads them) become RGB, transparency is dropped, 16-bit
 * colours keep their high byte, but 16-bit gray is cut off at 255. A picture is turned as its orientation tag asks
 * (orientation.h), for sizes and parts too; gamma and colour profiles are ignored. More in docs/decoding.md.
 */
#ifndef EFF_IMAGE_IMAGE_H
#define EFF_IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Starts as {0}. The pixels are a block of the pool that grows and is kept, so an image that is read into again and
 * again stops allocating. */
typedef struct eff_image {
    int height, width;
    uint8_t *pixels; /* [height][width][3] */
    size_t capacity; /* bytes behind pixels */
} eff_image;

/* More pixels than this are refused: such a file is damaged or a decompression bomb. */
enum { EFF_IMAGE_MAX_PIXELS = 1 << 28, EFF_IMAGE_MAX_SIDE = 1 << 24 };

/* A part of an image, in pixels: rows y .. y+height-1, columns x .. x+width-1. */
typedef struct eff_rect {
    int y, x, height, width;
} eff_rect;

/* The same in fractions of pixels. */
typedef struct eff_box {
    double y, x, height, width;
} eff_box;

static inline eff_box eff_box_of(eff_rect rect) { return (eff_box){rect.y, rect.x, rect.height, rect.width}; }

/* Gives the image this size; the pixels are undefined afterwards. */
eff_status eff_image_reserve(eff_image *image, int height, int width);
void eff_image_free(eff_image *image);
eff_status eff_image_copy(eff_image *out, const eff_image *in, eff_rect part); /* out != in */
static inline eff_rect eff_image_whole(const eff_image *image)
{
    return (eff_rect){0, 0, image->height, image->width};
}
static inline size_t eff_image_bytes(const eff_image *image) { return (size_t)image->height * image->width * 3; }

/* Bytes of a file, in a block that grows and is kept. Starts as {0}. */
typedef struct eff_buffer {
    uint8_t *data;
    size_t size, capacity;
} eff_buffer;

eff_status eff_buffer_reserve(eff_buffer *buffer, size_t capacity); /* keeps the first `size` bytes */
eff_status eff_buffer_read_file(eff_buffer *buffer, const char *path);
void eff_buffer_free(eff_buffer *buffer);

/* Decodes a JPEG or PNG, recognised by its first bytes. EFF_E_FORMAT with the cause for what is damaged, cut off,
 * too large, or neither of the two. */
eff_status eff_image_decode(eff_image *out, const void *data, size_t size);

/* Its size alone, from the header and the tag of orientation. */
eff_status eff_image_decode_size(int *height, int *width, const void *data, size_t size);

/* Reads and decodes a file; messages start with the path. */
eff_status eff_image_read_file(eff_image *out, const char *path);

/* As a JPEG of quality 1 to 100 with chroma at half the size. EFF_E_ARGUMENT for sides beyond 65,500 pixels. */
eff_status eff_image_encode_jpeg(eff_buffer *out, const eff_image *image, int quality);

/* As PNG, for previews. */
eff_status eff_image_encode_png(eff_buffer *out, const eff_image *image);
eff_status eff_image_write_png(const char *path, const eff_image *image);

#endif
