/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/tree.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

void tree_make(struct tree *tree, const char *name)
{
    (void)snprintf(tree->root, sizeof(tree->root), "/tmp/stillpoint-%s.XXXXXX", name);
    assert_non_null(mkdtemp(tree->root));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void tree_remove(struct tree *tree)
{
    (void)nftw(tree->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

char *tree_path(const struct tree *tree, const char *path, char *text)
{
    (void)snprintf(text, TREE_PATH_BYTES, "%s/%s", tree->root, path);
    return text;
}

char *tree_print(char *text, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(text, TREE_PATH_BYTES, fmt, args);
    va_end(args);
    assert_in_range(len, 0, TREE_PATH_BYTES - 1);
    return text;
}

static void make_way(const struct tree *tree, const char *path)
{
    char whole[TREE_PATH_BYTES];

    (void)tree_path(tree, path, whole);
    for (char *slash = strchr(whole + strlen(tree->root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(whole, 0755);
        *slash = '/';
    }
}

void tree_folder(const struct tree *tree, const char *path)
{
    char whole[TREE_PATH_BYTES];

    make_way(tree, path);
    (void)mkdir(tree_path(tree, path, whole), 0755);
}

void tree_write(const struct tree *tree, const char *path, const char *text)
{
    char whole[TREE_PATH_BYTES];

    make_way(tree, path);
    (void)unlink(tree_path(tree, path, whole));
    int fd = open(whole, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
}

void tree_link(const struct tree *tree, const char *path, const char *target)
{
    char whole[TREE_PATH_BYTES], to[TREE_PATH_BYTES];

    make_way(tree, path);
    assert_int_equal(symlink(tree_path(tree, target, to), tree_path(tree, path, whole)), 0);
}
