/* pixels.simd: pixels as groups of four lanes, of which the last is a stranger and is dropped on the way out.
 *
 * Compiled without contraction of a product and a sum, so that all variants give the same bits. A group reads one byte
 * more than its pixel has; the last pixels of a row, where that byte may not exist, go one by one.
 */
#if EFF_ISA_BUILD > 0
#include <immintrin.h>
#endif

#include "kernels/simd/vec.h"
#include "kernels/variants.h"

enum { GROUPS = VL / 4 }; /* pixels of a vector */

typedef uint8_t bytes __attribute__((vector_size(VL)));
typedef uint8_t bytes_in_memory __attribute__((vector_size(VL), aligned(1), may_alias));

/* gcc takes the general forms of these apart into single bytes. */
#if VEC_BYTES == 64
VEC_INLINE veci widen(bytes b) { return (veci)_mm512_cvtepu8_epi32((__m128i)b); }
VEC_INLINE bytes narrow(veci x) { return (bytes)_mm512_cvtusepi32_epi8(_mm512_max_epi32((__m512i)x, _mm512_setzero_si512())); }
#elif VEC_BYTES == 32
VEC_INLINE veci widen(bytes b) { return (veci)_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)b)); }
VEC_INLINE bytes narrow(veci x)
{
    __m256i words = _mm256_packus_epi32((__m256i)x, (__m256i)x), halves = _mm256_packus_epi16(words, words);
    return (bytes)_mm_extract_epi64(
        _mm_unpacklo_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1)), 0);
}
#else
VEC_INLINE veci widen(bytes b) { return __builtin_convertvector(b, veci); }
VEC_INLINE bytes narrow(veci x)
{
    x &= x > 0;
    return __builtin_convertvector((x & (x <= 255)) | (255 & (x > 255)), bytes);
}
#endif

VEC_INLINE vec to_floats(bytes b) { return __builtin_convertvector(widen(b), vec); }

/* The first 3 * GROUPS lanes: the groups without their last lanes */
VEC_INLINE veci without_strangers(veci x)
{
#if VEC_BYTES == 64
    return __builtin_shuffle(x, (veci){0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15});
#elif VEC_BYTES == 32
    return __builtin_shuffle(x, (veci){0, 1, 2, 4, 5, 6, 3, 7});
#else
    return x;
#endif
}

/* ---- bilinear ---- */

VEC_INLINE uint32_t four_at(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, 4);
    return x;
}

/* The left, or the right, pixels of as many columns as there are groups */
VEC_INLINE vec gather(const uint8_t *row, const eff_between *columns, bool right)
{
    uint32_t p[GROUPS];
    bytes b;
#pragma GCC unroll 4
    for (int i = 0; i < GROUPS; i++) p[i] = four_at(row + (right ? columns[i].right : columns[i].left));
    memcpy(&b, p, sizeof b);
    return to_floats(b);
}

VEC_INLINE vec weights_of(const eff_between *columns)
{
#if VEC_BYTES == 64
    float a = columns[0].weight, b = columns[1].weight, c = columns[2].weight, d = columns[3].weight;
    return (vec){a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d};
#elif VEC_BYTES == 32
    float a = columns[0].weight, b = columns[1].weight;
    return (vec){a, a, a, a, b, b, b, b};
#else
    return vec_all(columns[0].weight);
#endif
}

static void bilinear_pixel(float *out, const uint8_t *top, const uint8_t *bottom, float down, const eff_between *at)
{
    for (int c = 0; c < 3; c++) {
        float a = top[at->left + c], b = top[at->right + c], d = bottom[at->left + c], e = bottom[at->right + c];
        float upper = a + (b - a) * at->weight, lower = d + (e - d) * at->weight;
        out[c] = upper + (lower - upper) * down;
    }
}

/* Whether the column's pixels may be read with the byte behind them */
static bool has_stranger(const eff_between *at, size_t readable)
{
    return (size_t)at->left + 4 <= readable && (size_t)at->right + 4 <= readable;
}

static void bilinear_row(float *out, const uint8_t *top, const uint8_t *bottom, float down, const eff_between *columns,
                         int width, size_t readable)
{
    enum { ROOM = (VL + 2) / 3 }; /* pixels that a store of a vector touches */
    int x = 0, end = width;
    while (end > 0 && !has_stranger(&columns[end - 1], readable)) end--;
    for (; x < end && !has_stranger(&columns[x], readable); x++) bilinear_pixel(out + 3 * x, top, bottom, down, columns + x);
    for (; x + GROUPS <= end && x + ROOM <= width; x += GROUPS) {
        const eff_between *at = columns + x;
        vec across = weights_of(at), a = gather(top, at, false), d = gather(bottom, at, false);
        vec upper = a + (gather(top, at, true) - a) * across, lower = d + (gather(bottom, at, true) - d) * across;
        vec_store(out + 3 * x, (vec)without_strangers((veci)(upper + (lower - upper) * down)));
    }
    for (; x < width; x++) bilinear_pixel(out + 3 * x, top, bottom, down, columns + x);
}

