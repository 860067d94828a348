/* CSV files: fields, and the pictures, labels, classes and splits that they list. */
#define _GNU_SOURCE /* nftw */
#include "test_io_helpers.h"

#include <stdbool.h>

#include "base/pool.h"
#include "data/csv.h"
#include "data/source.h"

static void put_text(const char *name, const char *text) { put_bytes(in_scratch(name), text, strlen(text)); }

/* ---- Fields ---- */

static void test_fields(void **state)
{
    eff_csv csv;
    (void)state;
    put_text("a.csv", "\xEF\xBB\xBF" "a,b\r\n\n\"x, \"\"y\"\"\",\"two\nlines\"\r\n,\nend,");
    const struct {
        int line, fields;
        const char *field[2];
    } want[] = {{1, 2, {"a", "b"}}, {3, 2, {"x, \"y\"", "two\nlines"}}, {5, 2, {"", ""}}, {6, 2, {"end", ""}},
                {0, 0, {NULL}}};
    assert_int_equal(eff_csv_open(&csv, in_scratch("a.csv")), EFF_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(eff_csv_next(&csv), EFF_OK);
        assert_int_equal(csv.fields, want[i].fields);
        if (csv.fields) assert_int_equal(csv.line, want[i].line);
        for (int k = 0; k < csv.fields; k++) assert_string_equal(csv.field[k], want[i].field[k]);
    }
    eff_csv_close(&csv);
    assert_int_equal(eff_csv_open(&csv, in_scratch("none.csv")), EFF_E_IO);
    assert_contains(eff_message(), "none.csv: No such file");
}

static void test_bad_fields(void **state)
{
    const struct {
        const char *text, *message;
        size_t size;
    } cases[] = {{"a,b\nc,\"d\n\n", ", line 2: a field begins with a quote that is never closed", 0},
                 {"a,\"b\"c\n", ", line 1: text behind a closing quote", 0},
                 {"\n\na,b\"c\n", ", line 3: a quote inside a field without quotes", 0},
                 {"a,\0b\n", ", line 1: a byte of zero", 5},
                 {"a,\"\0\"\n", ", line 1: a byte of zero", 6}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eff_csv csv;
        eff_status status;
        put_bytes(in_scratch("a.csv"), cases[i].text, cases[i].size ? cases[i].size : strlen(cases[i].text));
        assert_int_equal(eff_csv_open(&csv, in_scratch("a.csv")), EFF_OK);
        do status = eff_csv_next(&csv);
        while (status == EFF_OK && csv.fields);
        assert_int_equal(status, EFF_E_FORMAT);
        assert_contains(eff_message(), cases[i].message);
        eff_csv_close(&csv);
    }
    char *many = malloc(1000);
    memset(many, ',', 999);
    many[999] = '\0';
    put_text("a.csv", many);
    free(many);
    eff_csv csv;
    assert_int_equal(eff_csv_open(&csv, in_scratch("a.csv")), EFF_OK);
    assert_int_equal(eff_csv_next(&csv), EFF_E_FORMAT);
    assert_contains(eff_message(), "more than 256 fields");
    eff_csv_close(&csv);
}

/* ---- Pictures ---- */

static eff_source *open_text(const char *text, const char *split, const eff_source *like)
{
    eff_source *source = NULL;
    put_text("list.csv", text);
    if (eff_source_open_table(&source, in_scratch("list.csv"), split, like) != EFF_OK) fail_msg("%s", eff_message());
    return source;
}

static void expect_refused(const char *text, const char *split, const char *message)
{
    eff_source *source = NULL;
    put_text("list.csv", text);
    assert_int_equal(eff_source_open_table(&source, in_scratch("list.csv"), split, NULL), EFF_E_FORMAT);
    assert_contains(eff_message(), message);
    assert_null(source);
}

