/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_VERIFY_SERVING_H
#define STILLPOINT_VERIFY_SERVING_H

#include "agent/daemon/verify_program.h"
#include "agent/daemon/verify_server.h"
#include "hooks/db.h"

/* Between the parts of verify_server.h. */

/* One server at work. */
struct verify_serving {
    const struct verify_server *ask;
    const struct backup_database *written; /* the manifest's, NULL: places and settings */
    struct verify_program program;
    struct copy_serving serving;
    struct db *db;
    json_t *facts;
};

enum { VERIFY_SERVING_NAME_BYTES = 160, VERIFY_SERVING_QUESTION_MS = 60000 };

/* "server mysql": of a check, into NAME (VERIFY_SERVING_NAME_BYTES); returns it. */
const char *verify_serving_name(const struct verify_serving *serving, const char *what, char *name);

#endif
