/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/comment.h"

#include <string.h>

void comment_cut(char *value)
{
    char *end = strpbrk(value, "#;");

    while (end != NULL && end != value && strchr(" \t", end[-1]) == NULL)
        end = strpbrk(end + 1, "#;");
    if (end == NULL)
        return;
    while (end > value && strchr(" \t", end[-1]) != NULL)
        end--;
    *end = '\0';
}
