/* Drawing a scene: distances, textures, compositing; see shapes_scene.h. */
#include <math.h>

#include "data/shapes_scene.h"

static float clampf(float x, float low, float high) { return x < low ? low : x > high ? high : x; }
static float minf(float a, float b) { return a < b ? a : b; }
static float maxf(float a, float b) { return a > b ? a : b; }
static float absolute(float x) { return x < 0.0f ? -x : x; }
static float length2(float x, float y) { return sqrtf(x * x + y * y); }
static int floor_int(float x) { return (int)x - (x < (float)(int)x); }

/* ---- Shapes ---- */

/* A regular polygon from the outward normals of its sides. */
static float polygon_distance(const float (*normals)[2], int sides, float inradius, float x, float y)
{
    float d = -1e9f;
    for (int i = 0; i < sides; i++) d = maxf(d, normals[i][0] * x + normals[i][1] * y);
    return d - inradius;
}

static float star_distance(float x, float y)
{
    const float c = 0.809016994f, s = 0.587785252f, outer = 0.98f, inner = 0.42f;
    x = absolute(x);
    float t = 2.0f * maxf(c * x - s * y, 0.0f); /* folds the five arms onto one */
    x -= t * c;
    y += t * s;
    t = 2.0f * maxf(-c * x - s * y, 0.0f);
    x += t * c;
    y += t * s;
    x = absolute(x);
    y -= outer;
    float edge_x = inner * s, edge_y = inner * c - 1.0f;
    float h = clampf((x * edge_x + y * edge_y) / (edge_x * edge_x + edge_y * edge_y), 0.0f, outer);
    float d = length2(x - edge_x * h, y - edge_y * h);
    return y * edge_x - x * edge_y < 0.0f ? -d : d;
}

static float heart_distance(float x, float y)
{
    const float scale = 1.7f;
    x = absolute(x) / scale;
    y = 0.53f - y / scale; /* upright in a picture whose y points down, centred */
    float d;
    if (x + y > 1.0f) {
        d = length2(x - 0.25f, y - 0.75f) - 0.353553391f;
    } else {
        float t = 0.5f * maxf(x + y, 0.0f);
        d = minf(length2(x, y - 1.0f), length2(x - t, y - t));
        if (x < y) d = -d;
    }
    return d * scale;
}

static float ring_distance(float x, float y, float detail)
{
    float half = 0.12f + 0.1f * detail;
    return absolute(length2(x, y) - (0.9f - half)) - half;
}

float eff_shape_distance(shape_kind shape, float x, float y, float detail)
{
    static const float three[3][2] = {{0.0f, 1.0f}, {0.866025404f, -0.5f}, {-0.866025404f, -0.5f}};
    static const float six[6][2] = {{0.0f, 1.0f},           {0.866025404f, 0.5f},   {0.866025404f, -0.5f},
                                    {0.0f, -1.0f},          {-0.866025404f, -0.5f}, {-0.866025404f, 0.5f}};
    switch (shape) {
    case SHAPE_DISC: return length2(x, y) - 0.86f;
    case SHAPE_RING: return ring_distance(x, y, detail);
    case SHAPE_HORSESHOE: {
        float gap = maxf(absolute(y) - (0.18f + 0.17f * detail), -x);
        return maxf(ring_distance(x, y, detail), -gap);
    }
    case SHAPE_TRIANGLE: return polygon_distance(three, 3, 0.5f, x, y);
    case SHAPE_SQUARE: return maxf(absolute(x), absolute(y)) - 0.72f;
    case SHAPE_HEXAGON: return polygon_distance(six, 6, 0.8f, x, y);
    case SHAPE_STAR: return star_distance(x, y);
    case SHAPE_CROSS: {
        float a = maxf(absolute(x), absolute(y)), b = minf(absolute(x), absolute(y));
        return maxf(a - 0.9f, b - (0.2f + 0.12f * detail));
    }
    case SHAPE_CRESCENT: {
        float offset = 0.36f + 0.2f * detail;
        return maxf(length2(x, y) - 0.9f, 0.76f - length2(x - offset, y));
    }
    case SHAPE_HEART: return heart_distance(x, y);
    case SHAPE_COUNT: break;
    }
    return 1.0f;
}

