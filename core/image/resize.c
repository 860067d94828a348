/* The two ways to resize; see resize.h. */
#include "image/resize.h"

#include <math.h>
#include <string.h>

#include "kernels/variants.h"

static const char *const filter_names[EFF_FILTER_COUNT] = {"tf_bilinear", "tf_bicubic", "pil_bilinear",
                                                           "pil_bicubic", "area"};

const char *eff_filter_name(eff_filter filter) { return filter_names[filter]; }

eff_status eff_filter_find(eff_filter *filter, const char *name)
{
    for (int i = 0; i < EFF_FILTER_COUNT; i++) {
        if (strcmp(filter_names[i], name) != 0) continue;
        *filter = (eff_filter)i;
        return EFF_OK;
    }
    return eff_fail(EFF_E_ARGUMENT, "no interpolation \"%s\"; there are tf_bilinear, tf_bicubic, pil_bilinear, "
                    "pil_bicubic and area", name);
}

void eff_resizer_free(eff_resizer *resizer)
{
    eff_buffer_free(&resizer->weights);
    eff_buffer_free(&resizer->rows);
}

static eff_status check(int height, int width, const eff_image *in, eff_box part)
{
    if (height < 1 || width < 1 || (int64_t)height * width > EFF_IMAGE_MAX_PIXELS)
        return eff_fail(EFF_E_ARGUMENT, "resize: the target size is %d x %d", height, width);
    if (!(part.y >= 0 && part.x >= 0 && part.height > 0 && part.width > 0 && part.y + part.height <= in->height &&
          part.x + part.width <= in->width))
        return eff_fail(EFF_E_ARGUMENT, "resize: the part %g x %g at (%g, %g) leaves the image of %d x %d pixels",
                        part.height, part.width, part.y, part.x, in->height, in->width);
    return EFF_OK;
}

/* One axis of a part: the pixels first .. first+count-1 that it touches, and where it lies in them. */
typedef struct span {
    int first, count;
    double at, length; /* at: from the edge of the first pixel */
} span;

static span span_of(double at, double length)
{
    int first = (int)floor(at);
    return (span){first, (int)ceil(at + length) - first, at - first, length};
}

/* The place of output i among `out` of them, counted from the other end where mirrored */
static int place_of(int i, int out, bool mirrored) { return mirrored ? out - 1 - i : i; }

static const uint8_t *pixel_at(const eff_image *in, int y, int x)
{
    return in->pixels + ((size_t)y * in->width + x) * 3;
}

/* ---- TensorFlow ---- */

enum { MAX_TAPS = 4, CUBIC_TABLE = 1024 };

/* One output coordinate: source offsets and their weights. */
typedef struct taps {
    int at[MAX_TAPS];
    float weight[MAX_TAPS];
} taps;

