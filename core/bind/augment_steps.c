/* The tables that lua/effv2/augment writes, read into steps and operations of a pipeline; errors name the key. */
#include "bind/pictures.h"

#include <string.h>

/* ---- fields ---- */

int eff_field_choice(lua_State *L, int index, const char *what, const char *name, const char *const *names, int missing)
{
    const char *word = eff_field_string(L, index, name, NULL);
    if (!word) return missing;
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], word) == 0) return i;
    lua_newtable(L);
    for (int i = 0; names[i]; i++) {
        lua_pushstring(L, names[i]);
        lua_rawseti(L, -2, i + 1);
    }
    eff_raise_unknown(L, what, name, word, -1);
}

/* Reads a list of exactly n numbers; false when the field is absent. */
static bool read_numbers(lua_State *L, int index, const char *name, double *out, int n)
{
    lua_getfield(L, index, name);
    bool present = !lua_isnil(L, -1);
    if (present && (!lua_istable(L, -1) || (int)lua_objlen(L, -1) != n))
        eff_raise(L, "%s must be a list of %d numbers", name, n);
    for (int i = 0; present && i < n; i++) {
        lua_rawgeti(L, -1, i + 1);
        if (lua_type(L, -1) != LUA_TNUMBER) eff_raise(L, "%s must be a list of %d numbers", name, n);
        out[i] = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return present;
}

static void read_range(lua_State *L, int index, const char *name, double *low, double *high)
{
    double pair[2] = {*low, *high};
    read_numbers(L, index, name, pair, 2);
    *low = pair[0];
    *high = pair[1];
}

static int read_int(lua_State *L, int index, const char *name, int missing)
{
    int64_t value = eff_field_int(L, index, name, missing);
    if (value < -(1 << 30) || value > 1 << 30) eff_raise(L, "%s = %lld is out of range", name, (long long)value);
    return (int)value;
}

static void read_color(lua_State *L, int index, uint8_t color[3])
{
    double fill[3] = {color[0], color[1], color[2]};
    read_numbers(L, index, "fill", fill, 3);
    for (int c = 0; c < 3; c++) {
        if (!(fill[c] >= 0 && fill[c] <= 255)) eff_raise(L, "fill: %g is no pixel value (0 to 255)", fill[c]);
        color[c] = (uint8_t)fill[c];
    }
}

/* fill = {r, g, b}, and fill_kind = "uniform" (between the first two), "normal" or "color" (mean, deviation) */
static void read_fill(lua_State *L, int index, eff_paint *fill)
{
    static const char *const kinds[] = {"constant", "uniform", "normal", "color", NULL};
    double values[3] = {128, 128, 128};
    read_numbers(L, index, "fill", values, 3);
    fill->kind = (eff_paint_kind)eff_field_choice(L, index, "fill", "fill_kind", kinds, EFF_PAINT_CONSTANT);
    for (int c = 0; c < 3; c++) fill->value[c] = (float)values[c];
}

static eff_filter read_filter(lua_State *L, int index, const char *name, eff_filter missing)
{
    const char *names[EFF_FILTER_COUNT + 1] = {NULL};
    for (int i = 0; i < EFF_FILTER_COUNT; i++) names[i] = eff_filter_name((eff_filter)i);
    return (eff_filter)eff_field_choice(L, index, "resize", name, names, missing);
}

static eff_warp_filter read_warp_filter(lua_State *L, int index, const char *name, eff_warp_filter missing)
{
    const char *names[EFF_WARP_FILTER_COUNT + 1] = {NULL};
    for (int i = 0; i < EFF_WARP_FILTER_COUNT; i++) names[i] = eff_warp_filter_name((eff_warp_filter)i);
    return (eff_warp_filter)eff_field_choice(L, index, name, name, names, missing);
}

void eff_read_op_style(lua_State *L, int index, const char *what, eff_op_style *style)
{
    static const char *const rules[] = {"tf", "pil", NULL};
    style->rule = (eff_op_rule)eff_field_choice(L, index, what, "rule", rules, EFF_RULE_TF);
    style->filter = read_warp_filter(L, index, "filter", EFF_WARP_NEAREST);
    style->other = read_warp_filter(L, index, "other", style->filter);
    memset(style->fill, 128, sizeof style->fill);
    read_color(L, index, style->fill);
}

/* ---- steps ---- */

#define KEYS(...) eff_only_keys(L, index, what, (const char *const[]){"kind", __VA_ARGS__, NULL})

static void read_random_crop(lua_State *L, int index, const char *what, eff_step *step)
{
    static const char *const rules[] = {"tf", "pil", NULL}, *const fallbacks[] = {"whole", "rule32", "center", NULL};
    eff_random_crop *crop = &step->random_crop;
    KEYS("rule", "fallback", "area", "aspect", "covered", "tries", "target");
    *crop = (eff_random_crop){.area_min = 0.05, .area_max = 1, .aspect_min = 0.75, .aspect_max = 1.33};
    crop->rule = (eff_crop_rule)eff_field_choice(L, index, what, "rule", rules, EFF_CROP_TF);
    crop->fallback = (eff_crop_fallback)eff_field_choice(L, index, what, "fallback", fallbacks, EFF_FALLBACK_WHOLE);
    read_range(L, index, "area", &crop->area_min, &crop->area_max);
    read_range(L, index, "aspect", &crop->aspect_min, &crop->aspect_max);
    crop->covered_min = eff_field_number(L, index, "covered", 0);
    crop->tries = read_int(L, index, "tries", 100);
    crop->target = read_int(L, index, "target", 0);
}

static void read_center_crop(lua_State *L, int index, const char *what, eff_step *step)
{
    static const char *const rules[] = {"rule32", "rule32_v1", "fraction", "size", NULL};
    KEYS("rule", "target", "fraction", "height", "width");
    step->center.rule = (eff_center_rule)eff_field_choice(L, index, what, "rule", rules, EFF_CENTER_RULE32);
    step->center.target = read_int(L, index, "target", 0);
    step->center.fraction = eff_field_number(L, index, "fraction", 0);
    step->center.height = read_int(L, index, "height", 0);
    step->center.width = read_int(L, index, "width", 0);
}

static void read_resize(lua_State *L, int index, const char *what, eff_step *step)
{
    KEYS("height", "width", "filter", "other", "scaled");
    step->resize.height = read_int(L, index, "height", 0);
    step->resize.width = read_int(L, index, "width", 0);
    step->resize.filter = read_filter(L, index, "filter", EFF_FILTER_TF_BILINEAR);
    step->resize.other = read_filter(L, index, "other", step->resize.filter);
    step->resize.scaled = eff_field_bool(L, index, "scaled", false);
}

static void read_flip(lua_State *L, int index, const char *what, eff_step *step)
{
    KEYS("probability");
    step->flip.probability = eff_field_number(L, index, "probability", 0.5);
}

static void read_pad_crop(lua_State *L, int index, const char *what, eff_step *step)
{
    KEYS("pad", "reflect", "fill");
    step->pad_crop.pad = read_int(L, index, "pad", 4);
    step->pad_crop.reflect = eff_field_bool(L, index, "reflect", false);
    memset(step->pad_crop.fill, 0, sizeof step->pad_crop.fill);
    read_color(L, index, step->pad_crop.fill);
}

static void read_policy(lua_State *L, int index, const char *what, eff_step *step)
{
    KEYS("draws", "rule", "filter", "other", "fill", "operations");
    step->policy.draws = read_int(L, index, "draws", 1);
    eff_read_op_style(L, index, what, &step->policy.style);
}

static void read_color_jitter(lua_State *L, int index, const char *what, eff_step *step)
{
    static const char *const names[EFF_JITTER_COUNT] = {"brightness", "contrast", "saturation", "hue"};
    KEYS("probability", names[0], names[1], names[2], names[3]);
    step->color_jitter.probability = eff_field_number(L, index, "probability", 1);
    for (int i = 0; i < EFF_JITTER_COUNT; i++) {
        double *low = &step->color_jitter.low[i], *high = &step->color_jitter.high[i];
        *low = *high = i == EFF_JITTER_HUE ? 0 : 1;
        read_range(L, index, names[i], low, high);
    }
}

static void read_cutout(lua_State *L, int index, const char *what, eff_step *step)
{
    KEYS("half", "fill", "fill_kind");
    step->cutout.half = read_int(L, index, "half", 0);
    read_fill(L, index, &step->cutout.fill);
}

static void read_erase(lua_State *L, int index, const char *what, eff_step *step)
{
    KEYS("probability", "area", "aspect", "tries", "fill", "fill_kind");
    step->erase.probability = eff_field_number(L, index, "probability", 0.5);
    step->erase.area_min = 0.02;
    step->erase.area_max = 1.0 / 3;
    step->erase.aspect_min = 0.3;
    step->erase.aspect_max = 1 / 0.3;
    read_range(L, index, "area", &step->erase.area_min, &step->erase.area_max);
    read_range(L, index, "aspect", &step->erase.aspect_min, &step->erase.aspect_max);
    step->erase.tries = read_int(L, index, "tries", 10);
    read_fill(L, index, &step->erase.fill);
}

static void read_normalize(lua_State *L, int index, const char *what, eff_step *step)
{
    double mean[3] = {128, 128, 128}, std[3] = {128, 128, 128};
    KEYS("mean", "std");
    read_numbers(L, index, "mean", mean, 3);
    read_numbers(L, index, "std", std, 3);
    for (int c = 0; c < 3; c++) {
        step->normalize.mean[c] = (float)mean[c];
        step->normalize.std[c] = (float)std[c];
    }
}

typedef struct step_reader {
    const char *name;
    void (*read)(lua_State *L, int index, const char *what, eff_step *step);
} step_reader;

static const step_reader readers[] = {
    [EFF_STEP_RANDOM_CROP] = {"random_crop", read_random_crop},
    [EFF_STEP_CENTER_CROP] = {"center_crop", read_center_crop},
    [EFF_STEP_RESIZE] = {"resize", read_resize},
    [EFF_STEP_RESIZE_SHORTER] = {"resize_shorter", read_resize},
    [EFF_STEP_FLIP] = {"flip", read_flip},
    [EFF_STEP_PAD_CROP] = {"pad_crop", read_pad_crop},
    [EFF_STEP_POLICY] = {"policy", read_policy},
    [EFF_STEP_COLOR_JITTER] = {"color_jitter", read_color_jitter},
    [EFF_STEP_CUTOUT] = {"cutout", read_cutout},
    [EFF_STEP_ERASE] = {"erase", read_erase},
    [EFF_STEP_NORMALIZE] = {"normalize", read_normalize},
};
enum { STEP_KINDS = sizeof readers / sizeof readers[0] };

void eff_read_step(lua_State *L, int index, eff_step *step)
{
    const char *names[STEP_KINDS + 1] = {NULL};
    for (int i = 0; i < STEP_KINDS; i++) names[i] = readers[i].name;
    if (!lua_istable(L, index)) eff_raise(L, "Pipeline: a %s, wanted a step (a table)", luaL_typename(L, index));
    int kind = eff_field_choice(L, index, "Pipeline", "kind", names, -1);
    if (kind < 0) eff_raise(L, "Pipeline: a step without kind");
    memset(step, 0, sizeof *step);
    step->kind = (eff_step_kind)kind;
    readers[kind].read(L, index, readers[kind].name, step);
}

/* ---- operations of a policy ---- */

/* lut = a list of 256 numbers, the same for every channel */
static void read_lut(lua_State *L, int index, eff_policy_op *op)
{
    double table[256];
    if (!read_numbers(L, index, "lut", table, 256)) eff_raise(L, "%s: lut is missing, a list of 256 numbers", op->name);
    for (int v = 0; v < 256; v++) {
        double x = table[v] >= 0 ? table[v] : 0; /* NaN too */
        uint8_t byte = (uint8_t)(x > 255 ? 255 : x);
        for (int c = 0; c < 3; c++) op->lut.table[c][v] = byte;
    }
}

void eff_read_operation(lua_State *L, int index, eff_policy_op *op)
{
    static const char *const names[] = {"name", "primitive", "args", "signed", "probability", "lut", NULL};
    memset(op, 0, sizeof *op);
    eff_only_keys(L, index, "operation", names);
    const char *primitive = eff_field_string(L, index, "primitive", "");
    const char *name = eff_field_string(L, index, "name", primitive);
    if (strlen(name) >= sizeof op->name) eff_raise(L, "operation name '%s' is too long (at most %d bytes)", name, EFF_OP_NAME - 1);
    memcpy(op->name, name, strlen(name) + 1);
    eff_check(L, eff_primitive_find(&op->primitive, primitive));
    op->random_sign = eff_field_bool(L, index, "signed", false);
    op->probability = eff_field_number(L, index, "probability", 1);
    int wanted = eff_primitive_describe(op->primitive)->argument_count;
    if (wanted > 0 && !read_numbers(L, index, "args", op->args, wanted))
        eff_raise(L, "operation %s: args are missing: %s", name, eff_primitive_describe(op->primitive)->arguments);
    if (op->primitive == EFF_PRIMITIVE_LUT) read_lut(L, index, op);
}
