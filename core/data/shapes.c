/* The built-in data set: ten shapes in pictures that look a little like photos.
 *
 * What makes it a task: the class is the outline alone. Colours, textures, size, position, rotation, lighting, clutter
 * and occlusion are drawn independently of it, and figure and ground swap brightness, so pixels say nothing one by
 * one; and some classes differ in details (disc and hexagon, ring and horseshoe) that a larger picture shows better.
 * Picture i of a split is a pure function of (seed, split, i): nothing is stored.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/shapes_scene.h"
#include "data/source.h"

enum { DEFAULT_SIDE = 96, MIN_SIDE = 24, MAX_SIDE = 2048 };

const char *const eff_shape_names[SHAPE_COUNT] = {"disc",    "ring", "horseshoe", "triangle", "square",
                                                  "hexagon", "star", "cross",     "crescent", "heart"};

typedef struct shapes {
    eff_source head;
    uint64_t seed;
    int split; /* 0: train, 1: val */
} shapes;

/* ---- Drawing the numbers of a scene ---- */

static float between(eff_rng *rng, double low, double high) { return (float)eff_rng_range(rng, low, high); }
static bool chance(eff_rng *rng, double p) { return eff_rng_uniform(rng) < p; }

static void unit_vector(float v[2], eff_rng *rng)
{
    double angle = eff_rng_range(rng, 0.0, 6.283185307179586);
    v[0] = (float)cos(angle);
    v[1] = (float)sin(angle);
}

/* From hue (0 .. 6), saturation, value. */
static color make_color(float hue, float saturation, float value)
{
    color c;
    for (int i = 0; i < 3; i++) {
        float h = fabsf(fmodf(hue + (float)(6 - 2 * i), 6.0f) - 3.0f) - 1.0f;
        float pure = h < 0.0f ? 0.0f : h > 1.0f ? 1.0f : h;
        c.v[i] = value * (1.0f - saturation + saturation * pure);
    }
    return c;
}

static color random_color(eff_rng *rng)
{
    float hue = between(rng, 0.0, 6.0), saturation = between(rng, 0.05, 0.85);
    return make_color(hue, saturation, between(rng, 0.12, 0.98));
}

static color mix_colors(color a, color b, float t)
{
    for (int i = 0; i < 3; i++) a.v[i] += (b.v[i] - a.v[i]) * t;
    return a;
}

static float color_distance(color a, color b)
{
    static const float weight[3] = {0.9f, 1.5f, 0.6f}; /* about as visible to the eye */
    float sum = 0.0f;
    for (int i = 0; i < 3; i++) sum += weight[i] * (a.v[i] - b.v[i]) * (a.v[i] - b.v[i]);
    return sqrtf(sum);
}

static void random_texture(texture *t, eff_rng *rng, double frequency_low, double frequency_high)
{
    t->kind = (texture_kind)eff_rng_below(rng, TEXTURE_COUNT);
    unit_vector(t->across, rng);
    t->shift[0] = between(rng, -8.0, 8.0);
    t->shift[1] = between(rng, -8.0, 8.0);
    t->frequency = (float)exp(eff_rng_range(rng, log(frequency_low), log(frequency_high)));
    t->seed = eff_rng_u32(rng);
}

/* Two colours for each texture, so that figure and ground can be told apart everywhere. */
static void random_paints(scene *s, eff_rng *rng)
{
    color ground = random_color(rng), figure = random_color(rng);
    for (int i = 0; i < 30 && color_distance(ground, figure) < 0.6f; i++) figure = random_color(rng);
    color other = random_color(rng), second = random_color(rng);
    s->ground.a = ground;
    s->ground.b = mix_colors(ground, other, between(rng, 0.1, 0.35));
    for (int i = 0; i < 20 && color_distance(s->ground.b, figure) < 0.52f; i++)
        s->ground.b = mix_colors(s->ground.b, ground, 0.3f);
    s->paint.a = figure;
    s->paint.b = mix_colors(figure, second, between(rng, 0.05, 0.3));
    for (int i = 0; i < 20 && (color_distance(s->paint.b, s->ground.a) < 0.5f ||
                               color_distance(s->paint.b, s->ground.b) < 0.5f); i++)
        s->paint.b = mix_colors(s->paint.b, figure, 0.3f);
}

static void random_stroke(mark *m, eff_rng *rng, float x, float y, double length)
{
    float along[2];
    unit_vector(along, rng);
    float half = between(rng, 0.4 * length, length);
    m->blob = 0;
    m->from[0] = x - half * along[0];
    m->from[1] = y - half * along[1];
    m->to[0] = x + half * along[0];
    m->to[1] = y + half * along[1];
    m->width = between(rng, 0.012, 0.05);
}

static void random_blob(mark *m, eff_rng *rng, float x, float y)
{
    m->blob = 1;
    m->from[0] = x;
    m->from[1] = y;
    m->to[0] = between(rng, 0.03, 0.11);
    m->to[1] = between(rng, 0.5, 0.9);
    m->width = between(rng, 0.25, 0.5);
}

