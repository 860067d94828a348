/* Memory of images, files into memory, and the choice of a decoder by content; see image.h. */
#include "image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pool.h"
#include "image/codec.h"
#include "image/orientation.h"

enum { MAX_FILE_BYTES = 1 << 30 };

eff_status eff_image_reserve(eff_image *image, int height, int width)
{
    if (height < 1 || width < 1 || (int64_t)height * width > EFF_IMAGE_MAX_PIXELS)
        return eff_fail(EFF_E_ARGUMENT, "an image cannot be %d x %d pixels (1 to %d in all)", height, width,
                        EFF_IMAGE_MAX_PIXELS);
    size_t bytes = (size_t)height * width * 3;
    if (bytes > image->capacity) {
        uint8_t *pixels = eff_pool_alloc(bytes);
        if (!pixels) return eff_fail(EFF_E_MEMORY, "no memory for an image of %d x %d pixels", height, width);
        eff_pool_free(image->pixels);
        image->pixels = pixels;
        image->capacity = bytes;
    }
    image->height = height;
    image->width = width;
    return EFF_OK;
}

void eff_image_free(eff_image *image)
{
    eff_pool_free(image->pixels);
    *image = (eff_image){0};
}

eff_status eff_image_copy(eff_image *out, const eff_image *in, eff_rect part)
{
    EFF_TRY(eff_image_reserve(out, part.height, part.width));
    size_t row = (size_t)part.width * 3;
    for (int y = 0; y < part.height; y++)
        memcpy(out->pixels + y * row, in->pixels + ((size_t)(part.y + y) * in->width + part.x) * 3, row);
    return EFF_OK;
}

eff_status eff_buffer_reserve(eff_buffer *buffer, size_t capacity)
{
    if (capacity <= buffer->capacity) return EFF_OK;
    if (capacity < 2 * buffer->capacity) capacity = 2 * buffer->capacity;
    uint8_t *data = eff_pool_alloc(capacity);
    if (!data) return eff_fail(EFF_E_MEMORY, "no memory for a buffer of %zu bytes", capacity);
    if (buffer->size) memcpy(data, buffer->data, buffer->size);
    eff_pool_free(buffer->data);
    buffer->data = data;
    buffer->capacity = capacity;
    return EFF_OK;
}

void eff_buffer_free(eff_buffer *buffer)
{
    eff_pool_free(buffer->data);
    *buffer = (eff_buffer){0};
}

