/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CATALOG_TAGS_READ_H
#define STILLPOINT_CATALOG_TAGS_READ_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/daemon/backup_record.h"
#include "aws/ec2.h"

/* The way back from tags (catalog_tags.h writes them) to facts. Pure. */

/* Fills in what BACKUP does not know yet from the tags of one of its resources; VOLUME is the
 * snapshot's, NULL for an image. A value that can't be read is passed over: a fact that is absent.
 *   false  ERR_INTERNAL */
bool catalog_tags_read(const struct ec2_tags *tags, const char *volume, struct backup *backup,
                       struct err *err);

#endif
