/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_VERIFY_SERVER_H
#define STILLPOINT_VERIFY_SERVER_H

#include <jansson.h>

#include "agent/daemon/copy.h"
#include "agent/daemon/manifest.h"
#include "agent/daemon/verify_report.h"

/* One database of a set: a server of its kind started on the copy, its logs' end compared with what
 * was recorded, its tables checked. */

struct verify_server {
    struct job *job;
    struct copy *copy; /* all of the set is mounted */
    const struct backup *set;
    const struct manifest *manifest;        /* NULL: none was found that is the set's */
    const struct backup_database *database; /* of SET, or of MANIFEST where the tags have no room */
    bool deep;
    struct verify_report *report;
};

/* All of it into the report. Starts and ends the server.
 *   ret_json  what was found, in numbers: given to the caller; NULL without memory
 *   false     the session is over, or a cancel: there is no going on */
bool verify_server_judge(const struct verify_server *server, int64_t deadline_ms, json_t **ret_json,
                         struct err *err);

#endif