/* classes: "cat dog", labels: "0 1,1" */
static void assert_holds(eff_source *source, const char *classes, const char *labels)
{
    char seen[256] = "";
    for (int i = 0; i < source->classes; i++)
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s%s", i ? " " : "", source->class_names[i]);
    assert_string_equal(seen, classes);
    seen[0] = '\0';
    for (int64_t i = 0; i < source->count; i++) {
        const int32_t *list;
        int32_t only;
        int count = eff_source_labels(source, i, &list, &only);
        for (int k = 0; k < count; k++)
            snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s%d", k ? "+" : i ? " " : "", (int)list[k]);
    }
    assert_string_equal(seen, labels);
    eff_source_release(source);
}

static void test_pictures(void **state)
{
    char name[512];
    (void)state;
    eff_source *source = open_text("image,label\na.png,dog\n\"deep/b,1.png\",cat\n/elsewhere/c.png,dog\n", "all", NULL);
    assert_string_equal(source->kind, "csv");
    assert_false(eff_source_has_several_labels(source));
    eff_source_name(source, 1, name, sizeof name);
    assert_string_equal(name, in_scratch("deep/b,1.png"));
    eff_source_key(source, 1, name, sizeof name);
    assert_string_equal(name, "deep/b,1.png");
    eff_source_name(source, 2, name, sizeof name);
    assert_string_equal(name, "/elsewhere/c.png");
    assert_holds(source, "cat dog", "1 0 1");
    put_text("a.png", "");
    assert_holds(open_text("a.png,cow\nb.png,ant\n", "all", NULL), "ant cow", "1 0"); /* without a header */
    assert_holds(open_text("id,Class,width,FileName\n1,cow,9,a.png\n2,ant,9,b.png\n", "all", NULL), "ant cow", "1 0");
}

static void test_reading(void **state)
{
    eff_reader reader = {0};
    eff_image image = {0};
    (void)state;
    assert_int_equal(eff_image_reserve(&image, 2, 3), EFF_OK);
    memset(image.pixels, 7, 18);
    assert_int_equal(eff_image_write_png(in_scratch("a.png"), &image), EFF_OK);
    eff_source *source = open_text("path,label\na.png,x\nmissing.png,x\n", "all", NULL);
    assert_int_equal(eff_source_read(source, 0, &reader), EFF_OK);
    assert_int_equal(reader.picture.height, 2);
    assert_int_equal(eff_source_read(source, 1, &reader), EFF_E_IO);
    assert_contains(eff_message(), "/missing.png: No such file");
    eff_source_release(source);
    eff_image_free(&image);
    eff_reader_free(&reader);
}

static void test_several_labels(void **state)
{
    (void)state;
    eff_source *source = open_text("path,labels\na,z|b\nb,b\nc,z; b ;y\nd,b b\ne,y z\n", "all", NULL);
    assert_true(eff_source_has_several_labels(source));
    assert_contains(source->notice, "labels such as \"y z\" (line 6) are taken apart at spaces");
    assert_holds(source, "b y z", "2+0 0 2+0+1 0 1+2");
    put_text("classes.txt", "red fox\r\n\nfox\nred\n");
    source = open_text("path,label\na,red fox\nb,red\nc,fox red\nd,red fox|fox\n", "all", NULL);
    assert_null(strstr(source->notice, "\"red fox\""));
    assert_holds(source, "red fox fox red", "0 2 1+2 0+1");
    expect_refused("path,label\na,red\nb,cow\n", "all",
                   "list.csv, line 3: the label \"cow\" is none of the 3 classes (red fox,");
    put_text("classes.txt", "a\nb\na\n");
    expect_refused("path,label\na,a\n", "all", "classes.txt, line 3: \"a\" is there twice");
    put_text("classes.txt", "\n");
    expect_refused("path,label\na,a\n", "all", "classes.txt: no class names");
}

