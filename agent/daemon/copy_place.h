/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_COPY_PLACE_H
#define STILLPOINT_COPY_PLACE_H

#include "agent/daemon/backup_record.h"
#include "agent/daemon/loan_record.h"
#include "agent/hookrun/copy_wire.h"

/* Which of the things that were found on volumes made from a set is which of its mounts. Pure. */

struct place {
    const struct backup_mount *mount; /* borrowed */
    uint32_t item;                    /* index among the session's items */
    const struct loan_volume *volume; /* borrowed; that it lies on, the first */
};

struct places {
    struct place *list; /* outer mounts before inner ones */
    size_t count;
    struct strs missing; /* sentences: mounts that nothing found can be */
};

/* By the place that was recorded; for an older set, which has none, by the type: the only
 * filesystem of the mount's type on its volume, and of several the largest.
 *   mounts, mount_count  of the manifest where there is one (it knows places), else of the tags
 *   loan                 in the order in which the devices were added to the session. Mounts none
 *                        of whose volumes are of it are passed over
 *   ret_places           places_free */
bool places_find(const struct backup_mount *mounts, size_t mount_count, const struct loan *loan,
                 const struct copy_item *items, size_t item_count, struct places *ret_places,
                 struct err *err);
void places_free(struct places *places); /* idempotent */

/* "/dev/sdf (/var/lib/mysql)" into TEXT, 400 bytes; returns TEXT. */
enum { PLACE_WORDS_BYTES = 400 };
char *place_words(const struct place *place, char *text);

#endif
