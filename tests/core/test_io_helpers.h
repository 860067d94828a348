/* What the tests of the io room share: a scratch folder that is removed at the end, and plain file access. */
#ifndef TEST_IO_HELPERS_H
#define TEST_IO_HELPERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch[64];

static inline int scratch_setup(void **state)
{
    (void)state;
    strcpy(scratch, "/tmp/effv2_test_io_XXXXXX");
    return mkdtemp(scratch) ? 0 : -1;
}

static inline int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    return remove(path);
}

static inline int scratch_teardown(void **state)
{
    (void)state;
    return nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path in the scratch folder; the last four results stay valid. */
static inline const char *in_scratch(const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

static inline void put_bytes(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline size_t get_bytes(void *bytes, size_t room, const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, room, file);
    fclose(file);
    return size;
}

static inline void assert_content(const char *path, const char *expected)
{
    char text[4096];
    size_t size = get_bytes(text, sizeof text - 1, path);
    text[size] = '\0';
    assert_string_equal(text, expected);
}

#define assert_contains(text, part)                                                                                  \
    do {                                                                                                             \
        if (!strstr(text, part)) fail_msg("\"%s\" is not in \"%s\"", part, text);                                    \
    } while (0)

#endif
