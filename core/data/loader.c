/* The threaded loader; see loader.h.
 *
 * Batches live in a ring of slots: batch b uses slot b % slots. Samples are handed out one by one in order; a slot is
 * ready when none of its samples is missing, and is used again when the consumer asks for the batch after it.
 */
#include "data/loader.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/interrupt.h"
#include "base/pool.h"
#include "data/slot.h"
#include "kernels/variants.h"

enum { MAX_WORKERS = 256, MAX_PREFETCH = 64, WAIT_MS = 50 };

typedef struct worker { /* what one thread needs to make samples */
    eff_loader *loader;
    pthread_t thread;
    eff_reader reader;
    eff_augment_scratch scratch;
} worker;

struct eff_loader {
    eff_loader_config config;
    int height, width;
    int64_t batches, epoch;
    int64_t *order; /* [source->count] */
    eff_slot *slots;
    int slot_count;
    worker *workers; /* at least one; its memory serves the caller when there are no threads */
    int running;     /* threads that were started */

    pthread_mutex_t lock;
    pthread_cond_t work, ready;
    int64_t task_batch, task_sample; /* handed out next */
    int64_t released;                /* batches below it may be overwritten */
    int64_t next;                    /* goes to the consumer next */
    int64_t at_work;                 /* samples handed out and not finished */
    bool stop, started;
    double waited; /* seconds of the consumer */

    eff_unreadable unreadable;
};

/* ---- Which samples ---- */

static int64_t step_size(const eff_loader *l) { return (int64_t)l->config.batch_size * l->config.ranks; }

/* Samples of batch b for this rank. */
static int64_t batch_count(const eff_loader *l, int64_t b)
{
    int64_t first = b * step_size(l) + (int64_t)l->config.rank * l->config.batch_size;
    int64_t left = l->config.source->count - first;
    if (l->config.last == EFF_LAST_PAD || left > l->config.batch_size) return l->config.batch_size;
    return left > 0 ? left : 0;
}

static void begin_batch(eff_loader *l, eff_slot *s, int64_t b)
{
    int64_t n = l->config.source->count;
    int64_t first = b * step_size(l) + (int64_t)l->config.rank * l->config.batch_size;
    s->batch = b;
    s->view.count = s->missing = batch_count(l, b);
    s->view.padding = 0;
    s->view.position = b;
    s->view.epoch = l->epoch;
    for (int64_t i = 0; i < s->view.count; i++) {
        s->view.indices[i] = l->order[(first + i) % n];
        s->view.padding += first + i >= n;
        s->failures[i] = (eff_sample_failure){EFF_OK, NULL};
    }
}

/* ---- Making one sample (no lock held) ---- */

static eff_status check_pixels(const eff_picture *picture, int64_t limit)
{
    if (limit == 0 || (int64_t)picture->height * picture->width <= limit) return EFF_OK;
    return eff_fail(EFF_E_FORMAT, "%d x %d pixels, more than pixel_limit = %lld", picture->height, picture->width,
                    (long long)limit);
}

static eff_status run_pipeline(worker *w, eff_sample_place to, eff_rng *rng)
{
    const eff_pipeline *pipeline = w->loader->config.pipeline;
    return to.bytes ? eff_pipeline_run_bytes(pipeline, to.bytes, &w->reader.picture, rng, &w->scratch)
                    : eff_pipeline_run(pipeline, to.floats, &w->reader.picture, rng, &w->scratch);
}

static eff_status make_sample(worker *w, eff_sample_place to, int64_t *label, int64_t index, int64_t epoch)
{
    const eff_loader_config *config = &w->loader->config;
    w->reader.wanted = w->loader->height > w->loader->width ? w->loader->height : w->loader->width;
    eff_pipeline_scaled(config->pipeline, &w->reader.scaled_height, &w->reader.scaled_width);
    w->reader.pixel_limit = config->pixel_limit;
    *label = eff_source_label(config->source, index);
    EFF_TRY(eff_source_read(config->source, index, &w->reader));
    eff_rng rng;
    eff_rng_start(&rng, config->seed, EFF_RNG_AUGMENT, (uint64_t)epoch, (uint64_t)index);
    eff_status status = check_pixels(&w->reader.picture, config->pixel_limit);
    if (status == EFF_OK) status = run_pipeline(w, to, &rng);
    if (status == EFF_OK) return EFF_OK;
    char name[512];
    eff_source_name(config->source, index, name, sizeof name);
    return eff_fail_at(status, "%s", name);
}