static void test_splits(void **state)
{
    const char *text = "path,split,label\na,train,x\nb,Validation,y\nc,test,z\nd,val,x\n";
    bool has;
    (void)state;
    assert_holds(open_text(text, "all", NULL), "x y z", "0 1 2 0");
    assert_holds(open_text(text, "train", NULL), "x y z", "0"); /* the classes are those of all splits */
    assert_holds(open_text(text, "val", NULL), "x y z", "1 0");
    assert_holds(open_text(text, "test", NULL), "x y z", "2");
    assert_int_equal(eff_table_has_splits(in_scratch("list.csv"), &has), EFF_OK);
    assert_true(has);
    expect_refused("path,split,label\na,trian,x\n", "train",
                   "line 2: the split \"trian\"; there are train, val and test");
    expect_refused("path,split,label\na,train,x\n", "test", "list.csv: no pictures of the split test");
    expect_refused("path,label\na,x\n", "val", "no column \"split\" that says which pictures are \"val\"");
    assert_int_equal(eff_table_has_splits(in_scratch("list.csv"), &has), EFF_OK);
    assert_false(has);
    assert_int_equal(eff_table_has_splits(in_scratch("none.csv"), &has), EFF_E_IO);
}

static void test_classes_of_another(void **state)
{
    (void)state;
    eff_source *train = open_text("path,label\na,z\nb,x\nc,y\n", "all", NULL), *source = NULL;
    assert_holds(open_text("path,label\na,y\n", "all", train), "x y z", "1");
    put_text("list.csv", "path,label\na,y\nb,w\n");
    assert_int_equal(eff_source_open_table(&source, in_scratch("list.csv"), "all", train), EFF_E_FORMAT);
    assert_contains(eff_message(), "line 3: the label \"w\" is none of the 3 classes");
    eff_source_release(train);
}

static void test_mistakes(void **state)
{
    (void)state;
    expect_refused("", "all", "list.csv: the file is empty");
    expect_refused("path,label\n", "all", "list.csv: no pictures");
    expect_refused("a.png,dog,3\n", "all", "line 1: 3 fields and no header; wanted are two, path and label");
    expect_refused("picture,kind\na.png,dog\n", "all", "/picture (a header has to name the columns path and label)");
    expect_refused("path,label\na.png,dog\nb.png\n", "all", "line 3: 1 fields; wanted are at least 2");
    expect_refused("path,label\na.png,dog\n,cat\n", "all", "line 3: no path");
    expect_refused("path,label\na.png,\n", "all", "line 2: no label");
    expect_refused("path,label\na.png,\" | \"\n", "all", "line 2: no label");
    put_text("a.png", "");
    expect_refused("a.png,dog\nb.png,dog,3\n", "all", "line 2: 3 fields; wanted are 2");
}

/* Whatever a file holds, reading it ends. */
static void test_nonsense(void **state)
{
    const char bytes[] = "ab,,\"\"\n\n\r|; \t/.\0path,label\n";
    uint32_t random = 1;
    (void)state;
    for (int i = 0; i < 3000; i++) {
        char text[64] = "path,label\n";
        size_t size = i % 2 ? 11 : 0, end = size + 1 + (size_t)i % 50;
        for (; size < end; size++) {
            random = random * 1664525u + 1013904223u;
            text[size] = bytes[(random >> 16) % sizeof bytes];
        }
        eff_source *source = NULL;
        put_bytes(in_scratch("list.csv"), text, size);
        eff_status status = eff_source_open_table(&source, in_scratch("list.csv"), "all", NULL);
        assert_true(status == EFF_OK ? source->count > 0 : status == EFF_E_FORMAT);
        eff_source_release(source);
    }
}

static int nothing_is_left(void **state)
{
    return eff_pool_get_stats().live_bytes == 0 ? scratch_teardown(state) : -1;
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, scratch_setup, nothing_is_left)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_folder(test_fields),  in_folder(test_bad_fields),     in_folder(test_pictures),
        in_folder(test_reading), in_folder(test_several_labels), in_folder(test_splits),
        in_folder(test_mistakes), in_folder(test_classes_of_another), in_folder(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
