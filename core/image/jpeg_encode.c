/* JPEG through libjpeg-turbo, written: accurate DCT, chroma at half the size, the best Huffman codes; the same bytes
 * for the same pixels. As in jpeg.c, errors jump back to the one place with a setjmp. */
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "image/image.h"

typedef struct encoder {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jmp_buf failed;
    char why[JMSG_LENGTH_MAX];
    unsigned char *bytes; /* of malloc */
    unsigned long size;
} encoder;

static _Noreturn void on_error(j_common_ptr info)
{
    encoder *e = info->client_data;
    info->err->format_message(info, e->why);
    longjmp(e->failed, 1);
}

static bool run(encoder *e, const eff_image *image, int quality)
{
    struct jpeg_compress_struct *jpeg = &e->jpeg;
    if (setjmp(e->failed)) return false;
    jpeg_create_compress(jpeg);
    jpeg_mem_dest(jpeg, &e->bytes, &e->size);
    jpeg->image_height = (JDIMENSION)image->height;
    jpeg->image_width = (JDIMENSION)image->width;
    jpeg->input_components = 3;
    jpeg->in_color_space = JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, quality, TRUE);
    jpeg->dct_method = JDCT_ISLOW;
    jpeg->optimize_coding = TRUE;
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = image->pixels + (size_t)jpeg->next_scanline * (size_t)image->width * 3;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
    return true;
}

eff_status eff_image_encode_jpeg(eff_buffer *out, const eff_image *image, int quality)
{
    if (quality < 1 || quality > 100)
        return eff_fail(EFF_E_ARGUMENT, "a JPEG quality of %d; 1 to 100 are possible", quality);
    encoder e = {.bytes = NULL};
    e.jpeg.err = jpeg_std_error(&e.errors);
    e.errors.error_exit = on_error;
    e.jpeg.client_data = &e;
    out->size = 0;
    eff_status status = EFF_OK;
    if (!run(&e, image, quality))
        status = eff_fail(EFF_E_ARGUMENT, "an image of %d x %d pixels cannot become a JPEG: %s", image->height,
                          image->width, e.why);
    if (status == EFF_OK) status = eff_buffer_reserve(out, e.size);
    if (status == EFF_OK) {
        memcpy(out->data, e.bytes, e.size);
        out->size = e.size;
    }
    jpeg_destroy_compress(&e.jpeg);
    free(e.bytes);
    return status;
}
