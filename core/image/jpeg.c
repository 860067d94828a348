/* JPEG through libjpeg-turbo, with fixed settings (accurate integer DCT, fancy chroma upsampling) so that every
 * machine sees the same pixels.
 *
 * The library reports errors by a function that must not return; it jumps back into `run`, the one place with a
 * setjmp. Everything that must survive the jump lives in the decoder struct of the caller.
 */
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "image/codec.h"

/* Smoothing chroma and the edges of a cut row reach over this many pixels. Below the last row that is asked for, the
 * library itself reads what it needs. */
enum { MARGIN = 2 };

/* A progressive file can ask for endless passes over a large image. */
enum { MAX_SCANS = 500 };
static const double MAX_SCANNED_PIXELS = 8e9; /* pixels times scans: 30 scans of the largest image */

/* Most pixels that a byte can hold: a block of 8 x 8 takes a bit at least. Arithmetic coding may need less, but not for a
 * picture. */
enum { MAX_PIXELS_PER_BYTE = 512 };

typedef struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    char why[JMSG_LENGTH_MAX];
    size_t size; /* of the file */
    eff_image *out;
    bool pixels;
    const eff_wanted *wanted; /* or NULL: everything */
    eff_box *box;             /* where that lies in `out` */
    eff_status status; /* of this project's own functions */
} decoder;

static _Noreturn void on_error(j_common_ptr info)
{
    decoder *d = info->client_data;
    if (!d->why[0]) info->err->format_message(info, d->why);
    longjmp(d->failed, 1);
}

static _Noreturn void fail(decoder *d, const char *why)
{
    snprintf(d->why, sizeof d->why, "%s", why);
    longjmp(d->failed, 1);
}

/* Warnings, that a code in the middle is damaged for example: as Pillow, go on with what can be read. */
static void on_message(j_common_ptr info, int level)
{
    (void)info;
    (void)level;
}

static void on_progress(j_common_ptr info)
{
    decoder *d = info->client_data;
    int scans = d->jpeg.input_scan_number;
    double pixels = (double)d->jpeg.image_height * d->jpeg.image_width;
    if (scans > MAX_SCANS || scans * pixels > MAX_SCANNED_PIXELS) fail(d, "too many progressive scans");
}

static void source_nothing(j_decompress_ptr jpeg) { (void)jpeg; }

static boolean source_fill(j_decompress_ptr jpeg)
{
    fail(jpeg->client_data, "the data ends early (truncated file?)");
    return FALSE;
}

static void source_skip(j_decompress_ptr jpeg, long count)
{
    if (count <= 0) return;
    if ((size_t)count > jpeg->src->bytes_in_buffer) source_fill(jpeg);
    jpeg->src->next_input_byte += count;
    jpeg->src->bytes_in_buffer -= (size_t)count;
}

/* x * y / 255, rounded, as Pillow has it. */
static int multiply_255(int x, int y)
{
    int t = x * y + 128;
    return ((t >> 8) + t) >> 8;
}

/* Inverted CMYK (255 = no ink) to RGB. */
static void cmyk_row(uint8_t *rgb, const uint8_t *cmyk, int width)
{
    for (int x = 0; x < width; x++, rgb += 3, cmyk += 4)
        for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)(cmyk[3] - multiply_255(255 - cmyk[c], cmyk[3]));
}

static void read_header(decoder *d)
{
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    jpeg_read_header(jpeg, TRUE);
    d->status = eff_codec_check_size("JPEG", jpeg->image_height, jpeg->image_width);
    if (d->status != EFF_OK) longjmp(d->failed, 1);
    if ((double)jpeg->image_height * jpeg->image_width > (double)d->size * MAX_PIXELS_PER_BYTE)
        fail(d, "the data ends early (the file is too short for the size in its header)");
    d->out->height = (int)jpeg->image_height;
    d->out->width = (int)jpeg->image_width;
}

/* The largest of 8, 4, 2 and 1 by which the part can be divided. */
static unsigned shrink_of(const eff_wanted *wanted)
{
    unsigned shrink = 8;
    while (shrink > 1 && (wanted->part.height < wanted->height * (int)shrink || wanted->part.width < wanted->width * (int)shrink))
        shrink /= 2;
    return shrink;
}

