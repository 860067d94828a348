/* See pack.h. Pictures are made in rounds: threads make some, each every n-th, and then they are written in order. */
#include "data/pack.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "io/file.h"
#include "io/tar.h"

enum { ROUND = 16, MAX_WORKERS = 256 }; /* pictures of a thread in a round */

typedef struct made { /* one picture, as it will lie in the shard */
    eff_buffer bytes;
    eff_status status;
    char *why;
} made;

typedef struct worker { /* what one thread needs */
    const eff_pack *pack;
    int number;
    int64_t first, count; /* of the round */
    made *round;
    eff_reader reader;
    eff_image decoded, small;
    eff_resizer resizer;
} worker;

typedef struct packer {
    const eff_pack *pack;
    eff_packed *out;
    eff_atomic_file *file;
    eff_sha256 sum;
    worker *workers;
    made *round;
} packer;

/* ---- Making a picture ---- */

static eff_status keep(eff_buffer *out, const eff_picture *picture)
{
    if (picture->image) return eff_image_encode_png(out, picture->image);
    out->size = 0;
    EFF_TRY(eff_buffer_reserve(out, picture->size));
    memcpy(out->data, picture->data, picture->size);
    out->size = picture->size;
    return EFF_OK;
}

static eff_status make_smaller(worker *w, eff_buffer *out, const eff_image *image)
{
    int height, width;
    eff_size_shorter(&height, &width, image->height, image->width, w->pack->size);
    EFF_TRY(eff_resize_bytes(&w->small, height, width, image, eff_box_of(eff_image_whole(image)), w->pack->filter,
                             false, &w->resizer));
    return eff_image_encode_jpeg(out, &w->small, w->pack->quality);
}

static eff_status encode(worker *w, eff_buffer *out)
{
    const eff_picture *picture = &w->reader.picture;
    const eff_image *image;
    int shorter = picture->height < picture->width ? picture->height : picture->width;
    EFF_TRY(eff_picture_whole(&image, picture, &w->decoded)); /* what cannot be decoded is not packed either */
    if (w->pack->size > 0 && shorter > w->pack->size) return make_smaller(w, out, image);
    return keep(out, picture);
}

static void make(worker *w, made *m, int64_t index)
{
    char name[1024];
    m->status = eff_source_read(w->pack->source, index, &w->reader);
    if (m->status == EFF_OK) {
        m->status = encode(w, &m->bytes);
        eff_source_name(w->pack->source, index, name, sizeof name);
        if (m->status != EFF_OK) eff_fail_at(m->status, "%s", name);
    }
    if (m->status != EFF_OK) m->why = strdup(eff_message());
}

static void *work(void *argument)
{
    worker *w = argument;
    for (int64_t i = w->number; i < w->count; i += w->pack->workers) make(w, &w->round[i], w->first + i);
    return NULL;
}

/* Signals belong to the main thread. */
static eff_status make_round(packer *p, int64_t first, int64_t count)
{
    pthread_t threads[MAX_WORKERS];
    sigset_t all, before;
    int failed = 0, started = 0, n = p->pack->workers;
    for (int i = 0; i < n; i++) {
        p->workers[i].first = first;
        p->workers[i].count = count;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < n - 1 && !failed) {
        failed = pthread_create(&threads[started], NULL, work, &p->workers[started + 1]);
        started += !failed;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed) work(&p->workers[0]);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    return failed ? eff_fail(EFF_E_MEMORY, "pack: thread %d cannot be started: %s", started + 2, strerror(failed))
                  : EFF_OK;
}

/* ---- Writing ---- */

static eff_status write_bytes(packer *p, const void *data, size_t size)
{
    eff_sha256_add(&p->sum, data, size);
    p->out->bytes += (int64_t)size;
    return eff_atomic_file_write(p->file, data, size);
}

static eff_status write_member(packer *p, const char *name, const void *data, size_t size)
{
    static const uint8_t zeros[EFF_TAR_BLOCK];
    uint8_t header[EFF_TAR_BLOCK];
    EFF_TRY(eff_tar_header(header, name, (int64_t)size));
    EFF_TRY(write_bytes(p, header, sizeof header));
    EFF_TRY(write_bytes(p, data, size));
    return write_bytes(p, zeros, eff_tar_padding((int64_t)size));
}

static eff_status write_picture(packer *p, int64_t index, const eff_buffer *bytes)
{
    char name[32], label[16];
    bool png = bytes->size > 0 && bytes->data[0] == 0x89;
    snprintf(name, sizeof name, "%09lld.%s", (long long)index, png ? "png" : "jpg");
    EFF_TRY(write_member(p, name, bytes->data, bytes->size));
    snprintf(name, sizeof name, "%09lld.cls", (long long)index);
    int length = snprintf(label, sizeof label, "%d", eff_source_label(p->pack->source, index));
    p->out->pictures++;
    return write_member(p, name, label, (size_t)length);
}

