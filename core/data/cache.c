/* A source that keeps decoded pictures in memory; see source.h.
 *
 * Samples must not depend on what is kept. A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size where a crop is made
 * that much smaller, and a kept picture is a whole one; so it is kept and used only where it is too small for that.
 * What is kept stays: in every epoch each picture is shown once, so none is worth more than another. */
#include <stdlib.h>
#include <string.h>

#include "data/source.h"

typedef struct cached {
    eff_source head;
    eff_source_ops ops;
    eff_source *base;
    eff_image **images; /* [head.count], NULL for what is not kept; changed by many threads */
    int64_t budget, used;
} cached;

static const cached *cached_of(const eff_source *source) { return (const cached *)source; }

static int cached_label(const eff_source *source, int64_t index)
{
    return eff_source_label(cached_of(source)->base, index);
}

static int cached_labels(const eff_source *source, int64_t index, const int32_t **list)
{
    const eff_source *base = cached_of(source)->base;
    return base->ops->labels(base, index, list);
}

static int cached_shard(const eff_source *source, int64_t index)
{
    const eff_source *base = cached_of(source)->base;
    return base->ops->shard(base, index);
}

static void cached_name(const eff_source *source, int64_t index, char *text, size_t size)
{
    eff_source_name(cached_of(source)->base, index, text, size);
}

/* Whether some crop of a picture can come smaller than it is; with `scaled` 0, nobody crops it. */
static bool may_shrink(int height, int width, const eff_reader *reader)
{
    return reader->scaled_height > 0 && height / 2 >= reader->scaled_height && width / 2 >= reader->scaled_width;
}

static eff_image *decode(const eff_picture *picture)
{
    eff_image *image = calloc(1, sizeof *image);
    const eff_image *whole;
    if (image && eff_picture_whole(&whole, picture, image) == EFF_OK) return image;
    if (image) eff_image_free(image);
    free(image);
    return NULL;
}

static void release_image(eff_image *image)
{
    if (image) eff_image_free(image);
    free(image);
}

/* Keeps what was read, if there is room. A picture that cannot be decoded, or only in part, is left to the reader. */
static void keep(cached *c, int64_t index, eff_reader *reader)
{
    int64_t bytes = (int64_t)reader->picture.height * reader->picture.width * 3;
    bool room = __atomic_add_fetch(&c->used, bytes, __ATOMIC_RELAXED) <= c->budget;
    eff_image *image = room ? decode(&reader->picture) : NULL, *nothing = NULL;
    if (image &&
        __atomic_compare_exchange_n(&c->images[index], &nothing, image, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
        reader->picture = eff_picture_of(image);
        return;
    }
    release_image(image);
    __atomic_sub_fetch(&c->used, bytes, __ATOMIC_RELAXED);
}

/* A file that a loader will decode, always wholly. */
static bool is_worth_keeping(const eff_reader *reader)
{
    const eff_picture *picture = &reader->picture;
    bool small = reader->pixel_limit == 0 || (int64_t)picture->height * picture->width <= reader->pixel_limit;
    return !picture->image && small && reader->scaled_height > 0 && !may_shrink(picture->height, picture->width, reader);
}

static eff_status cached_read(const eff_source *source, int64_t index, eff_reader *reader)
{
    cached *c = (cached *)source;
    const eff_image *kept = __atomic_load_n(&c->images[index], __ATOMIC_ACQUIRE);
    if (kept && !may_shrink(kept->height, kept->width, reader)) {
        reader->picture = eff_picture_of(kept);
        return EFF_OK;
    }
    EFF_TRY(c->base->ops->read(c->base, index, reader));
    if (!kept && is_worth_keeping(reader)) keep(c, index, reader);
    return EFF_OK;
}

static void cached_close(eff_source *source)
{
    cached *c = (cached *)source;
    for (int64_t i = 0; c->images && i < source->count; i++) release_image(c->images[i]);
    free(c->images);
    eff_source_release(c->base);
}

static eff_status fill(cached *c)
{
    const eff_source *base = c->base;
    c->images = calloc((size_t)base->count, sizeof *c->images);
    if (!c->images) return eff_fail(EFF_E_MEMORY, "no memory to keep %lld pictures", (long long)base->count);
    c->head.count = base->count;
    c->head.shards = base->shards;
    if (base->root && !(c->head.root = strdup(base->root))) return eff_fail(EFF_E_MEMORY, "no memory for a path");
    if (base->notice) EFF_TRY(eff_source_add_notice(&c->head, "%s", base->notice));
    return eff_source_set_classes(&c->head, (const char *const *)base->class_names, base->classes);
}

eff_status eff_source_open_cached(eff_source **out, eff_source *base, int64_t budget)
{
    if (budget < 0) return eff_fail(EFF_E_ARGUMENT, "cached: a budget of %lld bytes", (long long)budget);
    cached *c = eff_source_allocate(sizeof *c, NULL, base->kind);
    if (!c) return EFF_E_MEMORY;
    c->ops = (eff_source_ops){.label = cached_label,
                              .labels = base->ops->labels ? cached_labels : NULL,
                              .read = cached_read,
                              .name = cached_name,
                              .shard = cached_shard,
                              .close = cached_close};
    c->head.ops = &c->ops;
    c->base = eff_source_retain(base);
    c->budget = budget;
    eff_status status = fill(c);
    if (status == EFF_OK) *out = &c->head;
    else eff_source_release(&c->head);
    return status;
}

int64_t eff_source_cached_bytes(const eff_source *source)
{
    return source->ops->read == cached_read ? __atomic_load_n(&cached_of(source)->used, __ATOMIC_RELAXED) : 0;
}
