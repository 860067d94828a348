/* A picture of the built-in data set as a list of numbers, and its drawing at any resolution.
 *
 * Coordinates: the picture is the square -1 .. 1, x to the right, y down. Everything but the sensor noise is a function
 * of these coordinates, so a larger drawing shows the same scene with more detail. Drawing uses only + - * /, square
 * roots and integer hashes: the same bits on every machine.
 */
#ifndef EFF_DATA_SHAPES_SCENE_H
#define EFF_DATA_SHAPES_SCENE_H

#include <stdint.h>

#include "base/rng.h"
#include "image/image.h"

typedef enum shape_kind { /* the classes, in the order of their labels */
    SHAPE_DISC,
    SHAPE_RING,
    SHAPE_HORSESHOE, /* a ring with a gap */
    SHAPE_TRIANGLE,
    SHAPE_SQUARE,
    SHAPE_HEXAGON,
    SHAPE_STAR,
    SHAPE_CROSS,
    SHAPE_CRESCENT,
    SHAPE_HEART,
    SHAPE_COUNT
} shape_kind;

typedef struct color {
    float v[3]; /* 0 .. 1 */
} color;

typedef enum texture_kind {
    TEXTURE_CLOUDS,
    TEXTURE_STRIPES,
    TEXTURE_WOOD,
    TEXTURE_CHECKER,
    TEXTURE_SPOTS,
    TEXTURE_GRADIENT,
    TEXTURE_COUNT
} texture_kind;

typedef struct texture {
    texture_kind kind;
    float across[2]; /* unit vector of the pattern's first axis */
    float shift[2];
    float frequency; /* periods in a length of 1 */
    uint32_t seed;
    color a, b;
} texture;

/* A thing that is no class: a stroke or a lumpy blob. */
typedef struct mark {
    int blob; /* 0: stroke */
    float from[2], to[2]; /* ends of a stroke; centre and (radius, squeeze) of a blob */
    float width;
    uint32_t seed;
    color paint;
    float opacity;
} mark;

enum { SCENE_MARKS = 16 };

typedef struct scene {
    shape_kind shape;
    float center[2], radius;
    float turn[2];  /* cosine and sine */
    float stretch;  /* along the shape's own x axis */
    float detail;   /* 0 .. 1: thickness of a ring, width of a gap, depth of a crescent */
    float relief;   /* shading of the shape by its curvature */
    float shadow[2], shadow_soft, shadow_dark;
    float outline;  /* width, 0 for none */
    color outline_paint;
    texture ground, paint;
    mark marks[SCENE_MARKS]; /* below the shape, then above it */
    int below, above;
    float light[2], light_level; /* a gradient over everything */
    float vignette, noise;
    uint32_t seed;
} scene;

extern const char *const eff_shape_names[SHAPE_COUNT];

void eff_scene_draw_lots(scene *s, shape_kind shape, eff_rng *rng); /* all the numbers, at random */

/* Signed distance of (x, y) from the shape's border in its own frame (radius 1), negative inside. */
float eff_shape_distance(shape_kind shape, float x, float y, float detail);

/* canvas: [side][side][3] scratch. */
eff_status eff_scene_render(eff_image *out, float *canvas, int side, const scene *s);

#endif
