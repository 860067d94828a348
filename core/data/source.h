/* Where samples come from: a numbered list of labelled pictures.
 *
 * A source is immutable once it is open; `read` may be called from many threads at a time, each with its own
 * reader. Labels count from 0.
 */
#ifndef EFF_DATA_SOURCE_H
#define EFF_DATA_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "image/picture.h"

/* What one thread needs to read, kept between reads. Starts as {0}. */
typedef struct eff_reader {
    eff_picture picture; /* what was read, in one of these: */
    eff_image image;
    eff_buffer file;
    int wanted; /* side that the samples will have; only sources that draw their pictures look at it */
    int scaled_height, scaled_width; /* a file may be decoded at a fraction of its size, but not below this; 0: whole */
    int64_t pixel_limit;             /* larger pictures will not be decoded; 0: all will */
} eff_reader;

void eff_reader_free(eff_reader *reader);

typedef struct eff_source eff_source;

typedef struct eff_source_ops {
    int (*label)(const eff_source *source, int64_t index);
    /* Sets *list to the labels of a picture, the first as `label` says, and returns how many there are, at least 1.
     * NULL where each picture has one. */
    int (*labels)(const eff_source *source, int64_t index, const int32_t **list);
    eff_status (*read)(const eff_source *source, int64_t index, eff_reader *reader);
    void (*name)(const eff_source *source, int64_t index, char *text, size_t size);
    int (*shard)(const eff_source *source, int64_t index); /* 0 .. shards-1; NULL where there are none */
    void (*close)(eff_source *source); /* frees what the kind added; the rest is freed by eff_source_release */
} eff_source_ops;

/* The common head of all kinds; read-only for users. */
struct eff_source {
    const eff_source_ops *ops;
    int references;
    const char *kind; /* "folder", "pictures", "cifar10", "cifar100", "shapes", "subset", ... */
    int64_t count;
    int shards; /* files that each hold many pictures, in no order that matters; 0: none */
    int classes;
    char **class_names;  /* [classes] */
    char *root;          /* the folder below which the pictures are, or NULL: no files */
    char *notice;        /* what was strange but not wrong, e.g. "class \"cats\" has no images"; or NULL */
};

/* Class of a picture, 0 .. classes-1; of several the first. index: 0 .. count-1. */
static inline int eff_source_label(const eff_source *source, int64_t index)
{
    return source->ops->label(source, index);
}

/* Whether pictures may have more than one label. */
static inline bool eff_source_has_several_labels(const eff_source *source) { return source->ops->labels != NULL; }

/* All labels of a picture: how many, and in *list where they are, which is `only` in a source of one label each. */
int eff_source_labels(const eff_source *source, int64_t index, const int32_t **list, int32_t *only);

/* targets[n][classes], classes at least the source's: 1/k for each of the k labels of the pictures indices[0..n-1],
 * else 0. */
void eff_source_targets(const eff_source *source, float *targets, const int64_t *indices, int64_t n, int64_t classes);

/* Leaves the picture in reader->picture, encoded if it is a file. Messages start with its name. */
eff_status eff_source_read(const eff_source *source, int64_t index, eff_reader *reader);

/* How messages call a picture: the path, or "data_batch_1.bin, image 17". */
void eff_source_name(const eff_source *source, int64_t index, char *text, size_t size);

/* The same without the path of the source's root, so that it stays when the data move: "cats/17.jpg". */
void eff_source_key(const eff_source *source, int64_t index, char *text, size_t size);

eff_source *eff_source_retain(eff_source *source);
void eff_source_release(eff_source *source); /* NULL is allowed */

/* ---- Kinds ---- */

typedef struct eff_folder_options {
    const char *split;     /* "train", "val", "test" (a folder of root), or "all" */
    double val_ratio;      /* without such folders: this part of every class is "val", the rest "train" */
    uint64_t seed;         /* of that division */
} eff_folder_options;

/* root/<split>/<class>/..., or root/<class>/... divided by val_ratio. Classes and pictures are sorted by name (bytes);
 * hidden entries are ignored; files without a known extension are looked into. The "val" folder may also be called
 * validation or valid. */
eff_status eff_source_open_folder(eff_source **out, const char *root, const eff_folder_options *options);

/* Every picture of a folder and of those below it, sorted by path, all of one class: for looking at them, not for
 * training. */
eff_status eff_source_open_pictures(eff_source **out, const char *root);

/* The binary form of CIFAR-10 (data_batch_*.bin, test_batch.bin) or CIFAR-100 (train.bin, test.bin; fine labels),
 * told apart by what is there. split: "train", or "val" or "test" for the test images. */
eff_status eff_source_open_cifar(eff_source **out, const char *folder, const char *split);

enum { EFF_SHAPES_CLASSES = 10, EFF_SHAPES_TRAIN = 8000, EFF_SHAPES_VAL = 2000 };