static void fill_sample(worker *w, eff_slot *s, int64_t i)
{
    eff_status status = make_sample(w, eff_slot_place(s, i), &s->view.labels[i], s->view.indices[i], s->view.epoch);
    if (status != EFF_OK) s->failures[i] = (eff_sample_failure){status, strdup(eff_message())};
}

/* ---- Workers ---- */

/* Waits for a sample to make; false when the loader closes. Called with the lock held. */
static bool take_task(eff_loader *l, eff_slot **s, int64_t *sample)
{
    for (;;) {
        if (l->stop) return false;
        bool room = l->task_batch < l->batches && l->task_batch < l->released + l->slot_count;
        if (!room) {
            pthread_cond_wait(&l->work, &l->lock);
            continue;
        }
        *s = &l->slots[l->task_batch % l->slot_count];
        if (l->task_sample == 0) begin_batch(l, *s, l->task_batch);
        *sample = l->task_sample++;
        bool last = l->task_sample >= (*s)->view.count;
        if (last) {
            l->task_batch++;
            l->task_sample = 0;
        }
        if ((*s)->view.count > 0) return true;
        pthread_cond_signal(&l->ready); /* an empty batch is ready at once */
    }
}

static void *work(void *argument)
{
    worker *w = argument;
    eff_loader *l = w->loader;
    eff_slot *s;
    int64_t sample;
    pthread_mutex_lock(&l->lock);
    while (take_task(l, &s, &sample)) {
        l->at_work++;
        pthread_mutex_unlock(&l->lock);
        fill_sample(w, s, sample);
        pthread_mutex_lock(&l->lock);
        l->at_work--;
        if (--s->missing == 0 || l->at_work == 0) pthread_cond_signal(&l->ready);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* Signals belong to the main thread, which looks at the flag. */
static eff_status start_threads(eff_loader *l)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    while (l->running < l->config.workers && !failed) {
        failed = pthread_create(&l->workers[l->running].thread, NULL, work, &l->workers[l->running]);
        if (!failed) l->running++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed) return EFF_OK;
    return eff_fail(EFF_E_MEMORY, "loader: thread %d of %d cannot be started: %s", l->running + 1, l->config.workers,
                    strerror(failed));
}

/* ---- Opening and closing ---- */

static eff_order order_of(const eff_loader_config *c) { return (eff_order){c->shuffle, c->shard_window, c->seed}; }

static eff_status check_config(const eff_loader_config *c)
{
    if (c->batch_size < 1) return eff_fail(EFF_E_ARGUMENT, "loader: the batch size is %d", c->batch_size);
    if (c->workers < 0 || c->workers > MAX_WORKERS)
        return eff_fail(EFF_E_ARGUMENT, "loader: %d workers; 0 to %d are possible", c->workers, MAX_WORKERS);
    if (c->workers > 0 && (c->prefetch < 1 || c->prefetch > MAX_PREFETCH))
        return eff_fail(EFF_E_ARGUMENT, "loader: prefetch of %d batches; 1 to %d are possible", c->prefetch,
                        MAX_PREFETCH);
    if (c->ranks < 1 || c->rank < 0 || c->rank >= c->ranks)
        return eff_fail(EFF_E_ARGUMENT, "loader: rank %d of %d", c->rank, c->ranks);
    if (c->source->count < 1) return eff_fail(EFF_E_ARGUMENT, "loader: the source has no pictures");
    eff_order order = order_of(c);
    EFF_TRY(eff_order_check(&order, c->source));
    int64_t step = (int64_t)c->batch_size * c->ranks;
    if (c->last == EFF_LAST_DROP && c->source->count < step)
        return eff_fail(EFF_E_ARGUMENT, "loader: %lld pictures do not fill one batch of %lld, and incomplete batches "
                        "are dropped (a smaller batch_size, or drop_last = false)", (long long)c->source->count, (long long)step);
    return EFF_OK;
}

static eff_status allocate_slot(eff_slot *s, const eff_loader *l)
{
    const eff_normalization *of_bytes = eff_pipeline_of_bytes(l->config.pipeline);
    return eff_slot_allocate(s, l->config.batch_size, l->height, l->width, of_bytes);
}

static eff_status allocate(eff_loader *l)
{
    int threads = l->config.workers > 0 ? l->config.workers : 1;
    l->slot_count = l->config.workers > 0 ? l->config.prefetch + 1 : 1;
    l->order = eff_pool_alloc((size_t)l->config.source->count * sizeof *l->order);
    l->slots = calloc((size_t)l->slot_count, sizeof *l->slots);
    l->workers = calloc((size_t)threads, sizeof *l->workers);
    if (!l->order || !l->slots || !l->workers) return eff_fail(EFF_E_MEMORY, "loader: no memory");
    for (int i = 0; i < threads; i++) l->workers[i].loader = l;
    for (int i = 0; i < l->slot_count; i++) EFF_TRY(allocate_slot(&l->slots[i], l));
    return EFF_OK;
}

eff_status eff_loader_open(eff_loader **out, const eff_loader_config *config)
{
    EFF_TRY(check_config(config));
    eff_loader *l = calloc(1, sizeof *l);
    if (!l) return eff_fail(EFF_E_MEMORY, "loader: no memory");
    l->config = *config;
    l->unreadable = (eff_unreadable){.skip = config->bad == EFF_BAD_SKIP, .limit = config->max_bad};
    eff_source_retain(config->source);
    eff_pipeline_retain(config->pipeline);
    eff_pipeline_size(config->pipeline, &l->height, &l->width);
    int64_t n = config->source->count, step = step_size(l);
    l->batches = config->last == EFF_LAST_DROP ? n / step : (n + step - 1) / step;
    l->task_batch = l->batches; /* nothing to do before the start */
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->ready, &monotonic);
    pthread_condattr_destroy(&monotonic);
    eff_status status = allocate(l);
    if (status == EFF_OK) status = start_threads(l);
    if (status == EFF_OK) *out = l;
    else eff_loader_close(l);
    return status;
}