/* ---- Textures ---- */

static uint32_t hash(uint32_t x, uint32_t y, uint32_t seed)
{
    uint32_t h = seed ^ (x * 0x9E3779B1u) ^ (y * 0x85EBCA77u);
    h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
    h = (h ^ (h >> 12)) * 0x297A2D39u;
    return h ^ (h >> 15);
}

static float hash_unit(int x, int y, uint32_t seed)
{
    return (float)(hash((uint32_t)x, (uint32_t)y, seed) >> 8) * 0x1p-24f;
}

/* Smooth values between random ones on the integer points, 0 .. 1. */
static float value_noise(float x, float y, uint32_t seed)
{
    int ix = floor_int(x), iy = floor_int(y);
    float u = x - (float)ix, v = y - (float)iy;
    u = u * u * (3.0f - 2.0f * u);
    v = v * v * (3.0f - 2.0f * v);
    float a = hash_unit(ix, iy, seed), b = hash_unit(ix + 1, iy, seed);
    float c = hash_unit(ix, iy + 1, seed), d = hash_unit(ix + 1, iy + 1, seed);
    float top = a + (b - a) * u, bottom = c + (d - c) * u;
    return top + (bottom - top) * v;
}

/* Like a sine of period 1, from two parabolas. */
static float wave(float x)
{
    float u = 2.0f * (x - (float)floor_int(x)) - 1.0f;
    return -4.0f * u * (1.0f - absolute(u));
}

static float spots(float x, float y, uint32_t seed, float sharp)
{
    int ix = floor_int(x), iy = floor_int(y);
    float cx = 0.35f + 0.3f * hash_unit(ix, iy, seed), cy = 0.35f + 0.3f * hash_unit(ix, iy, seed + 1);
    float radius = 0.12f + 0.2f * hash_unit(ix, iy, seed + 2);
    float d = length2(x - (float)ix - cx, y - (float)iy - cy);
    return clampf(0.5f + sharp * (radius - d), 0.0f, 1.0f);
}

/* Where between colour a (0) and b (1) the texture is. pixel: size of a pixel. */
static float texture_level(const texture *t, float x, float y, float pixel)
{
    float u = (x * t->across[0] + y * t->across[1]) * t->frequency + t->shift[0];
    float v = (y * t->across[0] - x * t->across[1]) * t->frequency + t->shift[1];
    float step = t->frequency * pixel, sharp = minf(1.0f / step, 8.0f), level = 0.5f;
    switch (t->kind) {
    case TEXTURE_CLOUDS:
        level = 0.55f * value_noise(u, v, t->seed) + 0.3f * value_noise(2.1f * u, 2.1f * v, t->seed + 1) +
                0.15f * value_noise(4.3f * u, 4.3f * v, t->seed + 2);
        level = clampf(0.5f + 1.9f * (level - 0.5f), 0.0f, 1.0f);
        break;
    case TEXTURE_STRIPES: level = clampf(0.5f + 0.25f * sharp * wave(u), 0.0f, 1.0f); break;
    case TEXTURE_WOOD: level = 0.5f + 0.5f * wave(u + 1.2f * value_noise(0.7f * u, 0.35f * v, t->seed)); break;
    case TEXTURE_CHECKER: level = clampf(0.5f + 0.35f * sharp * wave(0.6f * u) * wave(0.6f * v), 0.0f, 1.0f); break;
    case TEXTURE_SPOTS: level = spots(u, v, t->seed, sharp); break;
    case TEXTURE_GRADIENT: level = clampf(0.5f + 0.5f * (x * t->across[0] + y * t->across[1]), 0.0f, 1.0f); break;
    case TEXTURE_COUNT: break;
    }
    float shown = clampf(2.0f - 3.0f * step, 0.0f, 1.0f); /* what a pixel cannot resolve fades to the mean */
    return 0.5f + (level - 0.5f) * shown;
}

