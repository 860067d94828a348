/* Tar archives that GNU tar wrote, in each of its formats; damaged and cut ones; and headers that GNU tar reads. */
#define _GNU_SOURCE /* nftw */
#include "test_io_helpers.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "io/tar.h"

static int shell(const char *format, ...)
{
    char command[2048];
    va_list args;
    va_start(args, format);
    int start = snprintf(command, sizeof command, "cd %s && ", scratch);
    vsnprintf(command + start, sizeof command - (size_t)start, format, args);
    va_end(args);
    return system(command);
}

typedef struct list {
    eff_status status;
    int count;
    struct {
        char name[400], bytes[64];
        eff_tar_kind kind;
        int64_t size;
    } members[8];
} list;

/* Reads a whole archive, its members' bytes too. */
static list read_archive(const char *path)
{
    static list l;
    struct stat info;
    l = (list){.status = EFF_OK};
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &info) == 0);
    eff_tar *tar = NULL;
    l.status = eff_tar_open(&tar, fd, path, 0, info.st_size);
    bool found = l.status == EFF_OK;
    while (found) {
        eff_tar_member m;
        l.status = eff_tar_next(tar, &m, &found);
        if (l.status != EFF_OK || !found) break;
        assert_in_range(l.count, 0, 7); /* room */
        snprintf(l.members[l.count].name, sizeof l.members[0].name, "%s", m.name);
        l.members[l.count].kind = m.kind;
        l.members[l.count].size = m.size;
        char again[64] = {0};
        if (m.size > 0 && m.size < 64) {
            assert_int_equal(eff_tar_read(tar, &m, l.members[l.count].bytes), EFF_OK);
            assert_int_equal(eff_read_at(fd, path, again, (size_t)m.size, m.offset), EFF_OK);
            assert_string_equal(again, l.members[l.count].bytes);
        }
        l.count++;
    }
    eff_tar_close(tar);
    close(fd);
    return l;
}

static void expect_refused(const char *path, const char *text)
{
    list l = read_archive(path);
    assert_int_equal(l.status, EFF_E_FORMAT);
    assert_contains(eff_message(), path);
    assert_contains(eff_message(), text);
}