static int clamp_index(int i, int n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

/* `step`: from one source pixel to the next, in the units of left and right */
static void find_between(eff_between *to, int out, span in, int step, bool mirrored)
{
    float scale = (float)in.length / (float)out, shift = (float)in.at;
    for (int i = 0; i < out; i++) {
        float at = ((float)i + 0.5f) * scale - 0.5f + shift, low = floorf(at);
        to[place_of(i, out, mirrored)] = (eff_between){.left = clamp_index((int)low, in.count) * step,
                                                       .right = clamp_index((int)ceilf(at), in.count) * step,
                                                       .weight = at - low};
    }
}

static float cubic_near(float x, float a) { return ((a + 2.0f) * x - (a + 3.0f)) * x * x + 1.0f; }
static float cubic_far(float x, float a) { return ((a * x - 5.0f * a) * x + 8.0f * a) * x - 4.0f * a; }

/* TensorFlow takes the weights from a table of 1024 steps a pixel. */
static void bicubic_taps(taps *taps_of, int out, span in, bool mirrored)
{
    const float a = -0.75f;
    float scale = (float)in.length / (float)out, shift = (float)in.at;
    for (int i = 0; i < out; i++) {
        taps *t = &taps_of[place_of(i, out, mirrored)];
        float at = (float)i * scale + shift;
        int low = (int)floorf(at);
        float x = (float)lrintf((at - (float)low) * CUBIC_TABLE) / CUBIC_TABLE, rest = 1.0f - x;
        float weights[MAX_TAPS] = {cubic_far(x + 1.0f, a), cubic_near(x, a), cubic_near(rest, a),
                                   cubic_far(rest + 1.0f, a)};
        for (int k = 0; k < MAX_TAPS; k++) {
            t->at[k] = clamp_index(low - 1 + k, in.count);
            t->weight[k] = weights[k];
        }
    }
}

static void bicubic_row(float *out, const uint8_t *const rows[MAX_TAPS], const float down[MAX_TAPS],
                        const taps *columns, int width)
{
    for (int x = 0; x < width; x++, out += 3) {
        const taps *t = &columns[x];
        for (int c = 0; c < 3; c++) {
            float sum = 0.0f;
            for (int i = 0; i < MAX_TAPS; i++) {
                float line = 0.0f;
                for (int k = 0; k < MAX_TAPS; k++) line += rows[i][t->at[k] * 3 + c] * t->weight[k];
                sum += line * down[i];
            }
            out[c] = sum;
        }
    }
}

static eff_status resize_bilinear(float *out, int height, int width, const eff_image *in, span down, span across,
                                  bool mirrored, eff_resizer *resizer)
{
    const eff_pixel_kernels *kernels = eff_pixel_kernels_now();
    EFF_TRY(eff_buffer_reserve(&resizer->weights, (size_t)(height + width) * sizeof(eff_between)));
    eff_between *rows = (eff_between *)resizer->weights.data, *columns = rows + height;
    find_between(rows, height, down, 1, false);
    find_between(columns, width, across, 3, mirrored);
    for (int y = 0; y < height; y++) {
        const uint8_t *top = pixel_at(in, down.first + rows[y].left, across.first);
        const uint8_t *bottom = pixel_at(in, down.first + rows[y].right, across.first);
        size_t readable = (size_t)(in->pixels + eff_image_bytes(in) - bottom);
        kernels->bilinear_row(out + (size_t)y * width * 3, top, bottom, rows[y].weight, columns, width, readable);
    }
    return EFF_OK;
}

static eff_status resize_bicubic(float *out, int height, int width, const eff_image *in, span down, span across,
                                 bool mirrored, eff_resizer *resizer)
{
    EFF_TRY(eff_buffer_reserve(&resizer->weights, (size_t)(height + width) * sizeof(taps)));
    taps *rows = (taps *)resizer->weights.data, *columns = rows + height;
    bicubic_taps(rows, height, down, false);
    bicubic_taps(columns, width, across, mirrored);
    for (int y = 0; y < height; y++) {
        const uint8_t *four[MAX_TAPS];
        for (int k = 0; k < MAX_TAPS; k++) four[k] = pixel_at(in, down.first + rows[y].at[k], across.first);
        bicubic_row(out + (size_t)y * width * 3, four, rows[y].weight, columns, width);
    }
    return EFF_OK;
}

eff_status eff_resize_float(float *out, int height, int width, const eff_image *in, eff_box part, eff_filter filter,
                            bool mirrored, eff_resizer *resizer)
{
    EFF_TRY(check(height, width, in, part));
    if (!eff_filter_is_float(filter))
        return eff_fail(EFF_E_ARGUMENT, "resize: %s gives bytes, not floats", eff_filter_name(filter));
    span down = span_of(part.y, part.height), across = span_of(part.x, part.width);
    bool bilinear = filter == EFF_FILTER_TF_BILINEAR;
    return (bilinear ? resize_bilinear : resize_bicubic)(out, height, width, in, down, across, mirrored, resizer);
}

/* ---- Pillow ---- */

static double box_filter(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

static double triangle_filter(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double cubic_filter(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

/* A filter's weight at a distance from an output pixel's centre, which is 0 from `reach` on. */
typedef struct kernel {
    double (*weigh)(double);
    double reach;
} kernel;

static kernel kernel_of(eff_filter filter)
{
    switch (filter) {
    case EFF_FILTER_PIL_BICUBIC: return (kernel){cubic_filter, 2.0};
    case EFF_FILTER_AREA: return (kernel){box_filter, 0.5};
    default: return (kernel){triangle_filter, 1.0};
    }
}

static double filter_support(eff_filter filter, int out, double in)
{
    double scale = in / out;
    return kernel_of(filter).reach * (scale < 1.0 ? 1.0 : scale);
}

static int axis_stride(eff_filter filter, int out, double in)
{
    return (int)ceil(filter_support(filter, out, in)) * 2 + 1;
}

static size_t axis_words(eff_filter filter, int out, double in)
{
    size_t blocks = (size_t)eff_tap_blocks(out);
    return 2 * (size_t)out + blocks * (2 + EFF_TAP_BLOCK * (size_t)axis_stride(filter, out, in));
}

static int32_t to_fixed(double weight)
{
    double scaled = weight * (1 << EFF_TAP_BITS);
    return (int32_t)(scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
}

static eff_taps make_axis(int32_t *memory, eff_filter filter, int out, span in, bool mirrored)
{
    double (*weigh)(double) = kernel_of(filter).weigh;
    double scale = in.length / out, stretch = scale < 1.0 ? 1.0 : scale;
    double support = filter_support(filter, out, in.length);
    int32_t *blocks = memory + 2 * (size_t)out, count = eff_tap_blocks(out);
    eff_taps a = {.first = memory, .count = memory + out, .most = blocks, .furthest = blocks + count,
                  .weight = blocks + 2 * (size_t)count, .stride = axis_stride(filter, out, in.length)};
    for (int i = 0; i < out; i++) {
        double center = (i + 0.5) * scale + in.at, sum = 0.0, inverse = 1.0 / stretch;
        int low = (int)(center - support + 0.5), high = (int)(center + support + 0.5);
        if (low < 0) low = 0;
        if (high > in.count) high = in.count;
        int place = place_of(i, out, mirrored);
        int32_t *weights = eff_taps_of(&a, place);
        a.first[place] = low;
        a.count[place] = high - low;
        for (int k = 0; k < high - low; k++) sum += weigh((k + low - center + 0.5) * inverse);
        for (int k = 0; k < high - low; k++) {
            double weight = weigh((k + low - center + 0.5) * inverse);
            weights[k * EFF_TAP_BLOCK] = to_fixed(sum != 0.0 ? weight / sum : weight);
        }
        for (int k = high - low; k < a.stride; k++) weights[k * EFF_TAP_BLOCK] = 0;
    }
    eff_taps_close(&a, out);
    return a;
}

/* A resize in two passes: the source's first pixel, its rows' distance, both axes, and memory for what lies between. */
typedef struct passes {
    const uint8_t *in;
    const uint8_t *end; /* of the source */
    size_t stride;
    eff_taps down, across;
    uint8_t *between;
} passes;

static void across_then_down(eff_image *out, const passes *p)
{
    const eff_pixel_kernels *kernels = eff_pixel_kernels_now();
    size_t row = (size_t)out->width * 3;
    int last = out->height - 1, end_row = p->down.first[last] + p->down.count[last];
    for (int y = p->down.first[0]; y < end_row; y++) {
        const uint8_t *from = p->in + y * p->stride;
        kernels->filter_row(p->between + y * row, from, &p->across, out->width, (size_t)(p->end - from));
    }
    for (int y = 0; y < out->height; y++)
        kernels->filter_column(out->pixels + y * row, p->between + p->down.first[y] * row, row, row,
                               eff_taps_of(&p->down, y), p->down.count[y]);
}

static void down_then_across(eff_image *out, const passes *p, int columns)
{
    const eff_pixel_kernels *kernels = eff_pixel_kernels_now();
    size_t row = (size_t)columns * 3;
    for (int y = 0; y < out->height; y++) {
        kernels->filter_column(p->between, p->in + p->down.first[y] * p->stride, row, p->stride,
                               eff_taps_of(&p->down, y), p->down.count[y]);
        kernels->filter_row(out->pixels + (size_t)y * out->width * 3, p->between, &p->across, out->width, row);
    }
}

/* The order of the passes shows in the last bit (bytes lie between them). This is Pillow's rule from 13.0 on. */
static bool down_goes_first(int height, int width, eff_box part)
{
    return height < part.height && part.height - height > 2.0 * (part.width - width);
}

eff_status eff_resize_bytes(eff_image *out, int height, int width, const eff_image *in, eff_box part,
                            eff_filter filter, bool mirrored, eff_resizer *resizer)
{
    EFF_TRY(check(height, width, in, part));
    if (eff_filter_is_float(filter))
        return eff_fail(EFF_E_ARGUMENT, "resize: %s gives floats, not bytes", eff_filter_name(filter));
    bool down_first = down_goes_first(height, width, part);
    span down = span_of(part.y, part.height), across = span_of(part.x, part.width);
    size_t down_words = axis_words(filter, height, part.height), across_words = axis_words(filter, width, part.width);
    size_t row = 3 * (size_t)(down_first ? across.count : width);
    EFF_TRY(eff_image_reserve(out, height, width));
    EFF_TRY(eff_buffer_reserve(&resizer->weights, (down_words + across_words) * sizeof(int32_t)));
    EFF_TRY(eff_buffer_reserve(&resizer->rows, down_first ? row : (size_t)down.count * row));
    int32_t *memory = (int32_t *)resizer->weights.data;
    passes p = {.in = pixel_at(in, down.first, across.first),
                .stride = (size_t)in->width * 3,
                .end = in->pixels + eff_image_bytes(in),
                .down = make_axis(memory, filter, height, down, false),
                .across = make_axis(memory + down_words, filter, width, across, mirrored),
                .between = resizer->rows.data};
    if (down_first) down_then_across(out, &p, across.count);
    else across_then_down(out, &p);
    return EFF_OK;
}