/* The rows or columns around at .. at + length that are decoded, of `all`; `behind` of them follow. */
static void widen(JDIMENSION *first, JDIMENSION *count, double at, double length, int behind, JDIMENSION all)
{
    double low = floor(at) - MARGIN, high = ceil(at + length) + behind;
    *first = low > 0.0 ? (JDIMENSION)low : 0;
    *count = (high < all ? (JDIMENSION)high : all) - *first;
}

/* Starts with what is wanted of the rows; returns how many. */
static JDIMENSION start_part(decoder *d)
{
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    eff_rect part = d->wanted->part;
    jpeg->scale_num = 1;
    jpeg->scale_denom = shrink_of(d->wanted);
    jpeg_start_decompress(jpeg);
    double shrink = jpeg->scale_denom;
    eff_box box = {part.y / shrink, part.x / shrink, part.height / shrink, part.width / shrink};
    JDIMENSION top, rows, left, columns;
    widen(&top, &rows, box.y, box.height, 0, jpeg->output_height);
    widen(&left, &columns, box.x, box.width, MARGIN, jpeg->output_width);
    if (columns < jpeg->output_width) jpeg_crop_scanline(jpeg, &left, &columns); /* makes both fit blocks */
    if (top > 0) jpeg_skip_scanlines(jpeg, top);
    *d->box = (eff_box){box.y - top, box.x - left, box.height, box.width};
    return rows;
}

static JDIMENSION start_whole(decoder *d)
{
    jpeg_start_decompress(&d->jpeg);
    return d->jpeg.output_height;
}

static void read_rows(decoder *d, JDIMENSION rows, bool cmyk)
{
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    size_t row = (size_t)d->out->width * 3;
    JSAMPARRAY four = NULL;
    if (cmyk) four = jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE, jpeg->output_width * 4, 1);
    for (JDIMENSION y = 0; y < rows; y++) {
        JSAMPROW target = d->out->pixels + y * row;
        jpeg_read_scanlines(jpeg, cmyk ? four : &target, 1);
        if (cmyk) cmyk_row(target, four[0], d->out->width);
    }
}

static void read_pixels(decoder *d)
{
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    bool cmyk = jpeg->num_components == 4;
    jpeg->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    jpeg->dct_method = JDCT_ISLOW;
    jpeg->do_fancy_upsampling = TRUE;
    JDIMENSION rows = d->wanted ? start_part(d) : start_whole(d);
    d->status = eff_image_reserve(d->out, (int)rows, (int)jpeg->output_width);
    if (d->status != EFF_OK) longjmp(d->failed, 1);
    read_rows(d, rows, cmyk);
    if (jpeg->output_scanline == jpeg->output_height) jpeg_finish_decompress(jpeg); /* looks for the end marker */
}

static bool run(decoder *d)
{
    if (setjmp(d->failed)) return false;
    jpeg_create_decompress(&d->jpeg);
    d->jpeg.src = &d->source;
    d->jpeg.progress = &d->progress;
    read_header(d);
    if (d->pixels) read_pixels(d);
    return true;
}

static eff_status decode(decoder *d, const uint8_t *data, size_t size)
{
    d->jpeg.err = jpeg_std_error(&d->errors);
    d->errors.error_exit = on_error;
    d->errors.emit_message = on_message;
    d->jpeg.client_data = d;
    d->size = size;
    d->progress.progress_monitor = on_progress;
    d->source = (struct jpeg_source_mgr){.next_input_byte = data,
                                         .bytes_in_buffer = size,
                                         .init_source = source_nothing,
                                         .fill_input_buffer = source_fill,
                                         .skip_input_data = source_skip,
                                         .resync_to_restart = jpeg_resync_to_restart,
                                         .term_source = source_nothing};
    bool done = run(d);
    jpeg_destroy_decompress(&d->jpeg);
    if (done) return EFF_OK;
    if (d->status != EFF_OK) return d->status;
    return eff_fail(EFF_E_FORMAT, "damaged JPEG: %s", d->why);
}

eff_status eff_jpeg_decode(eff_image *out, const uint8_t *data, size_t size, bool pixels)
{
    decoder d = {.out = out, .pixels = pixels};
    return decode(&d, data, size);
}

eff_status eff_jpeg_decode_part(eff_image *out, eff_box *box, const uint8_t *data, size_t size,
                                const eff_wanted *wanted)
{
    decoder d = {.out = out, .pixels = true, .wanted = wanted, .box = box};
    return decode(&d, data, size);
}