/* ---- filters with fixed-point weights ---- */

static uint8_t from_fixed(int32_t sum)
{
    int32_t value = sum >> EFF_TAP_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void filter_pixel(uint8_t *out, const uint8_t *pixel, const int32_t *weight, int count)
{
    int32_t r = 1 << (EFF_TAP_BITS - 1), g = r, b = r;
    for (int k = 0; k < count; k++, pixel += 3, weight += EFF_TAP_BLOCK) {
        r += pixel[0] * *weight;
        g += pixel[1] * *weight;
        b += pixel[2] * *weight;
    }
    out[0] = from_fixed(r);
    out[1] = from_fixed(g);
    out[2] = from_fixed(b);
}

/* Each of the first GROUPS weights for a whole group */
VEC_INLINE veci spread(const int32_t *weight)
{
#if VEC_BYTES == 64
    const __m512i from = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    return (veci)_mm512_permutexvar_epi32(from, _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)weight)));
#elif VEC_BYTES == 32
    const __m256i from = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    __m128i two = _mm_loadl_epi64((const __m128i *)weight);
    return (veci)_mm256_permutevar8x32_epi32(_mm256_castsi128_si256(two), from);
#else
    return (veci){0} + *weight;
#endif
}

/* Writes VL bytes: the groups without their last bytes, and as many bytes that mean nothing */
VEC_INLINE void store_pixels(uint8_t *out, bytes groups)
{
#if VEC_BYTES == 64
    groups = __builtin_shuffle(groups, (bytes){0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15});
#elif VEC_BYTES == 32
    uint64_t both = (uint64_t)groups;
    groups = (bytes)((both & 0xFFFFFF) | (both >> 8 & 0xFFFFFF000000));
#endif
    *(bytes_in_memory *)out = groups;
}

/* Taps that are read at once, and the bytes that this takes */
#if VEC_BYTES == 16
enum { TAPS = 1, TAP_BYTES = 4 };
#else
enum { TAPS = 5, TAP_BYTES = 16 };
#endif

/* The most taps of the block that output x is in; 0 where its pixels cannot be read together */
static int block_taps(const eff_taps *columns, int x, size_t readable)
{
    int most = columns->most[x / EFF_TAP_BLOCK], last = columns->furthest[x / EFF_TAP_BLOCK] + (most - 1) / TAPS * TAPS;
    return 3 * (size_t)last + TAP_BYTES <= readable ? most : 0;
}

/* From each of the places, TAP_BYTES bytes; and of them pixel k, as lanes. */
#if VEC_BYTES == 64
typedef __m512i taps_read;

VEC_INLINE __m128i load_16(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)p); }

VEC_INLINE taps_read read_taps(const uint8_t *const place[GROUPS])
{
    __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(load_16(place[0])), load_16(place[1]), 1);
    __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(load_16(place[2])), load_16(place[3]), 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

VEC_INLINE veci tap_of(taps_read from, int k)
{
    const __m128i pick = _mm_setr_epi8(0, -128, -128, -128, 1, -128, -128, -128, 2, -128, -128, -128, -128, -128, -128, -128);
    __m512i at = _mm512_broadcast_i32x4(_mm_add_epi8(pick, _mm_set1_epi8((char)(3 * k))));
    return (veci)_mm512_shuffle_epi8(from, at);
}
#elif VEC_BYTES == 32
typedef __m256i taps_read;

