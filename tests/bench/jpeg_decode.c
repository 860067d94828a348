/* What libjpeg-turbo alone can do: pictures per second of whole decodes at a fraction of their size, from memory.
 *
 *     bench_jpeg_decode FOLDER [8]
 *
 * Each JPEG of the folder is decoded to RGB at 1/8 (or 1/4, 1/2, 1) of its size; files that are none are left out. The
 * last line is a JSON object: images_per_s is the median over the passes.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <jpeglib.h>

enum { PASSES = 9, MOST_FILES = 10000, MOST_ROW = 1 << 20 };

typedef struct file {
    unsigned char *data;
    unsigned long size;
} file;

typedef struct trouble {
    struct jpeg_error_mgr errors;
    jmp_buf back;
} trouble;

static void give_up(j_common_ptr jpeg) { longjmp(((trouble *)jpeg->err)->back, 1); }

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Whether the file was decoded */
static int decode(const file *f, unsigned shrink, JSAMPROW row)
{
    struct jpeg_decompress_struct jpeg;
    trouble t;
    jpeg.err = jpeg_std_error(&t.errors);
    t.errors.error_exit = give_up;
    if (setjmp(t.back)) {
        jpeg_destroy_decompress(&jpeg);
        return 0;
    }
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, f->data, f->size);
    jpeg_read_header(&jpeg, TRUE);
    jpeg.scale_num = 1;
    jpeg.scale_denom = shrink;
    if (jpeg.num_components < 4) jpeg.out_color_space = JCS_RGB;
    jpeg_start_decompress(&jpeg);
    while (jpeg.output_scanline < jpeg.output_height) jpeg_read_scanlines(&jpeg, &row, 1);
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    return 1;
}

static int read_file(file *f, const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *in = fopen(path, "rb");
    if (!in) return 0;
    fseek(in, 0, SEEK_END);
    long size = ftell(in);
    rewind(in);
    *f = (file){.data = malloc(size > 0 ? (size_t)size : 1), .size = size > 0 ? (unsigned long)size : 0};
    int whole = f->data && size > 0 && fread(f->data, 1, (size_t)size, in) == (size_t)size;
    fclose(in);
    return whole;
}

/* Keeps the files that can be decoded; returns how many. */
static int read_folder(file *files, const char *folder, unsigned shrink, JSAMPROW row)
{
    DIR *dir = opendir(folder);
    int count = 0;
    for (struct dirent *entry; dir && count < MOST_FILES && (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && read_file(&files[count], folder, entry->d_name))
            count += decode(&files[count], shrink, row);
    if (dir) closedir(dir);
    return count;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static file files[MOST_FILES];
    static JSAMPLE row[MOST_ROW];
    unsigned shrink = argc > 2 ? (unsigned)atoi(argv[2]) : 8;
    int count = argc > 1 ? read_folder(files, argv[1], shrink, row) : 0;
    if (count == 0) {
        fprintf(stderr, "usage: bench_jpeg_decode FOLDER [8|4|2|1], with JPEGs directly in FOLDER\n");
        return 2;
    }
    double rates[PASSES];
    for (int pass = 0; pass < PASSES; pass++) {
        double began = seconds_now();
        for (int i = 0; i < count; i++) decode(&files[i], shrink, row);
        rates[pass] = count / (seconds_now() - began);
    }
    qsort(rates, PASSES, sizeof *rates, compare);
    printf("{\"images_per_s\":%.1f,\"pictures\":%d,\"shrink\":%u}\n", rates[PASSES / 2], count, shrink);
    return 0;
}
