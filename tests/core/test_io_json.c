/* JSON that gives back the numbers it was given. */
#define _GNU_SOURCE
#include "io/json.h"

#include "base/rng.h"

#include "test_io_helpers.h"

#include <math.h>

static json_t *parse(const char *text)
{
    json_t *value = NULL;
    if (eff_json_parse(&value, text, strlen(text), "test") != EFF_OK) fail_msg("%s", eff_message());
    return value;
}

static void assert_written(json_t *value, int flags, const char *expected)
{
    char *text = NULL;
    size_t bytes = 0;
    assert_int_equal(eff_json_write(&text, &bytes, value, flags), EFF_OK);
    assert_string_equal(text, expected);
    assert_int_equal(bytes, strlen(expected));
    free(text);
    json_decref(value);
}

static void numbers_are_short_and_exact(void **state)
{
    (void)state;
    struct {
        double x;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0.0"},
        {1, "1"},
        {-17, "-17"},
        {0.1, "0.1"},
        {0.016, "0.016"},
        {1.0 / 3, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"},
        {9007199254740992.0, "9007199254740992"},
        {-9007199254740992.0, "-9007199254740992"},
        {9007199254740994.0, "9007199254740994.0"},
        {1e300, "1e+300"},
        {5e-324, "4.94065645841247e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {NAN, "null"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_written(eff_json_number(cases[i].x), 0, cases[i].text);
}

static void random_doubles_come_back_bit_for_bit(void **state)
{
    (void)state;
    eff_rng rng;
    eff_rng_start(&rng, 1, EFF_RNG_USER, 0, 0);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = eff_rng_u64(&rng), back_bits;
        double x, back;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x)) continue;
        json_t *value = eff_json_number(x);
        char *text = NULL;
        size_t bytes = 0;
        assert_int_equal(eff_json_write(&text, &bytes, value, 0), EFF_OK);
        json_decref(value);
        value = parse(text);
        back = json_number_value(value);
        memcpy(&back_bits, &back, sizeof back);
        if (bits != back_bits) fail_msg("%a was written as %s and read as %a", x, text, back);
        json_decref(value);
        free(text);
    }
}

static void integers_keep_all_digits(void **state)
{
    (void)state;
    assert_written(parse("[9223372036854775807,-9223372036854775808,3,3.0,4.94065645841247e-324]"), 0,
                   "[9223372036854775807,-9223372036854775808,3,3.0,4.94065645841247e-324]");
}

static void layout_and_order(void **state)
{
    (void)state;
    const char *text = "{\"b\":[1,2,{}],\"a\":{\"y\":true,\"x\":null},\"\":[],\"aa\":false}";
    assert_written(parse(text), 0, text);
    assert_written(parse(text), EFF_JSON_SORTED, "{\"\":[],\"a\":{\"x\":null,\"y\":true},\"aa\":false,\"b\":[1,2,{}]}");
    assert_written(parse(text), EFF_JSON_SORTED | EFF_JSON_PRETTY,
                   "{\n  \"\": [],\n  \"a\": {\n    \"x\": null,\n    \"y\": true\n  },\n  \"aa\": false,\n"
                   "  \"b\": [\n    1,\n    2,\n    {}\n  ]\n}");
    assert_written(parse("[]"), EFF_JSON_PRETTY, "[]");
    assert_written(parse("\"top\""), 0, "\"top\"");
}

static void strings_are_escaped(void **state)
{
    (void)state;
    const char *text = "[\"a\\\"b\\\\c/d\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\xf0\x9f\x90\xb1\",\"\"]";
    assert_written(parse(text), 0, text);
    assert_written(parse("[\"\\u00e9\\ud83d\\udc31\"]"), 0, "[\"\xc3\xa9\xf0\x9f\x90\xb1\"]");
}

static void cycles_and_depth_are_errors(void **state)
{
    (void)state;
    json_t *inner = json_array(), *outer = json_array();
    json_array_append_new(inner, json_incref(outer)); /* jansson itself refuses only the direct cycle */
    json_array_append_new(outer, json_incref(inner));
    char *text = NULL;
    size_t bytes = 0;
    assert_int_equal(eff_json_write(&text, &bytes, outer, 0), EFF_E_ARGUMENT);
    assert_contains(eff_message(), "deeper");
    assert_null(text);
    json_array_clear(inner);
    json_decref(inner);
    json_decref(outer);
}

static void bad_texts_are_refused(void **state)
{
    (void)state;
    struct {
        const char *text, *part;
    } cases[] = {
        {"", "line 1"},
        {"{", "line 1"},
        {"[1,]", "line 1"},
        {"[1]\n x", "line 2"},
        {"{\"a\":1,\"a\":2}", "uplicate"},
        {"[NaN]", "line 1"},
        {"[\"\xff\"]", "decode"},
        {"[1e999]", "overflow"},
        {"[99999999999999999999]", "big"},
        {"[01]", "line 1"},
        {"['a']", "line 1"},
        {"[\"a\nb\"]", "line 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *value = NULL;
        assert_int_equal(eff_json_parse(&value, cases[i].text, strlen(cases[i].text), "50%s.json"), EFF_E_FORMAT);
        assert_null(value);
        assert_contains(eff_message(), "50%s.json: not valid JSON");
        assert_contains(eff_message(), cases[i].part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_short_and_exact),
        cmocka_unit_test(random_doubles_come_back_bit_for_bit),
        cmocka_unit_test(integers_keep_all_digits),
        cmocka_unit_test(layout_and_order),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(cycles_and_depth_are_errors),
        cmocka_unit_test(bad_texts_are_refused),
    };
    return cmocka_run_group_tests_name("io json", tests, NULL, NULL);
}