static void test_formats(void **state)
{
    (void)state;
    static const struct {
        const char *format;
        int folder, name;
    } cases[] = {
        {"v7", 20, 30}, {"ustar", 120, 90}, {"oldgnu", 120, 90}, {"gnu", 150, 200}, {"pax", 150, 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char folder[160] = {0}, name[210] = {0}, wanted[400];
        memset(folder, 'd', (size_t)cases[i].folder);
        bool deep = cases[i].folder > 100;
        if (deep) folder[70] = '/';
        memset(name, 'n', (size_t)cases[i].name);
        assert_int_equal(shell("rm -rf in && mkdir -p in/%s && printf first >in/a.cls && printf second >in/%s/%s && "
                               "ln -s a.cls in/link && : >in/z && tar --format=%s --sort=name -C in -cf %s.tar .",
                               folder, folder, name, cases[i].format, cases[i].format),
                         0);
        char file[32];
        snprintf(file, sizeof file, "%s.tar", cases[i].format);
        list l = read_archive(in_scratch(file));
        if (l.status != EFF_OK) fail_msg("%s", eff_message());
        int file_at = deep ? 4 : 3;
        assert_int_equal(l.count, file_at + 3); /* ./, a.cls, folders, file, link, z */
        assert_int_equal(l.members[0].kind, EFF_TAR_FOLDER);
        assert_string_equal(l.members[1].name, "a.cls");
        assert_string_equal(l.members[1].bytes, "first");
        assert_int_equal(l.members[2].kind, EFF_TAR_FOLDER);
        snprintf(wanted, sizeof wanted, "%s/%s", folder, name);
        assert_string_equal(l.members[file_at].name, wanted);
        assert_int_equal(l.members[file_at].kind, EFF_TAR_FILE);
        assert_string_equal(l.members[file_at].bytes, "second");
        assert_int_equal(l.members[file_at + 1].kind, EFF_TAR_OTHER);
        assert_string_equal(l.members[file_at + 2].name, "z");
        assert_int_equal(l.members[file_at + 2].size, 0);
    }
}

static void make_small(void)
{
    assert_int_equal(shell("rm -rf in && mkdir in && printf first >in/a.cls && printf second >in/%0150d && "
                           "tar --format=pax --sort=name -b 1 -C in -cf small.tar $(cd in && ls)",
                           7),
                     0);
}

static void test_every_prefix(void **state)
{
    (void)state;
    make_small();
    static char bytes[65536];
    size_t size = get_bytes(bytes, sizeof bytes, in_scratch("small.tar"));
    assert_int_equal(size % EFF_TAR_BLOCK, 0);
    assert_in_range(size, 6 * EFF_TAR_BLOCK, 20000);
    size_t complete = size - EFF_TAR_BLOCK; /* one block of zeros is enough */
    for (size_t length = 0; length <= size; length++) {
        put_bytes(in_scratch("cut.tar"), bytes, length);
        list l = read_archive(in_scratch("cut.tar"));
        assert_int_equal(l.status, length >= complete ? EFF_OK : EFF_E_FORMAT);
        if (l.status != EFF_OK)
            assert_contains(eff_message(), length == 0 ? "is empty" : "cut off");
        else
            assert_int_equal(l.count, 2);
    }
}

static void test_every_byte_damaged(void **state)
{
    (void)state;
    make_small();
    static char bytes[65536];
    size_t size = get_bytes(bytes, sizeof bytes, in_scratch("small.tar"));
    int refused = 0;
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x55;
        put_bytes(in_scratch("bad.tar"), bytes, size);
        refused += read_archive(in_scratch("bad.tar")).status == EFF_E_FORMAT;
        bytes[i] ^= 0x55;
    }
    assert_in_range(refused, 4 * (EFF_TAR_BLOCK - 2),
                    (int)size); /* every byte of every header but those behind checksums */
    bytes[148] = '7';
    put_bytes(in_scratch("bad.tar"), bytes, size);
    expect_refused(in_scratch("bad.tar"), "no tar archive (its first header has a wrong checksum)");
}

static void test_refusals(void **state)
{
    (void)state;
    make_small();
    assert_int_equal(
        shell(
            "gzip -k small.tar && printf 'hello' >text.tar && truncate -s 1000000 in/sparse && printf x >>in/sparse && "
            "tar -S --format=gnu -C in -cf s1.tar sparse && tar -S --format=pax -C in -cf s2.tar sparse"),
        0);
    expect_refused(in_scratch("small.tar.gz"), "compressed with gzip");
    expect_refused(in_scratch("small.tar.gz"), "(gunzip)");
    expect_refused(in_scratch("text.tar"), "cut off");
    expect_refused(in_scratch("s1.tar"), "sparse");
    expect_refused(in_scratch("s2.tar"), "sparse");
}

/* Bytes that this process has read from files so far. */
static long long bytes_read(void)
{
    long long value = -1;
    FILE *file = fopen("/proc/self/io", "r");
    if (file && fscanf(file, "rchar: %lld", &value) != 1) value = -1;
    if (file) fclose(file);
    return value;
}