static void random_marks(scene *s, eff_rng *rng)
{
    s->below = 1 + (int)eff_rng_below(rng, 5);
    s->above = chance(rng, 0.35) ? 1 + (int)eff_rng_below(rng, 2) : 0;
    for (int i = 0; i < s->below + s->above; i++) {
        mark *m = &s->marks[i];
        bool above = i >= s->below;
        float x = between(rng, -1.0, 1.0), y = between(rng, -1.0, 1.0);
        if (above) { /* across the border of the shape */
            float out[2];
            unit_vector(out, rng);
            float far = between(rng, 0.5, 1.0) * s->radius;
            x = s->center[0] + out[0] * far;
            y = s->center[1] + out[1] * far;
        }
        if (chance(rng, above ? 0.6 : 0.45)) random_stroke(m, rng, x, y, above ? 0.45 : 0.6);
        else random_blob(m, rng, x, y);
        m->seed = eff_rng_u32(rng);
        color own = random_color(rng);
        m->paint = chance(rng, 0.35) ? s->paint.a : mix_colors(own, s->ground.b, 0.3f);
        m->opacity = between(rng, 0.55, 1.0);
    }
}

static void random_light(scene *s, eff_rng *rng)
{
    float direction[2];
    unit_vector(direction, rng);
    float strength = between(rng, 0.0, 0.35);
    s->light[0] = direction[0] * strength;
    s->light[1] = direction[1] * strength;
    s->light_level = between(rng, 0.8, 1.12);
    s->vignette = between(rng, 0.0, 0.22);
    s->noise = between(rng, 0.004, 0.03);
    float length = between(rng, 0.02, 0.14);
    s->shadow[0] = -direction[0] * length;
    s->shadow[1] = -direction[1] * length;
    s->shadow_soft = between(rng, 0.03, 0.18);
    s->shadow_dark = between(rng, 0.0, 0.45);
    s->relief = between(rng, 0.0, 0.35);
    s->outline = chance(rng, 0.3) ? between(rng, 0.015, 0.045) : 0.0f;
    s->outline_paint = chance(rng, 0.5) ? mix_colors(s->paint.a, (color){{0.0f, 0.0f, 0.0f}}, 0.6f)
                                        : mix_colors(s->paint.a, (color){{1.0f, 1.0f, 1.0f}}, 0.6f);
}

void eff_scene_draw_lots(scene *s, shape_kind shape, eff_rng *rng)
{
    memset(s, 0, sizeof *s);
    s->shape = shape;
    s->radius = (float)exp(eff_rng_range(rng, log(0.55), log(0.88)));
    for (int i = 0; i < 2; i++) {
        float reach = 1.0f - 0.85f * s->radius;
        s->center[i] = between(rng, -reach, reach);
    }
    float angle = between(rng, -0.4, 0.4); /* about 23 degrees */
    s->turn[0] = cosf(angle);
    s->turn[1] = sinf(angle);
    s->stretch = between(rng, 0.86, 1.16);
    s->detail = between(rng, 0.0, 1.0);
    random_texture(&s->ground, rng, 0.8, 5.0);
    random_texture(&s->paint, rng, 1.5, 8.0);
    random_paints(s, rng);
    random_marks(s, rng);
    random_light(s, rng);
    s->seed = eff_rng_u32(rng);
}

/* ---- The source ---- */

static int shapes_label(const eff_source *source, int64_t index)
{
    (void)source;
    return (int)(index % SHAPE_COUNT);
}

/* Half as large again as the samples, like photos that are cropped: the pipeline has something to choose from. */
static int render_side(int wanted)
{
    if (wanted <= 0) return DEFAULT_SIDE;
    int side = (3 * wanted + 1) / 2;
    return side < MIN_SIDE ? MIN_SIDE : side > MAX_SIDE ? MAX_SIDE : side;
}

static eff_status shapes_read(const eff_source *source, int64_t index, eff_reader *reader)
{
    const shapes *s = (const shapes *)source;
    int side = render_side(reader->wanted);
    EFF_TRY(eff_buffer_reserve(&reader->file, (size_t)side * side * 3 * sizeof(float)));
    eff_rng rng;
    eff_rng_start(&rng, s->seed, EFF_RNG_SYNTHETIC, (uint64_t)s->split, (uint64_t)index);
    scene picture;
    eff_scene_draw_lots(&picture, (shape_kind)shapes_label(source, index), &rng);
    EFF_TRY(eff_scene_render(&reader->image, (float *)reader->file.data, side, &picture));
    reader->picture = eff_picture_of(&reader->image);
    return EFF_OK;
}

static void shapes_name(const eff_source *source, int64_t index, char *text, size_t size)
{
    const shapes *s = (const shapes *)source;
    snprintf(text, size, "shapes/%s/%s_%lld", s->split ? "val" : "train", eff_shape_names[shapes_label(source, index)],
             (long long)index);
}

static void shapes_close(eff_source *source) { (void)source; }

static const eff_source_ops shapes_ops = {
    .label = shapes_label, .read = shapes_read, .name = shapes_name, .close = shapes_close};

eff_status eff_source_open_shapes(eff_source **out, const char *split, int64_t count, uint64_t seed)
{
    bool val = strcmp(split, "val") == 0;
    if (!val && strcmp(split, "train") != 0)
        return eff_fail(EFF_E_ARGUMENT, "shapes has no split \"%s\"; there are train and val", split);
    if (count < 0 || count >= (int64_t)1 << 48)
        return eff_fail(EFF_E_ARGUMENT, "shapes cannot have %lld pictures", (long long)count);
    shapes *s = eff_source_allocate(sizeof *s, &shapes_ops, "shapes");
    if (!s) return EFF_E_MEMORY;
    s->seed = seed;
    s->split = val;
    s->head.count = count ? count : val ? EFF_SHAPES_VAL : EFF_SHAPES_TRAIN;
    eff_status status = eff_source_set_classes(&s->head, eff_shape_names, SHAPE_COUNT);
    if (status == EFF_OK) *out = &s->head;
    else eff_source_release(&s->head);
    return status;
}