static eff_status read_descriptor(eff_buffer *buffer, int fd, const char *path)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return eff_fail(EFF_E_IO, "%s: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode)) return eff_fail(EFF_E_IO, "%s: is a folder, not a file", path);
    if (info.st_size > MAX_FILE_BYTES)
        return eff_fail(EFF_E_FORMAT, "%s: %lld bytes are too many for an image file (at most %d)", path,
                        (long long)info.st_size, MAX_FILE_BYTES);
    buffer->size = 0;
    EFF_TRY(eff_buffer_reserve(buffer, (size_t)info.st_size + 1)); /* one more, so that the end is seen at once */
    for (;;) {
        if (buffer->size == buffer->capacity) EFF_TRY(eff_buffer_reserve(buffer, 2 * buffer->capacity));
        ssize_t n = read(fd, buffer->data + buffer->size, buffer->capacity - buffer->size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return eff_fail(EFF_E_IO, "%s: %s", path, strerror(errno));
        if (n == 0) return EFF_OK;
        buffer->size += (size_t)n;
        if (buffer->size > MAX_FILE_BYTES) /* a pipe or device, whose size is not known before */
            return eff_fail(EFF_E_FORMAT, "%s: too large for an image file", path);
    }
}

eff_status eff_buffer_read_file(eff_buffer *buffer, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return eff_fail(EFF_E_IO, "%s: %s", path, strerror(errno));
    eff_status status = read_descriptor(buffer, fd, path);
    close(fd);
    return status;
}

eff_status eff_codec_check_size(const char *format, int64_t height, int64_t width)
{
    if (height < 1 || width < 1)
        return eff_fail(EFF_E_FORMAT, "%s header gives a size of %lld x %lld pixels", format, (long long)height,
                        (long long)width);
    if (height > EFF_IMAGE_MAX_SIDE || width > EFF_IMAGE_MAX_SIDE || height * width > EFF_IMAGE_MAX_PIXELS)
        return eff_fail(EFF_E_FORMAT,
                        "%s header gives a size of %lld x %lld pixels, more than the limit of %d (damaged file or "
                        "decompression bomb?)",
                        format, (long long)height, (long long)width, EFF_IMAGE_MAX_PIXELS);
    return EFF_OK;
}

typedef struct signature {
    const char *name, *bytes;
    int length, offset;
} signature;

static const signature jpeg_signature = {"JPEG", "\xFF\xD8\xFF", 3, 0};
static const signature png_signature = {"PNG", "\x89PNG\r\n\x1A\n", 8, 0};

/* What people also put into such folders; named in the message, not read. */
static const signature others[] = {
    {"GIF", "GIF8", 4, 0},          {"WebP", "WEBP", 4, 8},         {"BMP", "BM", 2, 0},
    {"TIFF", "II*\0", 4, 0},        {"TIFF", "MM\0*", 4, 0},        {"HEIF or AVIF", "ftyp", 4, 4},
    {"JPEG 2000", "\0\0\0\x0CjP", 6, 0}, {"JPEG XL", "\xFF\x0A", 2, 0},  {"gzip", "\x1F\x8B", 2, 0},
    {"PDF", "%PDF", 4, 0},          {"HTML or XML", "<", 1, 0},
};

static bool matches(const signature *s, const uint8_t *data, size_t size)
{
    return size >= (size_t)(s->offset + s->length) && memcmp(data + s->offset, s->bytes, (size_t)s->length) == 0;
}

static eff_status unknown_format(const uint8_t *data, size_t size)
{
    if (size == 0) return eff_fail(EFF_E_FORMAT, "the file is empty");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (matches(&others[i], data, size))
            return eff_fail(EFF_E_FORMAT, "this is a %s file; only JPEG and PNG are read", others[i].name);
    if (data[0] == 0x89) return eff_fail(EFF_E_FORMAT, "damaged PNG: wrong signature (transferred as text?)");
    return eff_fail(EFF_E_FORMAT, "neither JPEG nor PNG (the file starts with byte 0x%02X)", data[0]);
}

static eff_status decode(eff_image *out, const uint8_t *data, size_t size, bool pixels)
{
    if (matches(&jpeg_signature, data, size)) return eff_jpeg_decode(out, data, size, pixels);
    if (matches(&png_signature, data, size)) return eff_png_decode(out, data, size, pixels);
    return unknown_format(data, size);
}

eff_status eff_image_decode(eff_image *out, const void *data, size_t size)
{
    eff_status status = decode(out, data, size, true);
    if (status == EFF_OK) status = eff_orientation_apply(out, NULL, eff_orientation_of(data, size));
    if (status != EFF_OK) out->height = out->width = 0;
    return status;
}

eff_status eff_codec_decode_part(eff_image *out, eff_box *box, const uint8_t *data, size_t size,
                                 const eff_wanted *wanted)
{
    *box = eff_box_of(wanted->part);
    if (matches(&jpeg_signature, data, size)) return eff_jpeg_decode_part(out, box, data, size, wanted);
    return decode(out, data, size, true);
}

eff_status eff_image_decode_size(int *height, int *width, const void *data, size_t size)
{
    eff_image header = {0};
    EFF_TRY(decode(&header, data, size, false));
    bool swaps = eff_orientation_swaps(eff_orientation_of(data, size));
    *height = swaps ? header.width : header.height;
    *width = swaps ? header.height : header.width;
    return EFF_OK;
}

eff_status eff_image_read_file(eff_image *out, const char *path)
{
    eff_buffer file = {0};
    eff_status status = eff_buffer_read_file(&file, path);
    if (status == EFF_OK) {
        status = eff_image_decode(out, file.data, file.size);
        if (status != EFF_OK) eff_fail_at(status, "%s", path);
    }
    eff_buffer_free(&file);
    return status;
}
