/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_VERIFY_MANIFEST_H
#define STILLPOINT_VERIFY_MANIFEST_H

#include "agent/daemon/backup_record.h"
#include "agent/daemon/inventory_judge.h"
#include "agent/daemon/manifest.h"

/* What the tags of a set say, against what EC2 says of its members and what stands on its disks.
 * Pure. Findings are sentences, added to RET_FINDINGS; false: ERR_INTERNAL. */

/* What EC2 says of the members: each of another volume, all begun by one call.
 *   members  every snapshot of SET, in any order */
bool verify_members_judge(const struct backup *set, const struct set_member *members, size_t count,
                          struct strs *ret_findings, struct err *err);

/* The manifest at the root of a filesystem that the set claims to have frozen.
 *   volume  that it was found on: the source's id
 *   where   in words, for the sentences: "/dev/sdf (/var/lib/mysql)" */
bool verify_manifest_judge(const struct backup *set, const struct manifest *manifest,
                           const char *volume, const char *where, struct strs *ret_findings,
                           struct err *err);

#endif
