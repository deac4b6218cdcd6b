/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_VERIFY_H
#define STILLPOINT_VERIFY_H

#include "agent/daemon/copy_tree.h"
#include "agent/daemon/loan.h"
#include "agent/daemon/verify_report.h"
#include "agent/daemon/whole_set.h"

/* The straight line of a verify (verify.c), and its look at the copy (verify_copy.c). Worker
 * thread; beside backups, one at a time. */

struct verify {
    struct job *job;
    struct work work;
    const char *id; /* as asked */
    bool deep, again, dry_run;
    bool judged; /* a verdict was written */
    int64_t deadline_ms, begun_ms;
    struct whole_set set;
    struct loan loan;
    struct copy_tree tree;
    struct verify_report report;
    json_t *databases;
};

/* Members, manifests, filesystems and servers, all into the report: verify->loan is attached and
 * found, verify->tree knows set and loan. Leaves the session open for the caller to close.
 *   false  it could not be done to the end; what was found until then is in the report */
bool verify_copy_judge(struct verify *verify, struct err *err);

#endif
