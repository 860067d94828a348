/* Finds the tag of orientation in a file, without its decoder: it takes a walk over segments or chunks; see
 * orientation.h. A tag that cannot be read is no tag: 0 here. */
#define _GNU_SOURCE /* memmem */
#include "image/orientation.h"

#include <string.h>

typedef struct bytes {
    const uint8_t *data;
    size_t size;
} bytes;

static uint32_t big_endian(const uint8_t *at, int count)
{
    uint32_t value = 0;
    for (int i = 0; i < count; i++) value = value << 8 | at[i];
    return value;
}

static uint32_t little_endian(const uint8_t *at, int count)
{
    uint32_t value = 0;
    while (count > 0) value = value << 8 | at[--count];
    return value;
}

/* Drops a prefix; false if the bytes begin otherwise. */
static bool drop(bytes *b, const char *prefix, size_t length)
{
    if (b->size < length || memcmp(b->data, prefix, length) != 0) return false;
    b->data += length;
    b->size -= length;
    return true;
}

/* Something between 1 and 8; other values ask for nothing that is known. */
static int checked(uint32_t value) { return value >= 1 && value <= 8 ? (int)value : 1; }

/* ---- The two ways to write it ---- */

/* EXIF is a TIFF: a header, then a list of 12-byte entries {tag, type, count, value}. */
static int from_exif(bytes tiff)
{
    enum { ORIENTATION = 0x0112, SHORT = 3, LONG = 4 };
    if (tiff.size < 8) return 0;
    bool little = memcmp(tiff.data, "II*\0", 4) == 0;
    if (!little && memcmp(tiff.data, "MM\0*", 4) != 0) return 0;
    uint32_t (*number)(const uint8_t *at, int count) = little ? little_endian : big_endian;
    size_t at = number(tiff.data + 4, 4);
    if (at + 2 > tiff.size) return 0;
    uint32_t entries = number(tiff.data + at, 2);
    at += 2;
    for (; entries > 0 && at + 12 <= tiff.size; entries--, at += 12) {
        const uint8_t *entry = tiff.data + at;
        if (number(entry, 2) != ORIENTATION || number(entry + 4, 4) != 1) continue;
        uint32_t type = number(entry + 2, 2);
        if (type == SHORT || type == LONG) return checked(number(entry + 8, type == SHORT ? 2 : 4));
    }
    return 0;
}

/* XMP is XML, with tiff:Orientation="6" or <tiff:Orientation>6</tiff:Orientation> somewhere inside. */
static int from_xmp(bytes xml)
{
    static const char name[] = "tiff:Orientation";
    const size_t length = sizeof name - 1;
    for (const uint8_t *found; (found = memmem(xml.data, xml.size, name, length)) != NULL;) {
        xml.size -= (size_t)(found - xml.data) + length;
        xml.data = found + length;
        bytes value = xml;
        if (!drop(&value, "=\"", 2) && !drop(&value, ">", 1)) continue;
        if (value.size > 0 && value.data[0] >= '0' && value.data[0] <= '9') return checked(value.data[0] - '0');
    }
    return 0;
}

/* ---- Where files keep them ---- */

typedef struct tags {
    int exif, xmp; /* 1 to 8; 0: not seen */
} tags;

static void read_segment(tags *t, bytes segment)
{
    if (drop(&segment, "Exif\0\0", 6)) {
        if (!t->exif) t->exif = from_exif(segment);
    } else if (drop(&segment, "http://ns.adobe.com/xap/1.0/", 29)) {
        if (!t->xmp) t->xmp = from_xmp(segment);
    }
}

/* The segments before the first scan. Between them bytes may lie that mean nothing, as for libjpeg. */
static tags jpeg_tags(bytes file)
{
    enum { TEM = 0x01, RST0 = 0xD0, SOI = 0xD8, EOI = 0xD9, SOS = 0xDA, APP1 = 0xE1 };
    tags found = {0};
    size_t at = 2;
    while (at + 4 <= file.size) {
        int marker = file.data[at + 1];
        if (file.data[at] != 0xFF || marker == 0 || marker == 0xFF) {
            at++;
        } else if (marker == TEM || (marker >= RST0 && marker <= SOI)) {
            at += 2;
        } else if (marker == EOI || marker == SOS) {
            break;
        } else {
            size_t length = big_endian(file.data + at + 2, 2);
            if (length < 2 || length > file.size - at - 2) break;
            if (marker == APP1) read_segment(&found, (bytes){file.data + at + 4, length - 2});
            at += 2 + length;
        }
    }
    return found;
}

static void read_chunk(tags *t, const uint8_t *type, bytes chunk)
{
    if (memcmp(type, "eXIf", 4) == 0) {
        drop(&chunk, "Exif\0\0", 6); /* as some write it */
        if (!t->exif) t->exif = from_exif(chunk);
    } else if (memcmp(type, "iTXt", 4) == 0 && drop(&chunk, "XML:com.adobe.xmp\0", 19)) { /* 0: not compressed */
        if (!t->xmp) t->xmp = from_xmp(chunk);
    }
}

static tags png_tags(bytes file)
{
    tags found = {0};
    size_t at = 8;
    while (at + 12 <= file.size) {
        size_t length = big_endian(file.data + at, 4);
        if (length > file.size - at - 12) break;
        read_chunk(&found, file.data + at + 4, (bytes){file.data + at + 8, length});
        at += 12 + length;
    }
    return found;
}

int eff_orientation_of(const uint8_t *data, size_t size)
{
    tags found = {0};
    if (size >= 2 && data[0] == 0xFF && data[1] == 0xD8) found = jpeg_tags((bytes){data, size});
    else if (size >= 8 && data[0] == 0x89 && data[1] == 'P') found = png_tags((bytes){data, size});
    if (found.exif) return found.exif;
    return found.xmp ? found.xmp : 1;
}
