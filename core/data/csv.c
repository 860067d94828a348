/* The reader of comma-separated values; see csv.h. */
#include "data/csv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

eff_status eff_csv_fail(const eff_csv *csv, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return eff_fail(EFF_E_FORMAT, "%s, line %lld: %s", csv->path, (long long)csv->line, text);
}

static void skip_byte_order_mark(FILE *file)
{
    char first[3];
    if (fread(first, 1, 3, file) != 3 || memcmp(first, "\xEF\xBB\xBF", 3) != 0) rewind(file);
}

eff_status eff_csv_open(eff_csv *csv, const char *path)
{
    *csv = (eff_csv){.path = path, .next_line = 1};
    csv->file = fopen(path, "rb");
    if (!csv->file) return eff_fail(EFF_E_IO, "%s: %s", path, strerror(errno));
    skip_byte_order_mark(csv->file);
    return EFF_OK;
}

void eff_csv_close(eff_csv *csv)
{
    if (csv->file) fclose(csv->file);
    free(csv->text);
    *csv = (eff_csv){0};
}

static eff_status put(eff_csv *csv, int byte)
{
    if (csv->size == csv->room) {
        size_t room = csv->room ? 2 * csv->room : 256;
        char *text = realloc(csv->text, room);
        if (!text) return eff_fail(EFF_E_MEMORY, "%s: no memory for a line", csv->path);
        csv->text = text;
        csv->room = room;
    }
    csv->text[csv->size++] = (char)byte;
    return EFF_OK;
}

/* The next byte, with CRLF read as LF; EOF at the end. */
static int take(eff_csv *csv)
{
    int byte = getc_unlocked(csv->file);
    if (byte == '\r') {
        int next = getc_unlocked(csv->file);
        if (next == '\n') byte = next;
        else ungetc(next, csv->file);
    }
    if (byte == '\n') csv->next_line++;
    return byte;
}

/* The rest of a field in quotes; *end is the byte behind it. */
static eff_status read_quoted(eff_csv *csv, int *end)
{
    for (;;) {
        int byte = take(csv);
        if (byte == EOF) return eff_csv_fail(csv, "a field begins with a quote that is never closed");
        if (byte == 0) return eff_csv_fail(csv, "a byte of zero; this is no text");
        if (byte == '"') {
            *end = take(csv);
            if (*end != '"') break;
        }
        EFF_TRY(put(csv, byte));
    }
    if (*end == ',' || *end == '\n' || *end == EOF) return EFF_OK;
    return eff_csv_fail(csv, "text behind a closing quote (a quote inside quotes is doubled: \"\")");
}

static eff_status read_plain(eff_csv *csv, int byte, int *end)
{
    for (; byte != ',' && byte != '\n' && byte != EOF; byte = take(csv)) {
        if (byte == 0) return eff_csv_fail(csv, "a byte of zero; this is no text");
        if (byte == '"') return eff_csv_fail(csv, "a quote inside a field without quotes");
        EFF_TRY(put(csv, byte));
    }
    *end = byte;
    return EFF_OK;
}

static eff_status read_record(eff_csv *csv, int byte)
{
    for (int end = ',';; byte = take(csv)) {
        if (csv->fields == EFF_CSV_MAX_FIELDS) return eff_csv_fail(csv, "more than %d fields", EFF_CSV_MAX_FIELDS);
        csv->start[csv->fields++] = csv->size;
        EFF_TRY(byte == '"' ? read_quoted(csv, &end) : read_plain(csv, byte, &end));
        EFF_TRY(put(csv, '\0'));
        if (end != ',') return EFF_OK;
    }
}

eff_status eff_csv_next(eff_csv *csv)
{
    csv->fields = 0;
    csv->size = 0;
    int byte;
    do {
        csv->line = csv->next_line;
        byte = take(csv);
    } while (byte == '\n');
    if (byte != EOF) EFF_TRY(read_record(csv, byte));
    if (ferror(csv->file)) return eff_fail(EFF_E_IO, "%s: %s", csv->path, strerror(errno));
    for (int i = 0; i < csv->fields; i++) csv->field[i] = csv->text + csv->start[i];
    return EFF_OK;
}