/* Takes over `why`. */
static eff_status note_bad(packer *p, int64_t index, made *m)
{
    bool bad_file = m->status == EFF_E_FORMAT || m->status == EFF_E_IO;
    if (!p->pack->skip_bad || !bad_file) return eff_fail(m->status, "%s", m->why ? m->why : "a picture cannot be read");
    eff_packed *out = p->out;
    eff_packed_bad *longer = realloc(out->bad, (size_t)(out->bad_count + 1) * sizeof *longer);
    if (!longer) return eff_fail(EFF_E_MEMORY, "no memory for the list of unreadable pictures");
    out->bad = longer;
    longer[out->bad_count++] = (eff_packed_bad){index, m->why};
    m->why = NULL;
    return EFF_OK;
}

static eff_status write_round(packer *p, int64_t first, int64_t count)
{
    eff_status status = EFF_OK;
    for (int64_t i = 0; i < count; i++) {
        made *m = &p->round[i];
        if (status == EFF_OK)
            status = m->status == EFF_OK ? write_picture(p, first + i, &m->bytes) : note_bad(p, first + i, m);
        free(m->why);
        m->why = NULL;
    }
    return status;
}

static eff_status write_shard(packer *p)
{
    static const uint8_t end[2 * EFF_TAR_BLOCK];
    int64_t step = (int64_t)ROUND * p->pack->workers;
    for (int64_t done = 0; done < p->pack->count; done += step) {
        int64_t left = p->pack->count - done, count = left < step ? left : step;
        if (eff_interrupt_pending()) return eff_fail(EFF_E_INTERRUPTED, "interrupted while packing");
        EFF_TRY(make_round(p, p->pack->first + done, count));
        EFF_TRY(write_round(p, p->pack->first + done, count));
    }
    return write_bytes(p, end, sizeof end);
}

/* ---- The whole ---- */

static eff_status check(const eff_pack *pack)
{
    int64_t count = pack->source->count;
    if (pack->first < 0 || pack->count < 1 || pack->first > count - pack->count)
        return eff_fail(EFF_E_ARGUMENT, "pack: %lld pictures from %lld on; the source has %lld", (long long)pack->count,
                        (long long)pack->first, (long long)count);
    if (eff_source_has_several_labels(pack->source))
        return eff_fail(EFF_E_ARGUMENT,
                        "pack: pictures with several labels cannot be packed; a shard holds one of each");
    if (pack->workers < 1 || pack->workers > MAX_WORKERS)
        return eff_fail(EFF_E_ARGUMENT, "pack: %d workers; 1 to %d are possible", pack->workers, MAX_WORKERS);
    if (pack->size < 0 || pack->size > EFF_IMAGE_MAX_SIDE)
        return eff_fail(EFF_E_ARGUMENT, "pack: a size of %d pixels", pack->size);
    if (pack->quality < 1 || pack->quality > 100)
        return eff_fail(EFF_E_ARGUMENT, "pack: a quality of %d; 1 to 100 are possible", pack->quality);
    if (eff_filter_is_float(pack->filter))
        return eff_fail(EFF_E_ARGUMENT, "pack: the filter %s is not for files; pil_bicubic, pil_bilinear and area are",
                        eff_filter_name(pack->filter));
    return EFF_OK;
}

static eff_status allocate(packer *p)
{
    int n = p->pack->workers;
    p->workers = calloc((size_t)n, sizeof *p->workers);
    p->round = calloc((size_t)n * ROUND, sizeof *p->round);
    if (!p->workers || !p->round) return eff_fail(EFF_E_MEMORY, "no memory to pack with %d workers", n);
    for (int i = 0; i < n; i++) p->workers[i] = (worker){.pack = p->pack, .number = i, .round = p->round};
    return EFF_OK;
}

static void release(packer *p)
{
    for (int i = 0; p->workers && i < p->pack->workers; i++) {
        worker *w = &p->workers[i];
        eff_reader_free(&w->reader);
        eff_image_free(&w->decoded);
        eff_image_free(&w->small);
        eff_resizer_free(&w->resizer);
    }
    for (int i = 0; p->round && i < p->pack->workers * ROUND; i++) eff_buffer_free(&p->round[i].bytes);
    free(p->workers);
    free(p->round);
}

eff_status eff_pack_shard(eff_packed *out, const char *path, const eff_pack *pack)
{
    packer p = {.pack = pack, .out = out};
    *out = (eff_packed){0};
    EFF_TRY(check(pack));
    eff_sha256_start(&p.sum);
    eff_status status = allocate(&p);
    if (status == EFF_OK) status = eff_atomic_file_begin(&p.file, path, 0);
    if (status == EFF_OK) {
        status = write_shard(&p);
        if (status == EFF_OK)
            status = eff_atomic_file_commit(p.file);
        else
            eff_atomic_file_abort(p.file);
    }
    release(&p);
    eff_sha256_text(out->sha256, &p.sum);
    if (status != EFF_OK) eff_packed_free(out);
    return status;
}

void eff_packed_free(eff_packed *packed)
{
    for (int64_t i = 0; i < packed->bad_count; i++) free(packed->bad[i].why);
    free(packed->bad);
    *packed = (eff_packed){0};
}
