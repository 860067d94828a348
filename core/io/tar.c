/* See tar.h. A header is a block of 512 bytes; a member's bytes follow, filled up to whole blocks. Headers of kind 'L'
 * (GNU) and 'x' (pax) are members themselves, whose bytes say more about the next one. Two blocks of zeros end the
 * archive; one is enough here, since nothing is lost with the other. */
#define _GNU_SOURCE
#include "io/tar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"

enum {
    WINDOW = 4096,           /* bytes read at once; several small members lie in them */
    MAX_EXTENSION = 1 << 20, /* bytes of a long name or of pax records */
    CHECKSUM_AT = 148,
    CHECKSUM_SIZE = 8
};

typedef struct header { /* as it lies in the file */
    char name[100], mode[8], owner[8], group[8], size[12], time[12], checksum[8], type, link[100];
    char magic[8], owner_name[32], group_name[32], device[16], prefix[155], filler[12];
} header;

_Static_assert(sizeof(header) == EFF_TAR_BLOCK, "a header is one block");

struct eff_tar {
    int fd;
    const char *path;
    int64_t start, at, end; /* the archive, and its next header */
    uint8_t window[WINDOW];
    int64_t window_at;
    size_t window_size;
    char *name;       /* of the member */
    char *extension;  /* bytes of an 'L' or 'x' header */
    int64_t pax_size; /* -1: none */
    bool named;       /* by such a header */
};

static eff_status damaged(const eff_tar *tar, const char *what)
{
    return eff_fail(EFF_E_FORMAT, "%s: damaged tar archive: %s in the header at byte %lld", tar->path, what,
                    (long long)tar->at);
}

static eff_status cut(const eff_tar *tar, const char *what)
{
    return eff_fail(EFF_E_FORMAT, "%s: the tar archive is cut off: %s (byte %lld of %lld)", tar->path, what,
                    (long long)tar->at, (long long)tar->end);
}

/* ---- Bytes ---- */

eff_status eff_read_at(int fd, const char *path, void *data, size_t size, int64_t offset)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, (char *)data + done, size - done, offset + (int64_t)done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return eff_fail_errno(path, "read", errno);
        if (n == 0)
            return eff_fail(EFF_E_FORMAT, "%s: ends before byte %lld (changed while in use?)", path,
                            (long long)(offset + (int64_t)size));
        done += (size_t)n;
    }
    return EFF_OK;
}

static bool in_window(const eff_tar *tar, int64_t at, int64_t size)
{
    return at >= tar->window_at && at + size <= tar->window_at + (int64_t)tar->window_size;
}

eff_status eff_tar_read(eff_tar *tar, const eff_tar_member *member, void *data)
{
    if (!in_window(tar, member->offset, member->size))
        return eff_read_at(tar->fd, tar->path, data, (size_t)member->size, member->offset);
    memcpy(data, tar->window + (member->offset - tar->window_at), (size_t)member->size);
    return EFF_OK;
}

/* The block at tar->at, which lies inside the archive. */
static eff_status read_block(const header **out, eff_tar *tar)
{
    if (!in_window(tar, tar->at, EFF_TAR_BLOCK)) {
        int64_t left = tar->end - tar->at;
        tar->window_size = 0;
        tar->window_at = tar->at;
        size_t size = left < WINDOW ? (size_t)left : WINDOW;
        EFF_TRY(eff_read_at(tar->fd, tar->path, tar->window, size, tar->at));
        tar->window_size = size;
    }
    *out = (const header *)(tar->window + (tar->at - tar->window_at));
    return EFF_OK;
}

/* ---- Fields ---- */

/* Octal digits, with spaces before and a space or NUL behind; or, after 0x80, a binary number. -1: neither. */
static int64_t number(const char *field, size_t length)
{
    const unsigned char *byte = (const unsigned char *)field, *end = byte + length;
    int64_t value = 0;
    if (*byte == 0x80) {
        while (++byte < end) {
            if (value >> 54) return -1;
            value = value << 8 | *byte;
        }
        return value;
    }
    while (byte < end && *byte == ' ') byte++;
    if (byte == end || *byte < '0' || *byte > '7') return -1;
    while (byte < end && *byte >= '0' && *byte <= '7') value = value << 3 | (*byte++ - '0'); /* at most 12 digits */
    return byte == end || *byte == ' ' || *byte == '\0' ? value : -1;
}

/* Sum of all bytes with the checksum itself taken for spaces; some old programs added signed bytes. */
static bool checksum_is_right(const header *h)
{
    int64_t want = number(h->checksum, sizeof h->checksum), sum = 0, signed_sum = 0;
    for (int i = 0; i < EFF_TAR_BLOCK; i++) {
        bool own = i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_SIZE;
        sum += own ? ' ' : ((const unsigned char *)h)[i];
        signed_sum += own ? ' ' : ((const signed char *)h)[i];
    }
    return want == sum || want == signed_sum;
}

static bool is_zero(const header *h)
{
    static const char zeros[EFF_TAR_BLOCK];
    return memcmp(h, zeros, sizeof zeros) == 0;
}

