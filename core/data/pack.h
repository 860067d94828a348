/* Writing the pictures of a source as a shard of WebDataset: a tar of 000000123.jpg and 000000123.cls, the class as a
 * number from 0. The same arguments give the same bytes, whatever the number of threads. */
#ifndef EFF_DATA_PACK_H
#define EFF_DATA_PACK_H

#include "data/source.h"
#include "image/resize.h"
#include "io/checksum.h"

typedef struct eff_pack {
    eff_source *source;   /* of one label a picture */
    int64_t first, count; /* pictures of the source; their numbers become names */
    int size;             /* what has a longer shorter side becomes a JPEG with this one; 0: nothing does. The rest is
                           * kept: a file's bytes, or pixels as a PNG */
    eff_filter filter;    /* one of those that give bytes */
    int quality;          /* of these JPEGs, 1 to 100; chroma has half the size */
    int workers;          /* threads, at least 1 */
    bool skip_bad;        /* leave pictures out that cannot be read; else they are errors */
} eff_pack;

typedef struct eff_packed_bad {
    int64_t index;
    char *why; /* with the picture's name */
} eff_packed_bad;

/* Starts as {0}. */
typedef struct eff_packed {
    int64_t pictures, bytes;
    char sha256[EFF_SHA256_DIGITS + 1]; /* of the file, in hexadecimal digits */
    eff_packed_bad *bad;                /* [bad_count] */
    int64_t bad_count;
} eff_packed;

/* The file appears whole or not at all. EFF_E_INTERRUPTED when a signal is pending. */
eff_status eff_pack_shard(eff_packed *out, const char *path, const eff_pack *pack);
void eff_packed_free(eff_packed *packed);

#endif
