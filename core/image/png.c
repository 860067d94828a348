/* PNG through libpng; every colour type, depth and interlace becomes 8-bit RGB.
 *
 * The library's errors jump back into `read_all` or `write_all`, the places with a setjmp; what must survive the
 * jump lives in structs of their callers.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <png.h>

#include "image/codec.h"

enum { MAX_INFLATION = 1032 }; /* bytes that a byte can become, by deflate's format */

typedef struct reader {
    png_structp png;
    png_infop info;
    const uint8_t *data;
    size_t left;
    char why[128];
    eff_image *out;
    bool pixels;
    eff_status status; /* of this project's own functions */
} reader;

typedef struct writer {
    png_structp png;
    png_infop info;
    eff_buffer *out;
    const eff_image *image;
    char why[128];
    eff_status status;
} writer;

static _Noreturn void on_read_error(png_structp png, png_const_charp message)
{
    reader *r = png_get_error_ptr(png);
    snprintf(r->why, sizeof r->why, "%s", message);
    png_longjmp(png, 1);
}

static _Noreturn void on_write_error(png_structp png, png_const_charp message)
{
    writer *w = png_get_error_ptr(png);
    snprintf(w->why, sizeof w->why, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void read_data(png_structp png, png_bytep target, size_t size)
{
    reader *r = png_get_io_ptr(png);
    if (size > r->left) png_error(png, "the data ends early (truncated file?)");
    memcpy(target, r->data, size);
    r->data += size;
    r->left -= size;
}

static void read_header(reader *r)
{
    png_set_read_fn(r->png, r, read_data);
    png_read_info(r->png, r->info);
    png_uint_32 height = png_get_image_height(r->png, r->info), width = png_get_image_width(r->png, r->info);
    r->status = eff_codec_check_size("PNG", height, width);
    if (r->status != EFF_OK) png_longjmp(r->png, 1);
    if ((double)png_get_rowbytes(r->png, r->info) * height > (double)r->left * MAX_INFLATION)
        png_error(r->png, "the data ends early (the file is too short for the size in its header)");
    r->out->height = (int)height;
    r->out->width = (int)width;
}

static void cut_off_at_255(png_structp png, png_row_infop row, png_bytep samples)
{
    (void)png;
    for (size_t i = 0; i < row->rowbytes / 2; i++) samples[i] = samples[2 * i] ? 255 : samples[2 * i + 1];
}

/* Pillow cuts 16-bit gray off, where it keeps the high byte of 16-bit colour. */
static void set_gray_16(png_structp png)
{
    png_set_read_user_transform_fn(png, cut_off_at_255);
    png_set_user_transform_info(png, NULL, 8, 3);
}

static void read_pixels(reader *r)
{
    png_structp png = r->png;
    if (png_get_color_type(png, r->info) == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, r->info) == 16) {
        set_gray_16(png);
    } else {
        png_set_expand(png);
        png_set_strip_16(png);
    }
    png_set_strip_alpha(png);
    png_set_gray_to_rgb(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, r->info);
    size_t row = (size_t)r->out->width * 3;
    if (png_get_rowbytes(png, r->info) != row) png_error(png, "unexpected row length");
    r->status = eff_image_reserve(r->out, r->out->height, r->out->width);
    if (r->status != EFF_OK) png_longjmp(png, 1);
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < r->out->height; y++) png_read_row(png, r->out->pixels + y * row, NULL);
}

static bool read_all(reader *r)
{
    if (setjmp(png_jmpbuf(r->png))) return false;
    png_set_user_limits(r->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* eff_codec_check_size has the better message */
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1); /* texts and profiles are not even unpacked */
    read_header(r);
    if (r->pixels) read_pixels(r);
    return true;
}

eff_status eff_png_decode(eff_image *out, const uint8_t *data, size_t size, bool pixels)
{
    reader r = {.data = data, .left = size, .out = out, .pixels = pixels};
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_read_error, on_warning);
    r.info = r.png ? png_create_info_struct(r.png) : NULL;
    bool ready = r.info != NULL, done = ready && read_all(&r);
    png_destroy_read_struct(&r.png, &r.info, NULL);
    if (!ready) return eff_fail(EFF_E_MEMORY, "no memory for the PNG decoder");
    if (done) return EFF_OK;
    if (r.status != EFF_OK) return r.status;
    return eff_fail(EFF_E_FORMAT, "damaged PNG: %s", r.why);
}

static void write_data(png_structp png, png_bytep bytes, size_t size)
{
    writer *w = png_get_io_ptr(png);
    w->status = eff_buffer_reserve(w->out, w->out->size + size);
    if (w->status != EFF_OK) png_longjmp(png, 1);
    memcpy(w->out->data + w->out->size, bytes, size);
    w->out->size += size;
}

static void write_flush(png_structp png) { (void)png; }

static bool write_all(writer *w)
{
    if (setjmp(png_jmpbuf(w->png))) return false;
    const eff_image *image = w->image;
    png_set_write_fn(w->png, w, write_data, write_flush);
    png_set_IHDR(w->png, w->info, (png_uint_32)image->width, (png_uint_32)image->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(w->png, w->info);
    for (int y = 0; y < image->height; y++)
        png_write_row(w->png, image->pixels + (size_t)y * image->width * 3);
    png_write_end(w->png, w->info);
    return true;
}

eff_status eff_image_encode_png(eff_buffer *out, const eff_image *image)
{
    writer w = {.out = out, .image = image};
    out->size = 0;
    w.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &w, on_write_error, on_warning);
    w.info = w.png ? png_create_info_struct(w.png) : NULL;
    bool ready = w.info != NULL, done = ready && write_all(&w);
    png_destroy_write_struct(&w.png, &w.info);
    if (!ready) return eff_fail(EFF_E_MEMORY, "no memory for the PNG encoder");
    if (done) return EFF_OK;
    if (w.status != EFF_OK) return w.status;
    return eff_fail(EFF_E_ARGUMENT, "an image of %d x %d pixels cannot become a PNG: %s", image->height, image->width,
                    w.why);
}

static eff_status write_file(const char *path, const eff_buffer *bytes)
{
    FILE *file = fopen(path, "wb");
    if (!file) return eff_fail(EFF_E_IO, "%s: %s", path, strerror(errno));
    bool written = fwrite(bytes->data, 1, bytes->size, file) == bytes->size;
    int cause = errno;
    if (fclose(file) != 0 && written) {
        written = false;
        cause = errno;
    }
    if (written) return EFF_OK;
    unlink(path); /* half a picture is worse than none */
    return eff_fail(EFF_E_IO, "%s: %s", path, strerror(cause));
}

eff_status eff_image_write_png(const char *path, const eff_image *image)
{
    eff_buffer bytes = {0};
    eff_status status = eff_image_encode_png(&bytes, image);
    if (status == EFF_OK) status = write_file(path, &bytes);
    eff_buffer_free(&bytes);
    return status;
}
