/* Made-up JPEGs for the tests of the decoders. */
#ifndef EFF_TEST_JPEG_HELPERS_H
#define EFF_TEST_JPEG_HELPERS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "image/image.h"

enum { JPEG_BASELINE, JPEG_PROGRESSIVE, JPEG_ARITHMETIC, JPEG_YCCK /* four components in other colours */ };

typedef struct jpeg_kind {
    int height, width;
    int components;   /* 1, 3 or 4 (CMYK as it is stored, inverted) */
    int across, down; /* luma samples to one of chroma; 0: the library's choice */
    int form;         /* JPEG_BASELINE, ... */
    int quality;
} jpeg_kind;

/* Writes `height` rows, each filled by fill(row, y, context). */
static void encode_jpeg(eff_buffer *out, const jpeg_kind *kind, void (*fill)(uint8_t *row, int y, void *context),
                        void *context)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &size);
    jpeg.image_width = (JDIMENSION)kind->width;
    jpeg.image_height = (JDIMENSION)kind->height;
    jpeg.input_components = kind->components;
    jpeg.in_color_space = kind->components == 1 ? JCS_GRAYSCALE : kind->components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, kind->quality, TRUE);
    if (kind->across) {
        jpeg.comp_info[0].h_samp_factor = kind->across;
        jpeg.comp_info[0].v_samp_factor = kind->down;
    }
    if (kind->form == JPEG_YCCK) jpeg_set_colorspace(&jpeg, JCS_YCCK);
    if (kind->form == JPEG_PROGRESSIVE) jpeg_simple_progression(&jpeg);
    jpeg.arith_code = kind->form == JPEG_ARITHMETIC;
    jpeg_start_compress(&jpeg, TRUE);
    uint8_t *row = malloc((size_t)kind->width * kind->components);
    while (jpeg.next_scanline < jpeg.image_height) {
        fill(row, (int)jpeg.next_scanline, context);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    free(row);
    assert_int_equal(eff_buffer_reserve(out, size), EFF_OK);
    memcpy(out->data, bytes, size);
    out->size = size;
    free(bytes);
    jpeg_destroy_compress(&jpeg);
}

#endif
