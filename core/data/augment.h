/* The augmentation pipeline: a list of steps that turns one decoded picture into one float sample.
 *
 * It is plain data, built once from Lua and then frozen, so that loader threads share it. C knows primitives with
 * fixed arguments; that a magnitude means so many degrees, or that a stage is milder than the next, is decided by
 * whoever builds the list. All randomness comes from the one stream that the caller passes.
 *
 * A resize by a TF filter leaves floats, and only a step that needs bytes (policy, byte cutout, pad-crop) rounds
 * them, by clipping and cutting the fraction off, as the official code does.
 */
#ifndef EFF_DATA_AUGMENT_H
#define EFF_DATA_AUGMENT_H

#include <stdbool.h>

#include "base/rng.h"
#include "image/image.h"
#include "image/ops.h"
#include "image/picture.h"
#include "image/resize.h"

/* ---- Primitives of a policy ---- */

typedef enum eff_primitive {
    EFF_PRIMITIVE_IDENTITY,
    EFF_PRIMITIVE_AUTOCONTRAST,
    EFF_PRIMITIVE_EQUALIZE,
    EFF_PRIMITIVE_INVERT,
    EFF_PRIMITIVE_POSTERIZE,
    EFF_PRIMITIVE_SOLARIZE,
    EFF_PRIMITIVE_SOLARIZE_ADD,
    EFF_PRIMITIVE_COLOR,
    EFF_PRIMITIVE_CONTRAST,
    EFF_PRIMITIVE_BRIGHTNESS,
    EFF_PRIMITIVE_SHARPNESS,
    EFF_PRIMITIVE_HUE,
    EFF_PRIMITIVE_ROTATE,
    EFF_PRIMITIVE_SHEAR_X,
    EFF_PRIMITIVE_SHEAR_Y,
    EFF_PRIMITIVE_TRANSLATE_X,
    EFF_PRIMITIVE_TRANSLATE_Y,
    EFF_PRIMITIVE_TRANSLATE_X_RELATIVE,
    EFF_PRIMITIVE_TRANSLATE_Y_RELATIVE,
    EFF_PRIMITIVE_AFFINE,
    EFF_PRIMITIVE_CUTOUT,
    EFF_PRIMITIVE_LUT,
    EFF_PRIMITIVE_COUNT
} eff_primitive;

enum { EFF_OP_ARGS = 6, EFF_OP_NAME = 32 };

typedef struct eff_primitive_info {
    const char *name;      /* "solarize_add" */
    const char *arguments; /* "addition, threshold" */
    int argument_count;
} eff_primitive_info;

const eff_primitive_info *eff_primitive_describe(eff_primitive primitive);
eff_status eff_primitive_find(eff_primitive *primitive, const char *name);

/* One entry of a policy: a primitive with its arguments. */
typedef struct eff_policy_op {
    char name[EFF_OP_NAME]; /* what the builder calls it, for messages and listings */
    eff_primitive primitive;
    double args[EFF_OP_ARGS];
    bool random_sign;   /* half of the time negate args[0], or mirror a blend's factor about 1 */
    double probability; /* 1 applies it always */
    eff_lut lut;        /* EFF_PRIMITIVE_LUT alone */
} eff_policy_op;

/* How the operations of a policy are done. */
typedef struct eff_op_style {
    eff_op_rule rule;
    eff_warp_filter filter, other; /* of warps: one of the two at random; the same one twice for no choice */
    uint8_t fill[3];               /* what warps and cut-outs leave */
} eff_op_style;

/* ---- Steps ---- */

typedef enum eff_step_kind {
    EFF_STEP_RANDOM_CROP,    /* chooses a part; the next resize takes it from there */
    EFF_STEP_CENTER_CROP,    /* chooses a part */
    EFF_STEP_RESIZE,         /* the chosen part to height x width */
    EFF_STEP_RESIZE_SHORTER, /* the chosen part so that its shorter side has `height` pixels */
    EFF_STEP_FLIP,
    EFF_STEP_PAD_CROP, /* adds a border and cuts the old size out at random (CIFAR) */
    EFF_STEP_POLICY,
    EFF_STEP_COLOR_JITTER,
    EFF_STEP_CUTOUT, /* a square around a random pixel, clipped at the border */
    EFF_STEP_ERASE,  /* a random rectangle (random erasing) */
    EFF_STEP_NORMALIZE
} eff_step_kind;

typedef enum eff_center_rule {
    EFF_CENTER_RULE32,    /* official V2 below 320 pixels; `target` is the size of the output */
    EFF_CENTER_RULE32_V1, /* the same with offsets rounded up */
    EFF_CENTER_FRACTION,  /* this fraction of each side */
    EFF_CENTER_SIZE       /* height x width pixels */
} eff_center_rule;

