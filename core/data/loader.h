/* Batches of samples, made ahead of time by threads, the same ones for any number of threads.
 *
 * The order of an epoch comes from (seed, epoch), every sample from (seed, epoch, index), so a batch depends on
 * its position alone: a run resumes by starting the epoch at the batch where it stopped. Workers hold no Lua state and
 * enter no OpenMP region.
 */
#ifndef EFF_DATA_LOADER_H
#define EFF_DATA_LOADER_H

#include "data/augment.h"
#include "data/order.h"

typedef enum eff_last_batch { /* when the pictures do not fill the last batch */
    EFF_LAST_DROP,  /* leave it out */
    EFF_LAST_SHORT, /* make it shorter; with several ranks some may get an empty one */
    EFF_LAST_PAD    /* fill it with pictures from the start of the order */
} eff_last_batch;

typedef enum eff_bad_policy { /* what an unreadable picture does */
    EFF_BAD_RAISE, /* eff_loader_next fails and names it */
    EFF_BAD_SKIP   /* its batch is one shorter, it is listed (eff_loader_bad), and beyond max_bad the loader fails */
} eff_bad_policy;

typedef struct eff_loader_config {
    eff_source *source;     /* the loader holds a reference */
    eff_pipeline *pipeline; /* finished; the loader holds a reference */
    int batch_size;         /* of one rank */
    uint64_t seed;
    eff_shuffle shuffle;
    int shard_window; /* see eff_order */
    eff_last_batch last;
    int workers;  /* threads; 0 makes the samples in eff_loader_next */
    int prefetch; /* batches made ahead, at least 1 when there are workers */
    eff_bad_policy bad;
    int64_t max_bad;
    int64_t pixel_limit; /* larger pictures are unreadable, without being decoded; 0: those beyond EFF_IMAGE_MAX_PIXELS */
    int rank, ranks; /* ranks share every step's pictures; 0 of 1 when alone */
} eff_loader_config;

/* Memory of the loader, valid until the next call; the caller may change the contents. */
typedef struct eff_batch {
    float *images;    /* [count][height][width][3], or NULL: */
    uint8_t *bytes;   /* the same before its normalisation, a quarter of the size */
    const eff_normalization *normalization;
    int64_t *labels;  /* [count], from 0 */
    int64_t *indices; /* [count], of the source */
    int64_t count, padding; /* the last `padding` ones are repeated to fill up */
    int height, width;
    int64_t position; /* batch 0, 1, ... of the epoch */
    int64_t epoch;
} eff_batch;

/* out [count][height][width][3]: the images, normalised */
void eff_batch_write_images(float *out, const eff_batch *batch);

typedef struct eff_loader eff_loader;

eff_status eff_loader_open(eff_loader **out, const eff_loader_config *config);
void eff_loader_close(eff_loader *loader); /* at any time; waits for the samples at work. NULL is allowed */

int64_t eff_loader_batches(const eff_loader *loader); /* in a whole epoch */

/* Begins an epoch (0, 1, ...) at batch `position`; what was made ahead is thrown away. */
eff_status eff_loader_start(eff_loader *loader, int64_t epoch, int64_t position);

/* From the next batch on samples are made by another pipeline, of any size; what was made ahead is thrown away, and the
 * threads go on. The loader holds a reference to it. A batch handed out before is no longer valid. */
eff_status eff_loader_set_pipeline(eff_loader *loader, eff_pipeline *pipeline);

/* The next batch, or NULL in *out at the end of the epoch. EFF_E_INTERRUPTED when a signal is pending: the batch is
 * not lost, call again. After another failure the next call goes on behind the failed batch. */
eff_status eff_loader_next(eff_loader *loader, const eff_batch **out);

/* Seconds that eff_loader_next has waited so far for samples that were not ready, or made them itself. */
double eff_loader_waited(const eff_loader *loader);

/* The unreadable pictures met so far, each once: why (with the name), and the index. */
int64_t eff_loader_bad_count(const eff_loader *loader);
const char *eff_loader_bad(const eff_loader *loader, int64_t i, int64_t *index);

#endif
