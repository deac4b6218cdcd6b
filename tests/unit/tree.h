/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_TEST_TREE_H
#define STILLPOINT_TEST_TREE_H

/* A folder of a test's own with files in it. Every call fails the test where it fails. */

enum { TREE_PATH_BYTES = 512 };

struct tree {
    char root[64]; /* "/tmp/stillpoint-NAME.XXXXXX" */
};

void tree_make(struct tree *tree, const char *name);
void tree_remove(struct tree *tree);
/* Makes the folders on the way. Texts are written as they are, without a newline of ours. */
void tree_write(const struct tree *tree, const char *path, const char *text);
void tree_folder(const struct tree *tree, const char *path);
/* PATH becomes a link to TARGET, itself a path in the tree. */
void tree_link(const struct tree *tree, const char *path, const char *target);
/* The whole path, in TEXT (TREE_PATH_BYTES); returns TEXT. */
char *tree_path(const struct tree *tree, const char *path, char *text);

/* A text of a test's own making into TEXT (TREE_PATH_BYTES), which must hold it; returns TEXT. */
char *tree_print(char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
