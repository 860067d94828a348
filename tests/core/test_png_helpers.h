/* Made-up PNGs for the tests of the decoders. */
#ifndef EFF_TEST_PNG_HELPERS_H
#define EFF_TEST_PNG_HELPERS_H

#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "image/image.h"

static inline uint32_t crc32_of(const uint8_t *data, size_t n)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
    return ~crc;
}

static inline void put32(uint8_t *at, uint32_t x)
{
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(x >> (24 - 8 * i));
}

/* Makes the checksums of all chunks right, as far as the chunks can be followed. */
static inline void fix_checksums(eff_buffer *png)
{
    for (size_t at = 8; at + 12 <= png->size;) {
        const uint8_t *head = png->data + at;
        size_t length = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
        if (length > png->size - at - 12) return;
        put32(png->data + at + 8 + length, crc32_of(head + 4, length + 4));
        at += 12 + length;
    }
}

typedef struct png_kind {
    int height, width;
    int color_type, depth; /* PNG_COLOR_TYPE_..., 1 to 16 bits */
    bool interlaced;
} png_kind;

static inline void append_png(png_structp png, png_bytep bytes, size_t n)
{
    eff_buffer *out = png_get_io_ptr(png);
    if (eff_buffer_reserve(out, out->size + n) != EFF_OK) png_error(png, "no memory");
    memcpy(out->data + out->size, bytes, n);
    out->size += n;
}

/* Stripes, with a palette or a transparent colour where the kind may have one. */
static inline void encode_png(eff_buffer *out, const png_kind *kind)
{
    out->size = 0;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, out, append_png, NULL);
    png_set_IHDR(png, info, (png_uint_32)kind->width, (png_uint_32)kind->height, kind->depth, kind->color_type,
                 kind->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(png, 0); /* so that damage reaches what lies behind the compression */
    png_color palette[256];
    for (int i = 0; i < 256; i++) palette[i] = (png_color){(png_byte)i, (png_byte)(i * 7), (png_byte)(255 - i)};
    png_byte alpha[2] = {0, 128};
    png_color_16 clear = {.gray = 1, .red = 1, .green = 2, .blue = 3};
    if (kind->color_type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, 1 << kind->depth);
    if (!(kind->color_type & PNG_COLOR_MASK_ALPHA)) png_set_tRNS(png, info, alpha, 2, &clear);
    png_write_info(png, info);
    size_t row = png_get_rowbytes(png, info);
    png_bytep bytes = calloc(row, 1);
    for (int pass = png_set_interlace_handling(png); pass > 0; pass--)
        for (int y = 0; y < kind->height; y++) {
            for (size_t i = 0; i < row; i++) bytes[i] = (png_byte)((size_t)y * 3 + i * i);
            png_write_row(png, bytes);
        }
    png_write_end(png, NULL);
    free(bytes);
    png_destroy_write_struct(&png, &info);
}

#endif
