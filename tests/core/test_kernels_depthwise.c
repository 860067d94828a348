/* Depthwise convolution kernels against the reference, on sizes that leave ragged edges everywhere */
#include "test_kernels_conv_helpers.h"

static void windows(void **state)
{
    (void)state;
    static const int64_t channels[] = {1, 3, 7, 17, 33, 48, 80};
    for (int64_t k = 1; k <= 5; k++)
        for (int64_t stride = 1; stride <= 3; stride++)
            for (int64_t size = 1; size <= 13; size += 4) {
                int64_t c = channels[(size + k + stride) % 7];
                eff_conv_shape s = shape(1 + stride % 2, size, size + k, c, c, k, stride);
                s.groups = c;
                check(EFF_FAMILY_DEPTHWISE, &s);
            }
}

static void odd_geometry(void **state)
{
    (void)state;
    eff_conv_shape dilated = shape(2, 11, 10, 21, 21, 3, 1);
    dilated.groups = 21;
    dilated.dilation_h = dilated.dilation_w = 2;
    dilated.pad_top = 2, dilated.pad_left = 1, dilated.ow = 8;
    check(EFF_FAMILY_DEPTHWISE, &dilated);
    eff_conv_shape lopsided = shape(2, 14, 14, 24, 24, 3, 2);
    lopsided.groups = 24;
    lopsided.pad_top = lopsided.pad_left = 0;
    check(EFF_FAMILY_DEPTHWISE, &lopsided);
    eff_conv_shape large = shape(3, 30, 28, 40, 40, 5, 2);
    large.groups = 40;
    check(EFF_FAMILY_DEPTHWISE, &large);
    eff_conv_shape multiplier = shape(2, 9, 6, 5, 15, 3, 1);
    multiplier.groups = 5;
    check(EFF_FAMILY_DEPTHWISE, &multiplier);
}

static void epilogues(void **state)
{
    (void)state;
    static const int64_t channels[] = {1, 7, 16, 33, 48, 65};
    for (int i = 0; i < 6; i++) {
        int64_t c = channels[i];
        eff_conv_shape depthwise = shape(2, 6, 5, c, c, 3, 1 + i % 2);
        depthwise.groups = c;
        check_epilogues(EFF_FAMILY_DEPTHWISE, &depthwise);
    }
    eff_conv_shape multiplier = shape(1, 5, 6, 7, 21, 3, 1);
    multiplier.groups = 7;
    check_epilogues(EFF_FAMILY_DEPTHWISE, &multiplier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows),
        cmocka_unit_test(odd_geometry),
        cmocka_unit_test(epilogues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