/* A member of 9 GiB, whose size is a binary number; its bytes are a hole and are not read. */
static void test_large_member(void **state)
{
    (void)state;
    const int64_t size = (int64_t)9 << 30;
    uint8_t block[EFF_TAR_BLOCK], end[EFF_TAR_BLOCK];
    assert_int_equal(eff_tar_header(end, "end.cls", 0), EFF_OK);
    assert_int_equal(eff_tar_header(block, "huge.jpg", 0), EFF_OK);
    memcpy(block + 124, "\x80\0\0\0\0\0\0\x02\x40\0\0", 12); /* 9 << 30 */
    memset(block + 148, ' ', 8);
    unsigned sum = 0;
    for (int i = 0; i < EFF_TAR_BLOCK; i++) sum += block[i];
    snprintf((char *)block + 148, 8, "%06o", sum);
    int fd = open(in_scratch("huge.tar"), O_RDWR | O_CREAT, 0600);
    assert_int_equal(pwrite(fd, block, sizeof block, 0), sizeof block);
    assert_int_equal(pwrite(fd, end, sizeof end, EFF_TAR_BLOCK + size), sizeof end);
    if (ftruncate(fd, size + 4 * EFF_TAR_BLOCK) != 0) skip(); /* a file system without holes */
    close(fd);
    long long before = bytes_read();
    list l = read_archive(in_scratch("huge.tar"));
    long long after = bytes_read();
    if (l.status != EFF_OK) fail_msg("%s", eff_message());
    assert_int_equal(l.count, 2);
    assert_true(l.members[0].size == size);
    assert_string_equal(l.members[1].name, "end.cls");
    if (before >= 0) assert_in_range(after - before, 1, 20000);
}

/* An archive inside of another, by its range. */
static void test_range(void **state)
{
    (void)state;
    make_small();
    assert_int_equal(shell("tar -b 1 -cf outer.tar small.tar"), 0);
    int fd = open(in_scratch("outer.tar"), O_RDONLY);
    eff_tar *outer = NULL, *inner = NULL;
    eff_tar_member m;
    bool found;
    assert_int_equal(eff_tar_open(&outer, fd, "outer", 0, lseek(fd, 0, SEEK_END)), EFF_OK);
    assert_int_equal(eff_tar_next(outer, &m, &found), EFF_OK);
    assert_string_equal(m.name, "small.tar");
    assert_int_equal(eff_tar_open(&inner, fd, "inner", m.offset, m.size), EFF_OK);
    assert_int_equal(eff_tar_next(inner, &m, &found), EFF_OK);
    char text[8] = {0};
    assert_int_equal(eff_tar_next(inner, &m, &found), EFF_OK);
    assert_string_equal(m.name, "a.cls");
    assert_int_equal(eff_read_at(fd, "outer", text, (size_t)m.size, m.offset), EFF_OK);
    assert_string_equal(text, "first");
    assert_int_equal(eff_tar_next(inner, &m, &found), EFF_OK);
    assert_false(found);
    eff_tar_close(inner);
    eff_tar_close(outer);
    close(fd);
}

static void test_headers_for_gnu_tar(void **state)
{
    (void)state;
    static uint8_t archive[5 * EFF_TAR_BLOCK];
    assert_int_equal(eff_tar_header(archive, "000000001.cls", 3), EFF_OK);
    memcpy(archive + EFF_TAR_BLOCK, "42\n", 3);
    assert_int_equal(eff_tar_padding(3), 509);
    assert_int_equal(eff_tar_padding(512), 0);
    put_bytes(in_scratch("ours.tar"), archive, sizeof archive);
    assert_int_equal(shell("tar -xf ours.tar && test \"$(cat 000000001.cls)\" = 42"), 0);
    assert_int_equal(
        shell("LC_ALL=C TZ=UTC tar -tvf ours.tar | grep -qE -- '^-rw-r--r-- 0/0 +3 1970-01-01 00:00 000000001.cls$'"),
        0);
    list l = read_archive(in_scratch("ours.tar"));
    assert_int_equal(l.count, 1);
    char name[102] = {0};
    memset(name, 'x', 101);
    assert_int_equal(eff_tar_header(archive, name, 1), EFF_E_ARGUMENT);
    assert_int_equal(eff_tar_header(archive, "a", (int64_t)1 << 40), EFF_E_ARGUMENT);
    assert_int_equal(eff_tar_header(archive, "", 1), EFF_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_formats, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_every_prefix, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_every_byte_damaged, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_refusals, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_large_member, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_range, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_headers_for_gnu_tar, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
