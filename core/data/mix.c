/* Mixup and CutMix; see mix.h. */
#include "data/mix.h"

#include <math.h>
#include <stdbool.h>

#include "base/parallel.h"
#include "base/pool.h"
#include "base/rng.h"

/* How one example takes from its partner. */
typedef struct share {
    bool cut;
    float own;               /* Mixup: weight of the example's own pixels; CutMix: of its own label */
    int y, x, y_end, x_end;  /* CutMix: the box that comes from the partner */
} share;

typedef struct task {
    float *images, *labels;
    const share *shares;
    int height, width;
    int64_t classes;
    int64_t first, count; /* the examples that are mixed among each other */
} task;

static int clip(int x, int high) { return x < 0 ? 0 : x > high ? high : x; }

static share draw_mixup(double alpha, eff_rng *rng)
{
    double weight = eff_rng_beta(rng, alpha, alpha);
    return (share){.own = (float)fmax(weight, 1.0 - weight)};
}

static share draw_cutmix(double alpha, int height, int width, eff_rng *rng)
{
    int x = (int)eff_rng_below(rng, width), y = (int)eff_rng_below(rng, height);
    double side = sqrt(1.0 - eff_rng_beta(rng, alpha, alpha));
    int half_w = (int)(side * width) / 2, half_h = (int)(side * height) / 2;
    share s = {.cut = true,
               .y = clip(y - half_h, height),
               .x = clip(x - half_w, width),
               .y_end = clip(y + half_h, height),
               .x_end = clip(x + half_w, width)};
    double area = (double)(s.y_end - s.y) * (s.x_end - s.x);
    s.own = (float)(1.0 - area / ((double)height * width));
    return s;
}

static void mix_values(float *a, float *b, float own_a, float own_b, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float from_a = a[i], from_b = b[i];
        a[i] = from_a * own_a + from_b * (1.0f - own_a);
        b[i] = from_b * own_b + from_a * (1.0f - own_b);
    }
}

static bool inside(const share *s, int y, int x) { return y >= s->y && y < s->y_end && x >= s->x && x < s->x_end; }

static void cut_values(float *a, float *b, const share *of_a, const share *of_b, int height, int width)
{
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++, a += 3, b += 3) {
            bool a_takes = inside(of_a, y, x), b_takes = inside(of_b, y, x);
            if (!a_takes && !b_takes) continue;
            for (int c = 0; c < 3; c++) {
                float from_a = a[c], from_b = b[c];
                if (a_takes) a[c] = from_b;
                if (b_takes) b[c] = from_a;
            }
        }
    }
}

/* Pair i of the task: examples first + i and its mirror image; they change together. */
static void mix_pair(void *context, int64_t i, int worker)
{
    const task *t = context;
    int64_t one = t->first + i, other = t->first + t->count - 1 - i;
    const share *a = &t->shares[one], *b = &t->shares[other];
    int64_t values = (int64_t)t->height * t->width * 3;
    (void)worker;
    if (a->cut)
        cut_values(t->images + one * values, t->images + other * values, a, b, t->height, t->width);
    else
        mix_values(t->images + one * values, t->images + other * values, a->own, b->own, values);
    mix_values(t->labels + one * t->classes, t->labels + other * t->classes, a->own, b->own, t->classes);
}

eff_status eff_mix_batch(float *images, float *labels, int64_t count, int height, int width, int64_t classes,
                         const eff_mix *mix)
{
    if (!(mix->mixup_alpha >= 0.0 && mix->cutmix_alpha >= 0.0))
        return eff_fail(EFF_E_ARGUMENT, "mix: alpha is %g (Mixup) and %g (CutMix); neither may be negative",
                        mix->mixup_alpha, mix->cutmix_alpha);
    bool mixup = mix->mixup_alpha > 0.0, cutmix = mix->cutmix_alpha > 0.0;
    if (!mixup && !cutmix) return EFF_OK;
    share *shares = eff_pool_alloc((size_t)count * sizeof *shares);
    if (!shares) return eff_fail(EFF_E_MEMORY, "mix: no memory");
    int64_t mixed = !cutmix ? count : mixup ? count / 2 : 0;
    eff_rng rng;
    eff_rng_start(&rng, mix->seed, EFF_RNG_MIX, (uint64_t)mix->epoch, (uint64_t)mix->batch);
    for (int64_t i = 0; i < count; i++)
        shares[i] = i < mixed ? draw_mixup(mix->mixup_alpha, &rng)
                              : draw_cutmix(mix->cutmix_alpha, height, width, &rng);
    task t = {images, labels, shares, height, width, classes, 0, mixed};
    eff_parallel_for(t.count / 2, mix_pair, &t); /* the middle one of an odd number is its own partner */
    t.first = mixed;
    t.count = count - mixed;
    eff_parallel_for(t.count / 2, mix_pair, &t);
    eff_pool_free(shares);
    return EFF_OK;
}
