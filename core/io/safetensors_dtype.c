/* The element types of safetensors files: names, sizes, and the way from half formats to float. */
#include "io/safetensors.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    int bits;
    bool readable, writable;
} dtypes[EFF_ST_DTYPES] = {
    [EFF_ST_BOOL] = {"BOOL", 8, false, false},
    [EFF_ST_F4] = {"F4", 4, false, false},
    [EFF_ST_F6_E2M3] = {"F6_E2M3", 6, false, false},
    [EFF_ST_F6_E3M2] = {"F6_E3M2", 6, false, false},
    [EFF_ST_U8] = {"U8", 8, true, true},
    [EFF_ST_I8] = {"I8", 8, false, false},
    [EFF_ST_F8_E5M2] = {"F8_E5M2", 8, false, false},
    [EFF_ST_F8_E4M3] = {"F8_E4M3", 8, false, false},
    [EFF_ST_F8_E8M0] = {"F8_E8M0", 8, false, false},
    [EFF_ST_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8, false, false},
    [EFF_ST_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8, false, false},
    [EFF_ST_I16] = {"I16", 16, false, false},
    [EFF_ST_U16] = {"U16", 16, false, false},
    [EFF_ST_F16] = {"F16", 16, true, false},
    [EFF_ST_BF16] = {"BF16", 16, true, false},
    [EFF_ST_I32] = {"I32", 32, true, true},
    [EFF_ST_U32] = {"U32", 32, false, false},
    [EFF_ST_F32] = {"F32", 32, true, true},
    [EFF_ST_C64] = {"C64", 64, false, false},
    [EFF_ST_F64] = {"F64", 64, true, true},
    [EFF_ST_I64] = {"I64", 64, true, true},
    [EFF_ST_U64] = {"U64", 64, false, false},
};

const char *eff_st_dtype_name(eff_st_dtype dtype) { return dtypes[dtype].name; }
bool eff_st_dtype_readable(eff_st_dtype dtype) { return dtypes[dtype].readable; }
bool eff_st_dtype_writable(eff_st_dtype dtype) { return dtypes[dtype].writable; }

eff_status eff_st_bytes(int64_t *bytes, eff_st_dtype dtype, int ndim, const int64_t *shape)
{
    if (ndim < 0 || ndim > EFF_ST_MAX_NDIM)
        return eff_fail(EFF_E_SHAPE, "the shape has %d dimensions, 0 to %d are supported", ndim, EFF_ST_MAX_NDIM);
    int64_t count = 1, bits;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] < 0)
            return eff_fail(EFF_E_SHAPE, "dimension %d of the shape is %lld, it must not be negative", i + 1,
                            (long long)shape[i]);
        if (__builtin_mul_overflow(count, shape[i], &count))
            return eff_fail(EFF_E_SHAPE, "the shape has more elements than can be counted");
    }
    if (__builtin_mul_overflow(count, (int64_t)dtypes[dtype].bits, &bits))
        return eff_fail(EFF_E_SHAPE, "the shape needs more bytes than can be counted");
    if (bits % 8 != 0)
        return eff_fail(EFF_E_SHAPE, "%lld elements of %s are not a whole number of bytes", (long long)count,
                        dtypes[dtype].name);
    *bytes = bits / 8;
    return EFF_OK;
}

static float float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

void eff_f32_from_bf16(float *out, const uint16_t *in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = float_of_bits((uint32_t)in[i] << 16);
}

/* Half: 1 sign, 5 exponent (bias 15), 10 fraction bits; float: 1, 8 (bias 127), 23. */
void eff_f32_from_f16(float *out, const uint16_t *in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t sign = (uint32_t)(in[i] & 0x8000) << 16, exponent = (in[i] >> 10) & 0x1F, fraction = in[i] & 0x3FF;
        if (exponent == 0) { /* zero or subnormal: fraction * 2^-24 */
            float magnitude = (float)fraction * 0x1p-24f;
            out[i] = sign ? -magnitude : magnitude;
        } else {
            exponent = exponent == 0x1F ? 0xFF : exponent + (127 - 15); /* 0x1F: infinity or NaN */
            out[i] = float_of_bits(sign | exponent << 23 | fraction << 13);
        }
    }
}