static eff_status take_name(eff_tar *tar, const header *h)
{
    bool prefixed = memcmp(h->magic, "ustar", 6) == 0 && h->prefix[0];
    free(tar->name);
    tar->name = malloc(sizeof h->prefix + sizeof h->name + 2);
    if (!tar->name) return eff_fail(EFF_E_MEMORY, "%s: no memory for a name", tar->path);
    if (prefixed)
        sprintf(tar->name, "%.155s/%.100s", h->prefix, h->name);
    else
        sprintf(tar->name, "%.100s", h->name);
    return EFF_OK;
}

/* ---- Headers that say more about the next one ---- */

/* Their bytes, with a NUL behind. */
static eff_status read_extension(eff_tar *tar, int64_t size)
{
    if (size > MAX_EXTENSION) return damaged(tar, "a name or record of more than a megabyte");
    free(tar->extension);
    tar->extension = malloc((size_t)size + 1);
    if (!tar->extension) return eff_fail(EFF_E_MEMORY, "%s: no memory for a name", tar->path);
    tar->extension[size] = '\0';
    return eff_read_at(tar->fd, tar->path, tar->extension, (size_t)size, tar->at + EFF_TAR_BLOCK);
}

static eff_status take_long_name(eff_tar *tar, const char *text)
{
    free(tar->name);
    tar->name = strdup(text);
    tar->named = true;
    return tar->name ? EFF_OK : eff_fail(EFF_E_MEMORY, "%s: no memory for a name", tar->path);
}

static eff_status take_pax_record(eff_tar *tar, const char *key, const char *value)
{
    if (strcmp(key, "path") == 0) return take_long_name(tar, value);
    if (strncmp(key, "GNU.sparse", 10) == 0) return damaged(tar, "a sparse file, which is not stored in one piece,");
    if (strcmp(key, "size") != 0) return EFF_OK;
    char *end;
    errno = 0;
    tar->pax_size = strtoll(value, &end, 10);
    bool good = *value >= '0' && *value <= '9' && !*end && !errno;
    return good ? EFF_OK : damaged(tar, "a pax size that is no number");
}

/* Records "length key=value\n"; the length counts all of it. */
static eff_status take_pax(eff_tar *tar, char *text, size_t size)
{
    while (size > 0) {
        char *rest;
        unsigned long length = strtoul(text, &rest, 10);
        bool fits = *text >= '0' && *text <= '9' && *rest == ' ' && length <= size && text + length > rest + 2;
        if (!fits || text[length - 1] != '\n') return damaged(tar, "a broken pax record");
        char *key = rest + 1, *line_end = text + length - 1;
        *line_end = '\0';
        char *equals = memchr(key, '=', (size_t)(line_end - key));
        if (!equals) return damaged(tar, "a pax record without '='");
        *equals = '\0';
        EFF_TRY(take_pax_record(tar, key, equals + 1));
        text += length;
        size -= length;
    }
    return EFF_OK;
}

static eff_status take_extension(eff_tar *tar, char type, int64_t size)
{
    EFF_TRY(read_extension(tar, size));
    if (type == 'L') return take_long_name(tar, tar->extension);
    return take_pax(tar, tar->extension, (size_t)size);
}

/* ---- Walking ---- */

typedef enum meaning { MEMBER_FILE, MEMBER_FOLDER, MEMBER_EMPTY, EXTENSION, IGNORED, REFUSED } meaning;

static meaning meaning_of(char type)
{
    if (strchr("07", type)) return MEMBER_FILE; /* or NUL */
    if (type == '5') return MEMBER_FOLDER;
    if (strchr("12346", type)) return MEMBER_EMPTY;
    if (strchr("LxX", type)) return EXTENSION;
    return strchr("KgV", type) ? IGNORED : REFUSED; /* names of links, comments, a label */
}

static eff_status wrong_checksum(const eff_tar *tar)
{
    if (tar->at > tar->start) return damaged(tar, "a wrong checksum");
    return eff_fail(EFF_E_FORMAT, "%s: this is no tar archive (its first header has a wrong checksum)", tar->path);
}

static eff_status check_header(eff_tar *tar, const header *h, int64_t *size)
{
    if (!checksum_is_right(h)) return wrong_checksum(tar);
    meaning m = meaning_of(h->type);
    if (m == REFUSED) {
        char what[64];
        snprintf(what, sizeof what,
                 h->type == 'S' ? "a sparse file, which is not stored in one piece," : "the unknown kind '%c'",
                 h->type >= ' ' && h->type <= '~' ? h->type : '?');
        return damaged(tar, what);
    }
    *size = number(h->size, sizeof h->size);
    if (*size < 0) return damaged(tar, "a size that is no number");
    if (tar->pax_size >= 0 && m != EXTENSION && m != IGNORED) *size = tar->pax_size;
    if (m == MEMBER_FOLDER || m == MEMBER_EMPTY) *size = 0; /* whatever the field says */
    int64_t left = tar->end - tar->at - EFF_TAR_BLOCK;
    if (*size > left) return cut(tar, "a member is longer than what is left");
    return EFF_OK;
}