/* The pictures that a CSV file lists (see csv.h), paths and labels, relative to the file's folder. A header names the
 * columns: path (or image, filename, file, file_name, image_path), label (labels, class, classes), and perhaps split
 * (train, val or test); without one there are two, path and label. A field may hold several labels between | or ; or
 * spaces. Classes are those of `like` if it is not NULL, else of classes.txt beside the file, one a line, else the
 * labels in the file (of all splits), sorted. split: "all", or what to take by the column. */
eff_status eff_source_open_table(eff_source **out, const char *path, const char *split, const eff_source *like);
eff_status eff_table_has_splits(const char *path, bool *has); /* has: there is a column split */

/* Oxford Flowers-102 as published: jpg/image_00001.jpg ..., imagelabels.mat, setid.mat. split "train": trnid and valid
 * together (2,040 pictures, the division of the transfer experiments), "val" or "test": tstid (6,149); or one of
 * "trnid" (1,020), "valid" (1,020) and "tstid". */
eff_status eff_source_open_flowers(eff_source **out, const char *folder, const char *split);

/* Stanford Cars as published: cars_train/, cars_test/, devkit/cars_train_annos.mat, devkit/cars_meta.mat, and
 * cars_test_annos_withlabels.mat in the folder or in devkit. split: "train" (8,144 pictures), "val" or "test" (8,041).
 * Whole pictures, no boxes. */
eff_status eff_source_open_cars(eff_source **out, const char *folder, const char *split);

/* ImageNet-21k: root/<wnid>/<picture>, as eff_source_open_folder with split "all"; a picture whose file name stands in
 * the folders of several classes comes once, with all their labels. */
eff_status eff_source_open_imagenet21k(eff_source **out, const char *root);

/* The built-in pictures of ten shapes, see shapes.c. count 0: the default of the split ("train" or "val"). */
eff_status eff_source_open_shapes(eff_source **out, const char *split, int64_t count, uint64_t seed);

/* Tar archives, read in place: shards of WebDataset (each picture 123.jpg with 123.cls, a number from 0, or 123.json
 * with "label"), in the order of the archives; or ImageNet's own: a tar of one tar a class, classes and pictures sorted
 * by name, and a tar of pictures with a file of labels (labels.h; else labels_path is NULL), sorted by name. What it is,
 * is seen inside. class_names: of shards, or those that the labels may name; classes 0: numbers, or what the labels
 * name. A tar of tars has its own. Headers and labels are read here, pictures later; the files must stay as they are. */
eff_status eff_source_open_archives(eff_source **out, const char *const *paths, int count, const char *labels_path,
                                    const char *const *class_names, int classes);

/* A folder of pictures side by side, as ImageNet's validation images come, with a file of labels (labels.h).
 * Classes as for archives. */
eff_status eff_source_open_flat(eff_source **out, const char *folder, const char *labels_path,
                                const char *const *class_names, int classes);

/* The "train" or the "val" part of another source, which it keeps open: val_ratio of every class, drawn by `seed`, is
 * "val", as a folder is divided. */
eff_status eff_source_divide(eff_source **out, eff_source *base, const char *split, double val_ratio, uint64_t seed);

/* The pictures indices[0..n-1] of another source, which it keeps open. */
eff_status eff_source_open_subset(eff_source **out, eff_source *base, const int64_t *indices, int64_t n);

/* Divides a source in two by a hash of each picture's key (eff_source_key): XXH3_64bits_withSeed of its bytes. *held
 * gets the `count` pictures of the smallest hashes, or with count 0 those whose hash lies in the lowest `share` of all
 * hashes; *rest gets the others, and the notice; both are in the order of `base`. So whether a picture is held out by
 * share depends on its name alone. */
eff_status eff_source_hold_out(eff_source **rest, eff_source **held, eff_source *base, int64_t count, double share,
                               uint64_t seed);

/* Another source, which it keeps open, whose decoded pictures are kept in memory as they are read, up to `budget` bytes
 * together. Samples stay the same, bit for bit; so files that may be decoded at a fraction of their size (picture.h) are
 * not kept, those at least twice as large as the samples. Nor are drawn pictures, and those that are in memory already. */
eff_status eff_source_open_cached(eff_source **out, eff_source *base, int64_t budget);
int64_t eff_source_cached_bytes(const eff_source *source); /* kept so far; 0 for other sources */

/* ---- For the kinds ---- */

/* `size` zeroed bytes that begin with an eff_source, references = 1; NULL (with a message) when there is no memory. */
void *eff_source_allocate(size_t size, const eff_source_ops *ops, const char *kind);
eff_status eff_source_set_classes(eff_source *source, const char *const *names, int classes); /* copies */
eff_status eff_source_add_notice(eff_source *source, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
