/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a fuzz target once over each file of its corpus, without a fuzzer: the corpus as plain
 * tests, in any build (a sanitizer's too).
 *
 *   build/plain/tests/fuzz/fuzz_NAME [FILE or FOLDER...]     default: tests/fuzz/corpus/NAME
 *
 * Prints one line as a test does. A crash names its file, since that is printed beforehand. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX_BYTES = 4 * 1024 * 1024, PATH_BYTES = 4096 };

/* What each fuzz_NAME.c defines. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what, const char *path)
{
    printf("# %s %s: %s\n", what, path, strerror(errno));
    exit(1);
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail("open", path);
    char *bytes = malloc(FILE_MAX_BYTES);
    if (bytes == NULL)
        fail("memory for", path);
    size_t size = fread(bytes, 1, FILE_MAX_BYTES, file);
    if (ferror(file))
        fail("read", path);
    (void)fclose(file);

    /* A block of just that size, so that a sanitizer sees a read past its end. */
    char *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL)
        fail("memory for", path);
    memcpy(exact, bytes, size);
    free(bytes);

    printf("# %s\n", path);
    (void)fflush(stdout);
    (void)LLVMFuzzerTestOneInput((const uint8_t *)exact, size);
    free(exact);
}

static size_t run_path(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        fail("look at", path);
    if (!S_ISDIR(status.st_mode)) {
        run_file(path);
        return 1;
    }

    struct dirent **names = NULL;
    int count = scandir(path, &names, NULL, alphasort);
    if (count < 0)
        fail("list", path);
    size_t done = 0;
    for (int i = 0; i < count; i++) {
        char full[PATH_BYTES];
        if (names[i]->d_name[0] != '.') {
            (void)snprintf(full, sizeof(full), "%s/%s", path, names[i]->d_name);
            done += run_path(full);
        }
        free(names[i]);
    }
    free(names);
    return done;
}

int main(int argc, char **argv)
{
    char folder[PATH_BYTES];
    const char *base = strrchr(argv[0], '/');
    base = base != NULL ? base + 1 : argv[0];
    const char *name = strncmp(base, "fuzz_", 5) == 0 ? base + 5 : base;
    size_t done = 0;

    if (argc < 2) {
        (void)snprintf(folder, sizeof(folder), "tests/fuzz/corpus/%s", name);
        done = run_path(folder);
    }
    for (int i = 1; i < argc; i++)
        done += run_path(argv[i]);

    if (done == 0) {
        printf("not ok - %s has no corpus\n", base);
        return 1;
    }
    printf("ok - %s takes the %zu files of its corpus\n", base, done);
    return 0;
}
