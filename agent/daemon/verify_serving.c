/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/verify_serving.h"

#include <stdio.h>

const char *verify_serving_name(const struct verify_serving *serving, const char *what, char *name)
{
    const char *own = serving->ask->database->name;

    (void)snprintf(name, VERIFY_SERVING_NAME_BYTES, "%s %.100s", what, own ? own : "database");
    return name;
}