void eff_loader_close(eff_loader *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->running; i++) pthread_join(l->workers[i].thread, NULL);
    int threads = l->config.workers > 0 ? l->config.workers : 1;
    for (int i = 0; l->workers && i < threads; i++) {
        eff_reader_free(&l->workers[i].reader);
        eff_augment_scratch_free(&l->workers[i].scratch);
    }
    for (int i = 0; l->slots && i < l->slot_count; i++) eff_slot_free(&l->slots[i]);
    eff_unreadable_free(&l->unreadable);
    free(l->slots);
    free(l->workers);
    eff_pool_free(l->order);
    pthread_cond_destroy(&l->ready);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->lock);
    eff_pipeline_release(l->config.pipeline);
    eff_source_release(l->config.source);
    free(l);
}

int64_t eff_loader_batches(const eff_loader *l) { return l->batches; }

/* Hands out nothing more, waits until no sample is at work, and forgets what was made. Keeps the lock. */
static void pause_work(eff_loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->task_batch = l->batches;
    while (l->at_work > 0) pthread_cond_wait(&l->ready, &l->lock);
    for (int i = 0; i < l->slot_count; i++) eff_slot_clear(&l->slots[i]);
}

/* After pause_work: goes on at batch `position`. */
static void resume_work(eff_loader *l, int64_t position)
{
    l->task_batch = l->started ? position : l->batches;
    l->released = l->next = position;
    l->task_sample = 0;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
}

eff_status eff_loader_start(eff_loader *l, int64_t epoch, int64_t position)
{
    if (epoch < 0 || position < 0 || position > l->batches)
        return eff_fail(EFF_E_ARGUMENT, "loader: cannot start epoch %lld at batch %lld; an epoch has %lld batches",
                        (long long)epoch, (long long)position, (long long)l->batches);
    pause_work(l);
    eff_status status = EFF_OK;
    eff_order order = order_of(&l->config);
    if (!l->started || epoch != l->epoch) status = eff_order_fill(l->order, &order, l->config.source, epoch);
    l->started = status == EFF_OK;
    l->epoch = epoch;
    resume_work(l, l->started ? position : l->batches);
    return status;
}

