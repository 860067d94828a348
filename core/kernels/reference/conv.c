/* Convolutions of every kind as the definition has them: the yardstick of the fast variants, and the only
 * ones in double precision. Sums are carried in double. */
#include "base/parallel.h"
#include "kernels/reference/scalar.h"
#include "kernels/variants.h"

/* Outputs summed at a time, so that the sums stay in registers and cache. */
enum { BLOCK = 64 };

typedef struct problem {
    const eff_conv_shape *s;
    const eff_conv_input *in;
    const eff_conv_output *to;
    real *out;
    const real *dy, *w;
} problem;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static size_t no_scratch(const eff_conv_shape *s, eff_pass pass)
{
    (void)s;
    (void)pass;
    return 0;
}

static bool reads_scaled(const eff_conv_shape *s, eff_pass pass)
{
    (void)s;
    (void)pass;
    return true;
}

/* The input at pixel (n, y, x), channel i */
static real input_at(const problem *p, int64_t n, int64_t y, int64_t x, int64_t i)
{
    const eff_conv_shape *s = p->s;
    const eff_conv_input *in = p->in;
    real value = in->x[((n * s->h + y) * s->w + x) * s->c + i];
    if (!in->scale) return value;
    value = scalar_activation(in->act, value * in->scale[i] + in->shift[i]);
    return in->gate ? value * in->gate[n * s->c + i] : value;
}

static real finished(const eff_conv_output *to, double sum, int64_t place)
{
    real add = to->add ? to->add[place] : 0;
    return to->add_last ? scalar_activation(to->act, (real)sum) + add : scalar_activation(to->act, (real)(sum + add));
}

/* Output channels first .. first + columns of one group at one output pixel */
static void forward_block(const problem *p, int64_t n, int64_t oy, int64_t ox, int64_t first, int64_t columns)
{
    const eff_conv_shape *s = p->s;
    int64_t cg = s->c / s->groups, group = first / (s->o / s->groups);
    double sum[BLOCK];
    for (int64_t j = 0; j < columns; j++) sum[j] = p->to->bias ? p->to->bias[first + j] : 0;
    for (int64_t ky = 0; ky < s->kh; ky++) {
        int64_t iy = oy * s->stride_h + ky * s->dilation_h - s->pad_top;
        if (iy < 0 || iy >= s->h) continue;
        for (int64_t kx = 0; kx < s->kw; kx++) {
            int64_t ix = ox * s->stride_w + kx * s->dilation_w - s->pad_left;
            if (ix < 0 || ix >= s->w) continue;
            const real *w = p->w + (ky * s->kw + kx) * cg * s->o + first;
            for (int64_t i = 0; i < cg; i++) {
                double x = input_at(p, n, iy, ix, group * cg + i);
                for (int64_t j = 0; j < columns; j++) sum[j] += x * w[i * s->o + j];
            }
        }
    }
    int64_t place = ((n * s->oh + oy) * s->ow + ox) * s->o + first;
    for (int64_t j = 0; j < columns; j++) p->to->y[place + j] = finished(p->to, sum[j], place + j);
}

static void forward_row(void *context, int64_t row, int worker)
{
    (void)worker;
    const problem *p = context;
    const eff_conv_shape *s = p->s;
    int64_t og = s->o / s->groups;
    for (int64_t ox = 0; ox < s->ow; ox++)
        for (int64_t group = 0; group < s->groups; group++)
            for (int64_t j = 0; j < og; j += BLOCK)
                forward_block(p, row / s->oh, row % s->oh, ox, group * og + j, least(BLOCK, og - j));
}

static void forward(const eff_conv_output *y, const eff_conv_input *x, const real *w, const eff_conv_shape *s,
                    void *scratch)
{
    (void)scratch;
    problem p = {.s = s, .in = x, .to = y, .w = w};
    eff_parallel_for(s->n * s->oh, forward_row, &p);
}

/* The output position that tap k joins to the input position, or -1 */
static int64_t reached(int64_t position, int64_t k, int64_t dilation, int64_t stride, int64_t pad, int64_t count)
{
    int64_t t = position + pad - k * dilation;
    return t < 0 || t % stride != 0 || t / stride >= count ? -1 : t / stride;
}

