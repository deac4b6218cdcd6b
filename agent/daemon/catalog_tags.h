/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CATALOG_TAGS_H
#define STILLPOINT_CATALOG_TAGS_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/base/tag.h"
#include "agent/daemon/backup_record.h"
#include "aws/ec2.h"

/* A backup as tags (INTERFACE.md, Tags). Pure.
 *
 * ret_tags is a set that ec2_tags_free can take ({0} at first); what it had is replaced. */

#define CATALOG_OURS "stillpoint:" /* every key of ours begins so */

/* On what was made of a backup: its id. Never stillpoint:id, which is on its own snapshots and
 * image alone: snapshots that somebody's lifecycle rule makes of such a volume may get its tags. */
#define CATALOG_TAG_FROM CATALOG_OURS "restored-from"

enum { CATALOG_DATABASES_MAX = 3 }; /* that have tags; the manifest has all */

/* What every snapshot and the image of the set carry alike; what is not known yet has no tag. For
 * the one TagSpecification of CreateSnapshots, and again after the proof. Names: those of
 * INTERFACE.md and stillpoint:asked, :timing, :shortfall, :left-out, :database, :source,
 * :image (the method) and :launch (launch_facts.h).
 * A database that was not held has :files in place of positions: where its files lie, and what a
 * server needs to know of them.
 * A second database's have its name behind: stillpoint:binlog:NAME.
 *   false  ERR_LIMIT: more than TAG_OWN_MAX own tags; ERR_INTERNAL */
bool catalog_tags_common(const struct backup *backup, struct ec2_tags *ret_tags, struct err *err);
/* What is this volume's alone: stillpoint:device, :mounts, Name. */
bool catalog_tags_of_volume(const struct backup *backup, const char *volume,
                            struct ec2_tags *ret_tags, struct err *err);
/* Those of NOW that WAS has not or has otherwise: what CreateTags must send. */
bool catalog_tags_changed(const struct ec2_tags *was, const struct ec2_tags *now,
                          struct ec2_tags *ret_tags, struct err *err);
/* Adds or replaces. The value is cut to TAG_VALUE_CHARS_MAX, its last character then "…". */
bool catalog_tags_put(struct ec2_tags *tags, const char *key, const char *value, struct err *err);

#endif