static eff_tar_kind kind_of(meaning m, const char *name)
{
    size_t length = strlen(name);
    if (m == MEMBER_FOLDER || (length > 0 && name[length - 1] == '/')) return EFF_TAR_FOLDER; /* old archives */
    return m == MEMBER_FILE ? EFF_TAR_FILE : EFF_TAR_OTHER;
}

static eff_status take_member(eff_tar *tar, eff_tar_member *member, const header *h, int64_t size)
{
    if (!tar->named) EFF_TRY(take_name(tar, h));
    const char *name = tar->name;
    while (name[0] == '.' && name[1] == '/') name += 2;
    if (!*name && meaning_of(h->type) == MEMBER_FILE) return damaged(tar, "no name");
    *member = (eff_tar_member){name, kind_of(meaning_of(h->type), name), tar->at + EFF_TAR_BLOCK, size};
    return EFF_OK;
}

eff_status eff_tar_next(eff_tar *tar, eff_tar_member *member, bool *found)
{
    tar->named = false;
    tar->pax_size = -1;
    *found = false;
    for (;;) {
        const header *h;
        int64_t size = 0;
        if (tar->end - tar->at < EFF_TAR_BLOCK) return cut(tar, "its end mark is missing");
        EFF_TRY(read_block(&h, tar));
        if (is_zero(h)) return tar->named ? cut(tar, "a name has no member") : EFF_OK;
        EFF_TRY(check_header(tar, h, &size));
        meaning m = meaning_of(h->type);
        bool is_member = m != EXTENSION && m != IGNORED;
        if (is_member) EFF_TRY(take_member(tar, member, h, size));
        if (m == EXTENSION) EFF_TRY(take_extension(tar, h->type, size));
        tar->at += EFF_TAR_BLOCK + size + (int64_t)eff_tar_padding(size);
        *found = is_member;
        if (is_member) return EFF_OK;
    }
}

/* An archive that was compressed shows it by its first bytes. */
static eff_status refuse_packed(int fd, const char *path, int64_t start, int64_t size)
{
    static const struct {
        const char *name, *magic, *command;
    } packed[] = {
        {"gzip", "\x1F\x8B", "gunzip"},
        {"bzip2", "BZh", "bunzip2"},
        {"xz", "\3757zXZ", "unxz"},
        {"zstd", "\x28\xB5\x2F\xFD", "unzstd"},
    };
    char first[8] = {0};
    EFF_TRY(eff_read_at(fd, path, first, size < (int64_t)sizeof first ? (size_t)size : sizeof first, start));
    for (size_t i = 0; i < sizeof packed / sizeof packed[0]; i++)
        if (memcmp(first, packed[i].magic, strlen(packed[i].magic)) == 0)
            return eff_fail(EFF_E_FORMAT,
                            "%s: compressed with %s; archives are read in place, so unpack it to a plain "
                            ".tar first (%s)",
                            path, packed[i].name, packed[i].command);
    return EFF_OK;
}

eff_status eff_tar_open(eff_tar **out, int fd, const char *path, int64_t start, int64_t size)
{
    if (size == 0) return eff_fail(EFF_E_FORMAT, "%s: is empty, which is no tar archive", path);
    EFF_TRY(refuse_packed(fd, path, start, size));
    eff_tar *tar = calloc(1, sizeof *tar);
    if (!tar) return eff_fail(EFF_E_MEMORY, "%s: no memory for the reader of a tar archive", path);
    tar->fd = fd;
    tar->path = path;
    tar->start = tar->at = start;
    tar->end = start + size;
    *out = tar;
    return EFF_OK;
}

void eff_tar_close(eff_tar *tar)
{
    if (!tar) return;
    free(tar->name);
    free(tar->extension);
    free(tar);
}

/* ---- Writing ---- */

eff_status eff_tar_header(uint8_t block[EFF_TAR_BLOCK], const char *name, int64_t size)
{
    if (strlen(name) > EFF_TAR_NAME || !*name)
        return eff_fail(EFF_E_ARGUMENT, "tar: the name \"%s\" has %zu bytes; 1 to %d are possible", name, strlen(name),
                        EFF_TAR_NAME);
    if (size < 0 || size > 077777777777)
        return eff_fail(EFF_E_ARGUMENT, "tar: \"%s\" of %lld bytes is too large", name, (long long)size);
    header h = {.mode = "0000644",
                .owner = "0000000",
                .group = "0000000",
                .time = "00000000000",
                .type = '0',
                .magic = {'u', 's', 't', 'a', 'r', 0, '0', '0'}};
    memcpy(h.name, name, strlen(name));
    snprintf(h.size, sizeof h.size, "%011llo", (unsigned long long)size);
    memset(h.checksum, ' ', sizeof h.checksum);
    unsigned sum = 0;
    for (int i = 0; i < EFF_TAR_BLOCK; i++) sum += ((const unsigned char *)&h)[i];
    snprintf(h.checksum, sizeof h.checksum, "%06o", sum); /* its NUL is the seventh byte, the eighth stays a space */
    memcpy(block, &h, EFF_TAR_BLOCK);
    return EFF_OK;
}