/* Input channels first .. first + columns of one group at one input pixel */
static void backward_data_block(const problem *p, int64_t n, int64_t iy, int64_t ix, int64_t first, int64_t columns)
{
    const eff_conv_shape *s = p->s;
    int64_t cg = s->c / s->groups, og = s->o / s->groups, group = first / cg;
    double sum[BLOCK] = {0};
    for (int64_t ky = 0; ky < s->kh; ky++) {
        int64_t oy = reached(iy, ky, s->dilation_h, s->stride_h, s->pad_top, s->oh);
        for (int64_t kx = 0; oy >= 0 && kx < s->kw; kx++) {
            int64_t ox = reached(ix, kx, s->dilation_w, s->stride_w, s->pad_left, s->ow);
            if (ox < 0) continue;
            const real *dy = p->dy + ((n * s->oh + oy) * s->ow + ox) * s->o + group * og;
            const real *w = p->w + ((ky * s->kw + kx) * cg + first - group * cg) * s->o + group * og;
            for (int64_t i = 0; i < columns; i++)
                for (int64_t j = 0; j < og; j++) sum[i] += (double)dy[j] * w[i * s->o + j];
        }
    }
    real *dx = p->out + ((n * s->h + iy) * s->w + ix) * s->c + first;
    for (int64_t i = 0; i < columns; i++) dx[i] = (real)sum[i];
}

static void backward_data_row(void *context, int64_t row, int worker)
{
    (void)worker;
    const problem *p = context;
    const eff_conv_shape *s = p->s;
    int64_t cg = s->c / s->groups;
    for (int64_t ix = 0; ix < s->w; ix++)
        for (int64_t group = 0; group < s->groups; group++)
            for (int64_t i = 0; i < cg; i += BLOCK)
                backward_data_block(p, row / s->h, row % s->h, ix, group * cg + i, least(BLOCK, cg - i));
}

static void backward_data(real *dx, const real *dy, const real *w, const eff_conv_shape *s, void *scratch)
{
    (void)scratch;
    problem p = {.s = s, .out = dx, .dy = dy, .w = w};
    eff_parallel_for(s->n * s->h, backward_data_row, &p);
}

/* Output channels first .. first + columns of one group, for one tap and one input channel of the group */
static void backward_weights_block(const problem *p, int64_t ky, int64_t kx, int64_t i, int64_t first, int64_t columns)
{
    const eff_conv_shape *s = p->s;
    int64_t cg = s->c / s->groups, channel = first / (s->o / s->groups) * cg + i;
    double sum[BLOCK] = {0};
    for (int64_t row = 0; row < s->n * s->oh; row++) {
        int64_t n = row / s->oh, iy = row % s->oh * s->stride_h + ky * s->dilation_h - s->pad_top;
        if (iy < 0 || iy >= s->h) continue;
        for (int64_t ox = 0; ox < s->ow; ox++) {
            int64_t ix = ox * s->stride_w + kx * s->dilation_w - s->pad_left;
            if (ix < 0 || ix >= s->w) continue;
            double x = input_at(p, n, iy, ix, channel);
            const real *dy = p->dy + (row * s->ow + ox) * s->o + first;
            for (int64_t j = 0; j < columns; j++) sum[j] += x * dy[j];
        }
    }
    real *dw = p->out + ((ky * s->kw + kx) * cg + i) * s->o + first;
    for (int64_t j = 0; j < columns; j++) dw[j] = (real)sum[j];
}

static void backward_weights_row(void *context, int64_t row, int worker)
{
    (void)worker;
    const problem *p = context;
    const eff_conv_shape *s = p->s;
    int64_t cg = s->c / s->groups, og = s->o / s->groups, tap = row / cg;
    for (int64_t group = 0; group < s->groups; group++)
        for (int64_t j = 0; j < og; j += BLOCK)
            backward_weights_block(p, tap / s->kw, tap % s->kw, row % cg, group * og + j, least(BLOCK, og - j));
}

static void backward_weights(real *dw, const real *dy, const eff_conv_input *x, const eff_conv_shape *s, void *scratch)
{
    (void)scratch;
    problem p = {.s = s, .in = x, .out = dw, .dy = dy};
    eff_parallel_for(s->kh * s->kw * (s->c / s->groups), backward_weights_row, &p);
}

static const eff_conv_kernels kernels = {.scratch = no_scratch, .reads_scaled = reads_scaled, .forward = forward,
                                         .backward_data = backward_data, .backward_weights = backward_weights};

const eff_variant eff_variant_conv2d_reference = {
    .name = "conv2d.reference", .doc = "the definition, in loops", .family = EFF_FAMILY_CONV2D, .kernels = &kernels};

const eff_variant eff_variant_depthwise_reference = {.name = "depthwise.reference",
                                                     .doc = "the definition, in loops",
                                                     .family = EFF_FAMILY_DEPTHWISE,
                                                     .kernels = &kernels};