typedef enum eff_paint_kind {
    EFF_PAINT_CONSTANT, /* value[] */
    EFF_PAINT_UNIFORM,  /* each value uniform between value[0] and value[1] */
    EFF_PAINT_NORMAL,   /* each value normal with mean value[0] and deviation value[1] */
    EFF_PAINT_COLOR     /* one colour, whose three values are such normal numbers */
} eff_paint_kind;

/* In pixel values before the normalisation, in normalised values after it. */
typedef struct eff_paint {
    eff_paint_kind kind;
    float value[3];
} eff_paint;

/* The colour jitter: all four in random order, each by an amount uniform in its range, in Pillow's arithmetic. */
typedef enum eff_jitter {
    EFF_JITTER_BRIGHTNESS,
    EFF_JITTER_CONTRAST,
    EFF_JITTER_SATURATION,
    EFF_JITTER_HUE,
    EFF_JITTER_COUNT
} eff_jitter;

typedef struct eff_step {
    eff_step_kind kind;
    union {
        eff_random_crop random_crop;
        struct {
            eff_center_rule rule;
            int target;
            double fraction;
            int height, width;
        } center;
        struct {
            int height, width;
            eff_filter filter, other; /* one of the two at random; the same one twice for no choice */
            bool scaled; /* a JPEG may be decoded at a fraction of its size, if that is not below height x width */
        } resize;
        struct {
            double probability;
        } flip;
        struct {
            int pad;
            bool reflect; /* else `fill` */
            uint8_t fill[3];
        } pad_crop;
        struct {
            int draws;
            eff_op_style style;
            int first_group, group_count; /* set by eff_pipeline_add_op */
        } policy;
        struct {
            double probability;
            double low[EFF_JITTER_COUNT], high[EFF_JITTER_COUNT]; /* factors, 1 for none; of the hue turns, 0 for none */
        } color_jitter;
        struct {
            int half; /* half the side, in pixels */
            eff_paint fill;
        } cutout;
        struct {
            double probability, area_min, area_max, aspect_min, aspect_max;
            int tries;
            eff_paint fill;
        } erase;
        struct {
            float mean[3], std[3]; /* in pixel values: 128, 128 gives -1 .. 1 */
        } normalize;
    };
} eff_step;

/* ---- Pipelines ---- */

typedef struct eff_pipeline eff_pipeline;

eff_status eff_pipeline_create(eff_pipeline **out);
eff_status eff_pipeline_add(eff_pipeline *pipeline, const eff_step *step);

/* Adds an operation to the policy step added last. A policy draws `draws` times, uniformly and with replacement, one
 * of its groups, and applies the group's operations in order. new_group opens the next group: always true for
 * RandAugment, true for the first of each sub-policy for AutoAugment. */
eff_status eff_pipeline_add_op(eff_pipeline *pipeline, const eff_policy_op *op, bool new_group);

/* Checks the whole and freezes it. The last size-giving step decides the size of the samples. */
eff_status eff_pipeline_finish(eff_pipeline *pipeline);
void eff_pipeline_size(const eff_pipeline *pipeline, int *height, int *width); /* of a finished one */

/* To how few pixels its resizes may ask a file to be decoded; INT_MAX if none of them takes less than all. */
void eff_pipeline_scaled(const eff_pipeline *pipeline, int *height, int *width);

/* What turns a sample's bytes into floats: (byte - mean) * inverse_std */
typedef struct eff_normalization {
    float mean[3], inverse_std[3];
} eff_normalization;

/* Of a finished pipeline whose samples are bytes until its last step, a normalisation: that step; else NULL. */
const eff_normalization *eff_pipeline_of_bytes(const eff_pipeline *pipeline);

/* Counted references; a finished pipeline may be used by many threads at a time. */
eff_pipeline *eff_pipeline_retain(eff_pipeline *pipeline);
void eff_pipeline_release(eff_pipeline *pipeline); /* NULL is allowed */

/* What a run needs between its steps. Starts as {0}; one for each thread. */
typedef struct eff_augment_scratch {
    eff_image images[3];
    eff_buffer floats;
    eff_resizer resizer;
} eff_augment_scratch;

void eff_augment_scratch_free(eff_augment_scratch *scratch);

/* out: [height][width][3] of eff_pipeline_size. Without a normalise step the values are 0..255. */
eff_status eff_pipeline_run(const eff_pipeline *pipeline, float *out, const eff_picture *in, eff_rng *rng,
                            eff_augment_scratch *scratch);

/* The same but for the last step, of a pipeline of bytes: eff_normalization makes of them what eff_pipeline_run gives. */
eff_status eff_pipeline_run_bytes(const eff_pipeline *pipeline, uint8_t *out, const eff_picture *in, eff_rng *rng,
                                  eff_augment_scratch *scratch);

/* Applies one operation to an image in place; `spare` are two images to overwrite. For policies and previews. */
eff_status eff_policy_op_apply(const eff_policy_op *op, eff_image *image, const eff_op_style *style, eff_rng *rng,
                               eff_image spare[2]);

#endif
