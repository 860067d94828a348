/* CIFAR-10 and CIFAR-100 in their binary form, kept in memory; see source.h.
 *
 * A record is one (CIFAR-10) or two (CIFAR-100: coarse, fine) label bytes and 32 x 32 pixels, channel after channel.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pool.h"
#include "data/source.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, MAX_FILES = 5, MAX_CLASSES = 100, MAX_NAME = 64 };

typedef struct layout {
    const char *kind;
    int classes, label_bytes; /* the last label byte counts */
    const char *names_file;
    const char *train[MAX_FILES], *test;
    int train_files;
    int64_t train_records, test_records; /* in each file */
} layout;

static const layout cifar10 = {"cifar10", 10, 1, "batches.meta.txt",
                               {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                                "data_batch_5.bin"},
                               "test_batch.bin", 5, 10000, 10000};
static const layout cifar100 = {"cifar100", 100, 2, "fine_label_names.txt", {"train.bin"}, "test.bin", 1, 50000,
                                10000};

typedef struct cifar {
    eff_source head;
    const layout *layout;
    bool test;
    uint8_t *records;
    int64_t record_bytes, file_records;
} cifar;

static const uint8_t *record(const cifar *c, int64_t index) { return c->records + index * c->record_bytes; }

static int cifar_label(const eff_source *source, int64_t index)
{
    const cifar *c = (const cifar *)source;
    return record(c, index)[c->layout->label_bytes - 1];
}

static eff_status cifar_read(const eff_source *source, int64_t index, eff_reader *reader)
{
    const cifar *c = (const cifar *)source;
    EFF_TRY(eff_image_reserve(&reader->image, SIDE, SIDE));
    const uint8_t *plane = record(c, index) + c->layout->label_bytes;
    uint8_t *pixel = reader->image.pixels;
    for (int i = 0; i < PLANE; i++)
        for (int channel = 0; channel < 3; channel++) *pixel++ = plane[channel * PLANE + i];
    reader->picture = eff_picture_of(&reader->image);
    return EFF_OK;
}

static void cifar_name(const eff_source *source, int64_t index, char *text, size_t size)
{
    const cifar *c = (const cifar *)source;
    const char *file = c->test ? c->layout->test : c->layout->train[index / c->file_records];
    snprintf(text, size, "%s, image %lld", file, (long long)(index % c->file_records));
}

static void cifar_close(eff_source *source) { eff_pool_free(((cifar *)source)->records); }

static const eff_source_ops cifar_ops = {
    .label = cifar_label, .read = cifar_read, .name = cifar_name, .close = cifar_close};

static eff_status read_exactly(uint8_t *out, int64_t bytes, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return eff_fail(EFF_E_IO, "%s: %s (all files of the archive are needed)", path, strerror(errno));
    struct stat info;
    eff_status status = EFF_OK;
    if (fstat(fd, &info) != 0) status = eff_fail(EFF_E_IO, "%s: %s", path, strerror(errno));
    else if (info.st_size != bytes)
        status = eff_fail(EFF_E_FORMAT, "%s: has %lld bytes instead of %lld (incomplete download? unpack it again)", path,
                          (long long)info.st_size, (long long)bytes);
    for (int64_t done = 0; status == EFF_OK && done < bytes;) {
        ssize_t n = read(fd, out + done, (size_t)(bytes - done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) status = eff_fail(EFF_E_IO, "%s: %s", path, n < 0 ? strerror(errno) : "became shorter");
        else done += n;
    }
    close(fd);
    return status;
}

static eff_status load_records(cifar *c, const char *folder)
{
    int files = c->test ? 1 : c->layout->train_files;
    int64_t file_bytes = c->file_records * c->record_bytes, all = files * file_bytes;
    c->records = eff_pool_alloc((size_t)all);
    if (!c->records) return eff_fail(EFF_E_MEMORY, "no memory for %lld bytes of CIFAR", (long long)all);
    for (int i = 0; i < files; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, c->test ? c->layout->test : c->layout->train[i]);
        EFF_TRY(read_exactly(c->records + i * file_bytes, file_bytes, path));
    }
    c->head.count = files * c->file_records;
    for (int64_t i = 0; i < c->head.count; i++) {
        int label = cifar_label(&c->head, i);
        if (label < c->layout->classes) continue;
        char name[128];
        cifar_name(&c->head, i, name, sizeof name);
        return eff_fail(EFF_E_FORMAT, "%s/%s: label %d is outside 0 to %d", folder, name, label,
                        c->layout->classes - 1);
    }
    return EFF_OK;
}

/* The names file has one name a line; without it the classes are called by their number. */
static eff_status load_names(cifar *c, const char *folder)
{
    char path[4096], names[MAX_CLASSES][MAX_NAME];
    const char *pointers[MAX_CLASSES];
    for (int i = 0; i < c->layout->classes; i++) {
        snprintf(names[i], MAX_NAME, "%d", i);
        pointers[i] = names[i];
    }
    snprintf(path, sizeof path, "%s/%s", folder, c->layout->names_file);
    FILE *file = fopen(path, "r");
    char line[MAX_NAME];
    for (int i = 0; file && i < c->layout->classes && fgets(line, sizeof line, file);) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0]) memcpy(names[i++], line, sizeof line);
    }
    if (file) fclose(file);
    return eff_source_set_classes(&c->head, pointers, c->layout->classes);
}

static bool has_file(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

eff_status eff_source_open_cifar(eff_source **out, const char *folder, const char *split)
{
    bool test = strcmp(split, "val") == 0 || strcmp(split, "test") == 0;
    if (!test && strcmp(split, "train") != 0)
        return eff_fail(EFF_E_ARGUMENT, "CIFAR has no split \"%s\"; there are train, val and test (the same)", split);
    const layout *found = has_file(folder, cifar10.train[0]) || has_file(folder, cifar10.test)     ? &cifar10
                          : has_file(folder, cifar100.train[0]) || has_file(folder, cifar100.test) ? &cifar100
                                                                                                   : NULL;
    if (!found)
        return eff_fail(EFF_E_IO, "%s: no CIFAR in binary form here (data_batch_1.bin ... and test_batch.bin, or "
                        "train.bin and test.bin)", folder);
    cifar *c = eff_source_allocate(sizeof *c, &cifar_ops, found->kind);
    if (!c) return EFF_E_MEMORY;
    c->layout = found;
    c->test = test;
    c->record_bytes = found->label_bytes + 3 * PLANE;
    c->file_records = test ? found->test_records : found->train_records;
    eff_status status = load_records(c, folder);
    if (status == EFF_OK) status = load_names(c, folder);
    if (status == EFF_OK) *out = &c->head;
    else eff_source_release(&c->head);
    return status;
}
