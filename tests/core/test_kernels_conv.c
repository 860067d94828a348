/* Convolution kernels against the reference, on sizes that leave ragged edges everywhere */
#include "test_kernels_conv_helpers.h"

static void channel_counts(void **state)
{
    (void)state;
    static const int64_t channels[] = {1, 3, 7, 8, 17, 33, 48, 65};
    enum { COUNT = sizeof channels / sizeof *channels };
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++) {
            eff_conv_shape s = shape(2, 7, 9, channels[i], channels[j], (i + j) % 2 ? 1 : 3, 1);
            check(EFF_FAMILY_CONV2D, &s);
        }
}

static void windows(void **state)
{
    (void)state;
    for (int64_t k = 1; k <= 5; k++)
        for (int64_t stride = 1; stride <= 3; stride++)
            for (int64_t size = 1; size <= 13; size += 4) {
                eff_conv_shape s = shape(1 + stride % 2, size, size + k, 5, 19, k, stride);
                check(EFF_FAMILY_CONV2D, &s);
            }
}

static void odd_geometry(void **state)
{
    (void)state;
    eff_conv_shape dilated = shape(2, 11, 10, 7, 6, 3, 1);
    dilated.dilation_h = dilated.dilation_w = 2;
    dilated.pad_top = dilated.pad_left = 2;
    check(EFF_FAMILY_CONV2D, &dilated);
    eff_conv_shape dilated_strided = dilated;
    dilated_strided.stride_h = 2, dilated_strided.stride_w = 3;
    dilated_strided.oh = 6, dilated_strided.ow = 4;
    check(EFF_FAMILY_CONV2D, &dilated_strided);
    eff_conv_shape lopsided = shape(1, 6, 9, 4, 33, 3, 2); /* "same" of TensorFlow: no zeros before, one after */
    lopsided.kw = 2, lopsided.pad_top = 0, lopsided.pad_left = 0;
    check(EFF_FAMILY_CONV2D, &lopsided);
    eff_conv_shape valid = shape(3, 9, 8, 10, 12, 3, 1);
    valid.pad_top = valid.pad_left = 0, valid.oh = 7, valid.ow = 6;
    check(EFF_FAMILY_CONV2D, &valid);
    eff_conv_shape far = shape(1, 3, 3, 2, 3, 3, 1); /* windows that lie in the padding altogether */
    far.pad_top = 5, far.pad_left = 4, far.oh = 11, far.ow = 9;
    check(EFF_FAMILY_CONV2D, &far);
    eff_conv_shape grouped = shape(2, 8, 7, 12, 18, 3, 2);
    grouped.groups = 3;
    check(EFF_FAMILY_CONV2D, &grouped);
}

static void many_pixels(void **state)
{
    (void)state;
    eff_conv_shape stem = shape(3, 41, 45, 3, 24, 3, 2), body = shape(2, 37, 33, 24, 40, 3, 1);
    eff_conv_shape dense = shape(5, 20, 20, 40, 72, 1, 1);
    check(EFF_FAMILY_CONV2D, &stem);
    check(EFF_FAMILY_CONV2D, &body);
    check(EFF_FAMILY_CONV2D, &dense);
}

static void epilogues(void **state)
{
    (void)state;
    static const int64_t channels[] = {1, 7, 16, 33, 48, 65};
    for (int i = 0; i < 6; i++) {
        int64_t c = channels[i];
        eff_conv_shape dense = shape(2, 5, 6, 3, c, i % 2 ? 1 : 3, 1), strided = shape(1, 7, 9, 5, c, 3, 2);
        check_epilogues(EFF_FAMILY_CONV2D, &dense);
        check_epilogues(EFF_FAMILY_CONV2D, &strided);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channel_counts),
        cmocka_unit_test(windows),
        cmocka_unit_test(odd_geometry),
        cmocka_unit_test(many_pixels),
        cmocka_unit_test(epilogues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