static void texture_color(float out[3], const texture *t, float x, float y, float pixel)
{
    float level = texture_level(t, x, y, pixel);
    for (int c = 0; c < 3; c++) out[c] = t->a.v[c] + (t->b.v[c] - t->a.v[c]) * level;
}

/* ---- Compositing ---- */

typedef struct view {
    float *canvas; /* [side][side][3] */
    int side;
    float pixel;
} view;

typedef struct bounds {
    int x, y, x_end, y_end;
} bounds;

static float coordinate(const view *v, int i) { return ((float)i + 0.5f) * v->pixel - 1.0f; }

static int pixel_at(const view *v, float x) { return floor_int(clampf((x + 1.0f) / v->pixel, 0.0f, (float)v->side)); }

static bounds around(const view *v, float x, float y, float x_end, float y_end)
{
    bounds b = {pixel_at(v, x), pixel_at(v, y), pixel_at(v, x_end) + 1, pixel_at(v, y_end) + 1};
    if (b.x_end > v->side) b.x_end = v->side;
    if (b.y_end > v->side) b.y_end = v->side;
    return b;
}

static float coverage(float distance, float pixel) { return clampf(0.5f - distance / pixel, 0.0f, 1.0f); }

static void lay_over(float *target, const float *paint, float alpha)
{
    for (int c = 0; c < 3; c++) target[c] += (paint[c] - target[c]) * alpha;
}

static void fill_ground(const view *v, const texture *t)
{
    float *target = v->canvas;
    for (int y = 0; y < v->side; y++)
        for (int x = 0; x < v->side; x++, target += 3)
            texture_color(target, t, coordinate(v, x), coordinate(v, y), v->pixel);
}

static float stroke_distance(const mark *m, float x, float y)
{
    float ax = m->to[0] - m->from[0], ay = m->to[1] - m->from[1], px = x - m->from[0], py = y - m->from[1];
    float h = clampf((px * ax + py * ay) / (ax * ax + ay * ay), 0.0f, 1.0f);
    return length2(px - ax * h, py - ay * h) - m->width;
}

static float blob_distance(const mark *m, float x, float y)
{
    float radius = m->to[0], px = (x - m->from[0]) / radius, py = (y - m->from[1]) / (radius * m->to[1]);
    float lumps = value_noise(1.7f * px + 10.0f, 1.7f * py + 10.0f, m->seed) - 0.5f;
    return (length2(px, py) - 1.0f - 2.0f * m->width * lumps) * radius * m->to[1];
}

static bounds mark_bounds(const view *v, const mark *m)
{
    if (m->blob) {
        float reach = 1.6f * m->to[0];
        return around(v, m->from[0] - reach, m->from[1] - reach, m->from[0] + reach, m->from[1] + reach);
    }
    float reach = m->width + v->pixel;
    return around(v, minf(m->from[0], m->to[0]) - reach, minf(m->from[1], m->to[1]) - reach,
                  maxf(m->from[0], m->to[0]) + reach, maxf(m->from[1], m->to[1]) + reach);
}

static void lay_mark(const view *v, const mark *m)
{
    bounds b = mark_bounds(v, m);
    for (int y = b.y; y < b.y_end; y++) {
        for (int x = b.x; x < b.x_end; x++) {
            float px = coordinate(v, x), py = coordinate(v, y);
            float d = m->blob ? blob_distance(m, px, py) : stroke_distance(m, px, py);
            float alpha = coverage(d, v->pixel) * m->opacity;
            if (alpha > 0.0f) lay_over(v->canvas + ((size_t)y * v->side + x) * 3, m->paint.v, alpha);
        }
    }
}

/* Distance in the picture's units; own: the point in the shape's frame. */
static float figure_distance(const scene *s, float x, float y, float own[2])
{
    float px = (x - s->center[0]) / s->radius, py = (y - s->center[1]) / s->radius;
    own[0] = (px * s->turn[0] + py * s->turn[1]) / s->stretch;
    own[1] = (py * s->turn[0] - px * s->turn[1]) * s->stretch;
    return eff_shape_distance(s->shape, own[0], own[1], s->detail) * s->radius;
}