/* Slots for samples of another size or form; those that there are stay when there is no memory. */
static eff_status replace_slots(eff_loader *l)
{
    eff_slot *old = l->slots;
    l->slots = calloc((size_t)l->slot_count, sizeof *l->slots);
    if (!l->slots) {
        l->slots = old;
        return eff_fail(EFF_E_MEMORY, "loader: no memory");
    }
    eff_status status = EFF_OK;
    for (int i = 0; status == EFF_OK && i < l->slot_count; i++) status = allocate_slot(&l->slots[i], l);
    eff_slot *unused = status == EFF_OK ? old : l->slots;
    for (int i = 0; i < l->slot_count; i++) eff_slot_free(&unused[i]);
    free(unused);
    if (status != EFF_OK) l->slots = old;
    return status;
}

eff_status eff_loader_set_pipeline(eff_loader *l, eff_pipeline *pipeline)
{
    eff_pipeline *old = l->config.pipeline;
    int height = l->height, width = l->width;
    pause_work(l);
    l->config.pipeline = pipeline;
    eff_pipeline_size(pipeline, &l->height, &l->width);
    bool same_form = !eff_pipeline_of_bytes(pipeline) == !eff_pipeline_of_bytes(old);
    eff_status status = EFF_OK;
    if (l->height != height || l->width != width || !same_form) status = replace_slots(l);
    for (int i = 0; status == EFF_OK && i < l->slot_count; i++)
        l->slots[i].view.normalization = eff_pipeline_of_bytes(pipeline);
    if (status == EFF_OK) {
        eff_pipeline_retain(pipeline);
        eff_pipeline_release(old);
    } else {
        l->config.pipeline = old;
        l->height = height;
        l->width = width;
    }
    resume_work(l, l->next);
    return status;
}

/* ---- Consuming ---- */

static eff_status interrupted(void) { return eff_fail(EFF_E_INTERRUPTED, "interrupted while waiting for a batch"); }

static eff_status wait_until_ready(eff_loader *l, eff_slot *s)
{
    eff_status status = EFF_OK;
    pthread_mutex_lock(&l->lock);
    l->released = l->next;
    pthread_cond_broadcast(&l->work);
    while (status == EFF_OK && (s->batch != l->next || s->missing > 0)) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += WAIT_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&l->ready, &l->lock, &until);
        if (eff_interrupt_pending()) status = interrupted();
    }
    pthread_mutex_unlock(&l->lock);
    return status;
}

static eff_status make_in_caller(eff_loader *l, eff_slot *s)
{
    eff_slot_clear(s);
    begin_batch(l, s, l->next);
    for (int64_t i = 0; i < s->view.count; i++) {
        if (eff_interrupt_pending()) return interrupted();
        fill_sample(&l->workers[0], s, i);
    }
    s->missing = 0;
    return EFF_OK;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

eff_status eff_loader_next(eff_loader *l, const eff_batch **out)
{
    *out = NULL;
    if (!l->started) return eff_fail(EFF_E_STATE, "loader: no epoch was started");
    if (l->next >= l->batches) return EFF_OK;
    eff_slot *s = &l->slots[l->next % l->slot_count];
    double began = seconds_now();
    eff_status status = l->running > 0 ? wait_until_ready(l, s) : make_in_caller(l, s);
    l->waited += seconds_now() - began;
    EFF_TRY(status);
    l->next++;
    EFF_TRY(eff_slot_settle(s, &l->unreadable));
    *out = &s->view;
    return EFF_OK;
}

void eff_batch_write_images(float *out, const eff_batch *b)
{
    size_t pixels = (size_t)b->count * b->height * b->width;
    if (b->bytes)
        eff_pixel_kernels_now()->normalize_bytes(out, b->bytes, pixels, b->normalization->mean, b->normalization->inverse_std);
    else
        memcpy(out, b->images, pixels * 3 * sizeof(float));
}

double eff_loader_waited(const eff_loader *l) { return l->waited; }

int64_t eff_loader_bad_count(const eff_loader *l) { return l->unreadable.count; }

const char *eff_loader_bad(const eff_loader *l, int64_t i, int64_t *index)
{
    const eff_unreadable_picture *picture = &l->unreadable.list[i];
    *index = picture->index;
    return picture->why ? picture->why : "?";
}