VEC_INLINE taps_read read_taps(const uint8_t *const place[GROUPS])
{
    __m128i low = _mm_loadu_si128((const __m128i *)place[0]), high = _mm_loadu_si128((const __m128i *)place[1]);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

VEC_INLINE veci tap_of(taps_read from, int k)
{
    const __m128i pick = _mm_setr_epi8(0, -128, -128, -128, 1, -128, -128, -128, 2, -128, -128, -128, -128, -128, -128, -128);
    __m256i at = _mm256_broadcastsi128_si256(_mm_add_epi8(pick, _mm_set1_epi8((char)(3 * k))));
    return (veci)_mm256_shuffle_epi8(from, at);
}
#else
typedef bytes taps_read;

VEC_INLINE taps_read read_taps(const uint8_t *const place[GROUPS])
{
    bytes b;
    memcpy(&b, place[0], sizeof b);
    return b;
}

VEC_INLINE veci tap_of(taps_read from, int k)
{
    (void)k;
    return widen(from);
}
#endif

/* out [VL] bytes: GROUPS outputs of at most `count` taps each */
VEC_INLINE void filter_group(uint8_t *out, const uint8_t *in, const eff_taps *columns, int x, int count)
{
    const int32_t *weight = eff_taps_of(columns, x);
    veci sum = (veci){0} + (1 << (EFF_TAP_BITS - 1));
    const uint8_t *place[GROUPS];
    for (int i = 0; i < GROUPS; i++) place[i] = in + (size_t)columns->first[x + i] * 3;
    for (int left = count; left > 0; left -= TAPS) {
        taps_read read = read_taps(place);
#pragma GCC unroll 5
        for (int k = 0; k < TAPS && k < left; k++, weight += EFF_TAP_BLOCK) sum += tap_of(read, k) * spread(weight);
        for (int i = 0; i < GROUPS; i++) place[i] += 3 * TAPS;
    }
    store_pixels(out, narrow(sum >> EFF_TAP_BITS));
}

static void filter_row(uint8_t *out, const uint8_t *in, const eff_taps *columns, int width, size_t readable)
{
    enum { ROOM = (VL + 2) / 3 }; /* pixels that a store of VL bytes touches */
    for (int x = 0; x < width; x += GROUPS) {
        int count = x + ROOM <= width ? block_taps(columns, x, readable) : 0;
        if (count > 0)
            filter_group(out + 3 * x, in, columns, x, count);
        else
            for (int i = x; i < width && i < x + GROUPS; i++)
                filter_pixel(out + 3 * i, in + (size_t)columns->first[i] * 3, eff_taps_of(columns, i), columns->count[i]);
    }
}

/* out [VL] */
VEC_INLINE void filter_some(uint8_t *out, const uint8_t *in, size_t stride, const int32_t *weight, int count)
{
    veci sum = (veci){0} + (1 << (EFF_TAP_BITS - 1));
    for (int k = 0; k < count; k++, in += stride)
        sum += widen(*(const bytes_in_memory *)in) * weight[k * EFF_TAP_BLOCK];
    *(bytes_in_memory *)out = narrow(sum >> EFF_TAP_BITS);
}

static void filter_column(uint8_t *out, const uint8_t *in, size_t n, size_t stride, const int32_t *weight, int count)
{
    size_t i = 0;
    for (; i + VL <= n; i += VL) filter_some(out + i, in + i, stride, weight, count);
    for (; i < n; i++) {
        int32_t sum = 1 << (EFF_TAP_BITS - 1);
        for (int k = 0; k < count; k++) sum += in[(size_t)k * stride + i] * weight[k * EFF_TAP_BLOCK];
        out[i] = from_fixed(sum);
    }
}

/* ---- to bytes, and to the network ---- */

static void cut_to_bytes(uint8_t *out, const float *in, size_t n)
{
    const vec zero = {0}, most = vec_all(255.0f);
    size_t i = 0;
    for (; i + VL <= n; i += VL) {
        vec x = vec_load(in + i), clipped = vec_select(x > zero, vec_select(x < most, x, most), zero);
        *(bytes_in_memory *)(out + i) = narrow(__builtin_convertvector(clipped, veci));
    }
    for (; i < n; i++) out[i] = (uint8_t)(in[i] > 0.0f ? in[i] < 255.0f ? in[i] : 255.0f : 0.0f);
}

/* Three vectors that repeat x[0], x[1], x[2] */
VEC_INLINE void repeat(vec to[3], const float x[3])
{
    float all[3 * VL];
    for (int i = 0; i < 3 * VL; i++) all[i] = x[i % 3];
    memcpy(to, all, sizeof all);
}

static void normalize_bytes(float *out, const uint8_t *in, size_t n, const float mean[3], const float inverse_std[3])
{
    vec m[3], s[3];
    repeat(m, mean);
    repeat(s, inverse_std);
    size_t i = 0;
    for (; i + 3 * VL <= 3 * n; i += 3 * VL)
#pragma GCC unroll 3
        for (int k = 0; k < 3; k++) {
            const bytes b = *(const bytes_in_memory *)(in + i + k * VL);
            vec_store(out + i + k * VL, (to_floats(b) - m[k]) * s[k]);
        }
    for (; i < 3 * n; i++) out[i] = ((float)in[i] - mean[i % 3]) * inverse_std[i % 3];
}

static void normalize_floats(float *out, const float *in, size_t n, const float mean[3], const float inverse_std[3])
{
    vec m[3], s[3];
    repeat(m, mean);
    repeat(s, inverse_std);
    size_t i = 0;
    for (; i + 3 * VL <= 3 * n; i += 3 * VL)
#pragma GCC unroll 3
        for (int k = 0; k < 3; k++) vec_store(out + i + k * VL, (vec_load(in + i + k * VL) - m[k]) * s[k]);
    for (; i < 3 * n; i++) out[i] = (in[i] - mean[i % 3]) * inverse_std[i % 3];
}

static const eff_pixel_kernels kernels = {bilinear_row, filter_row, filter_column, cut_to_bytes, normalize_bytes, normalize_floats};

const eff_variant ISA_NAME(eff_variant_pixels_simd) = {.name = "pixels.simd." ISA_TEXT,
                                                       .doc = "several pixels of a row at a time",
                                                       .family = EFF_FAMILY_PIXELS,
                                                       .isa = ISA_ENUM,
                                                       .kernels = &kernels};
