/* From a part of an image to a given size, by the two rules that published results depend on, and the rules by
 * which the part is chosen.
 *
 * TensorFlow samples the source at points (no antialiasing) and gives floats; Pillow averages over the area that an
 * output pixel covers and rounds to 8 bits. Both see only the pixels that the part touches, as if it had been cut out
 * first. A model should be evaluated with the rule that it was trained with.
 */
#ifndef EFF_IMAGE_RESIZE_H
#define EFF_IMAGE_RESIZE_H

#include <stdbool.h>

#include "base/rng.h"
#include "image/image.h"

typedef enum eff_filter {
    EFF_FILTER_TF_BILINEAR,  /* tf.image.resize(bilinear): half-pixel centres, no antialiasing */
    EFF_FILTER_TF_BICUBIC,   /* tf.compat.v1 resize_bicubic: corner-aligned, a = -0.75, no antialiasing */
    EFF_FILTER_PIL_BILINEAR, /* Pillow (13), antialiased, bit for bit */
    EFF_FILTER_PIL_BICUBIC,  /* the same, a = -0.5 */
    EFF_FILTER_AREA,         /* the mean of the pixels whose centres an output pixel covers; Pillow's BOX */
    EFF_FILTER_COUNT
} eff_filter;

const char *eff_filter_name(eff_filter filter); /* "tf_bilinear", ... */
eff_status eff_filter_find(eff_filter *filter, const char *name);
static inline bool eff_filter_is_float(eff_filter filter) { return filter <= EFF_FILTER_TF_BICUBIC; }

/* Memory that a resize needs between its steps; starts as {0}, grows and is kept. */
typedef struct eff_resizer {
    eff_buffer weights, rows;
} eff_resizer;

void eff_resizer_free(eff_resizer *resizer);

/* Both ways take the columns from right to left where `mirrored`, as if the result had been flipped. */

/* TF filters: out[height][width][3] in units of pixel values (bicubic may leave 0..255). */
eff_status eff_resize_float(float *out, int height, int width, const eff_image *in, eff_box part, eff_filter filter,
                            bool mirrored, eff_resizer *resizer);

/* Pillow filters. out != in. */
eff_status eff_resize_bytes(eff_image *out, int height, int width, const eff_image *in, eff_box part,
                            eff_filter filter, bool mirrored, eff_resizer *resizer);

/* ---- Which part ---- */

typedef enum eff_crop_rule {
    EFF_CROP_TF, /* tf.image.sample_distorted_bounding_box: the height is uniform between the two areas' heights */
    EFF_CROP_PIL /* torchvision and timm: the area is uniform, the aspect ratio log-uniform */
} eff_crop_rule;

typedef enum eff_crop_fallback { /* when no try fits */
    EFF_FALLBACK_WHOLE,  /* official V2 */
    EFF_FALLBACK_RULE32, /* official V1: the centre crop of evaluation */
    EFF_FALLBACK_CENTER  /* torchvision and timm: the largest centre crop with an allowed aspect ratio */
} eff_crop_fallback;

typedef struct eff_random_crop {
    eff_crop_rule rule;
    eff_crop_fallback fallback;
    double area_min, area_max;     /* of the image's area */
    double aspect_min, aspect_max; /* width / height */
    double covered_min;            /* least part of the image that a crop must cover (TF only; official V1: 0.1) */
    int tries;
    int target; /* output size, for EFF_FALLBACK_RULE32 */
} eff_random_crop;

eff_status eff_random_crop_check(const eff_random_crop *crop);
eff_rect eff_random_crop_draw(const eff_random_crop *crop, int height, int width, eff_rng *rng);

/* The centre square of int(target / (target + 32) * shorter side) pixels. Official V1 rounds its offset up. */
eff_rect eff_crop_rule32(int height, int width, int target, bool round_up);

/* The centre part with this fraction of each side. */
eff_rect eff_crop_fraction(int height, int width, double fraction);

/* A centre crop of crop_height x crop_width, or of what there is; offsets round as torchvision's center_crop. */
eff_rect eff_crop_center(int height, int width, int crop_height, int crop_width);

/* The size with the shorter side `side` and the aspect ratio kept (the longer side is cut down to an integer). */
void eff_size_shorter(int *out_height, int *out_width, int height, int width, int side);

#endif