static void lay_shadow(const view *v, const scene *s)
{
    float reach = 1.25f * s->radius + s->shadow_soft;
    float x0 = s->center[0] + s->shadow[0], y0 = s->center[1] + s->shadow[1];
    bounds b = around(v, x0 - reach, y0 - reach, x0 + reach, y0 + reach);
    for (int y = b.y; y < b.y_end; y++) {
        for (int x = b.x; x < b.x_end; x++) {
            float own[2];
            float d = figure_distance(s, coordinate(v, x) - s->shadow[0], coordinate(v, y) - s->shadow[1], own);
            float dark = clampf(0.5f - d / (2.0f * s->shadow_soft), 0.0f, 1.0f);
            float kept = 1.0f - s->shadow_dark * dark * dark * (3.0f - 2.0f * dark);
            float *target = v->canvas + ((size_t)y * v->side + x) * 3;
            for (int c = 0; c < 3; c++) target[c] *= kept;
        }
    }
}

static void lay_figure(const view *v, const scene *s)
{
    float reach = 1.25f * s->radius + v->pixel;
    bounds b = around(v, s->center[0] - reach, s->center[1] - reach, s->center[0] + reach, s->center[1] + reach);
    for (int y = b.y; y < b.y_end; y++) {
        for (int x = b.x; x < b.x_end; x++) {
            float own[2], paint[3], px = coordinate(v, x), py = coordinate(v, y);
            float d = figure_distance(s, px, py, own), alpha = coverage(d, v->pixel);
            if (alpha <= 0.0f) continue;
            texture_color(paint, &s->paint, px, py, v->pixel);
            float rim = clampf(1.0f + d / (0.22f * s->radius), 0.0f, 1.0f); /* 0 inside, 1 at the border */
            float toward = (px - s->center[0]) * s->light[0] + (py - s->center[1]) * s->light[1];
            float shade = 1.0f + s->relief * (2.0f * toward / s->radius - 0.7f * rim * rim);
            for (int c = 0; c < 3; c++) paint[c] *= shade;
            if (s->outline > 0.0f) lay_over(paint, s->outline_paint.v, coverage(-d - s->outline, v->pixel));
            lay_over(v->canvas + ((size_t)y * v->side + x) * 3, paint, alpha);
        }
    }
}

/* Sum of four bytes, centred: nearly normal with deviation 1. */
static float noise_at(uint32_t h)
{
    int sum = (int)(h & 255) + (int)(h >> 8 & 255) + (int)(h >> 16 & 255) + (int)(h >> 24);
    return (float)(sum - 510) * (1.0f / 147.8f);
}

static void develop(uint8_t *out, const view *v, const scene *s)
{
    const float *in = v->canvas;
    for (int y = 0; y < v->side; y++) {
        for (int x = 0; x < v->side; x++, in += 3, out += 3) {
            float px = coordinate(v, x), py = coordinate(v, y);
            float light = s->light_level + px * s->light[0] + py * s->light[1] - s->vignette * (px * px + py * py);
            float gray = noise_at(hash((uint32_t)x, (uint32_t)y, s->seed)) * s->noise;
            for (int c = 0; c < 3; c++) {
                float tint = noise_at(hash((uint32_t)x, (uint32_t)y, s->seed + 1 + (uint32_t)c)) * s->noise * 0.4f;
                out[c] = (uint8_t)clampf((in[c] * light + gray + tint) * 255.0f + 0.5f, 0.0f, 255.0f);
            }
        }
    }
}

eff_status eff_scene_render(eff_image *out, float *canvas, int side, const scene *s)
{
    EFF_TRY(eff_image_reserve(out, side, side));
    view v = {canvas, side, 2.0f / (float)side};
    fill_ground(&v, &s->ground);
    for (int i = 0; i < s->below; i++) lay_mark(&v, &s->marks[i]);
    if (s->shadow_dark > 0.0f) lay_shadow(&v, s);
    lay_figure(&v, s);
    for (int i = s->below; i < s->below + s->above; i++) lay_mark(&v, &s->marks[i]);
    develop(out->pixels, &v, s);
    return EFF_OK;
}
