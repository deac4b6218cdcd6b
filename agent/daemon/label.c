/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/label.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = {
    [LABEL_UNCONFIRMED] = "unconfirmed",
    [LABEL_CRASH] = "crash",
    [LABEL_FILESYSTEM] = "filesystem",
    [LABEL_APPLICATION] = "application",
};

const char *label_name(enum label label)
{
    return names[label];
}

bool label_parse(const char *text, enum label *ret_label)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_label = (enum label)i;
            return true;
        }
    }
    return false;
}

enum label label_lower(enum label a, enum label b)
{
    return a < b ? a : b;
}
