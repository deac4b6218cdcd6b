/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ROLLBACK_CLOUD_H
#define STILLPOINT_ROLLBACK_CLOUD_H

#include "agent/daemon/rollback.h"

/* What a rollback has in EC2: looked at, said how far it is, taken away. Each looks first and then
 * acts, so that it may be called again after whatever interrupted it. All but rollback_read are for
 * the job that has the node. */

/* What the tags say: of the instance (which is asked for anew), and of the volumes; and how it
 * ends, where the record has that. That there is none, `status` tells from then on, too.
 *   ret_there  false: there is no rollback, rollback->state is untouched
 *   false      also ERR_PRECONDITION: a later version's, or another's value */
bool rollback_read(struct rollback *rollback, int64_t deadline_ms, bool *ret_there,
                   struct err *err);
/* The two parts of it; what is seen of the volumes, `status` tells from then on. After a failure
 * what was known before stands. */
bool rollback_see_instance(struct rollback *rollback, int64_t deadline_ms, struct err *err);
bool rollback_look(struct rollback *rollback, int64_t deadline_ms, struct err *err);
/* This instance's id. */
const char *rollback_instance(const struct rollback *rollback);
/* Of role ROLE at DEVICE; NULL. */
struct rollback_volume *rollback_find(const struct rollback *rollback, enum rollback_role role,
                                      const char *device);
bool rollback_is_root(const struct rollback *rollback, const struct rollback_volume *volume);
/* The root volume of the instance, by the last look at it; "" */
const char *rollback_root_volume(const struct rollback *rollback);

/* The step into the tag of the instance: before what it announces. */
bool rollback_enter(struct rollback *rollback, enum rollback_step step, struct err *err);
/* Says how it ends, in the record that is left of it (rollback_last.h); WHY: "" where a person
 * wanted it so. What can't be written is logged. */
void rollback_ends_as(struct rollback *rollback, enum rollback_outcome outcome, const char *why);
/* It is over: the instance's tag goes, the record stays. */
bool rollback_leave(struct rollback *rollback, struct err *err);

/* Deletes the volumes of ROLE that are attached to nothing; one that is attached is left, which is
 * an error.
 *   ret_count  how many went */
bool rollback_delete(struct rollback *rollback, enum rollback_role role, int64_t deadline_ms,
                     size_t *ret_count, struct err *err);
/* Takes our tags off the volume: all, or those of its mounts alone. */
bool rollback_drop_tags(struct rollback *rollback, const char *volume_id, bool all,
                        int64_t deadline_ms, struct err *err);
/* Takes our tags off the volumes of ROLE. */
bool rollback_untag(struct rollback *rollback, enum rollback_role role, int64_t deadline_ms,
                    struct err *err);
/* The set's snapshots are not in use any more. */
bool rollback_untag_set(struct rollback *rollback, int64_t deadline_ms, struct err *err);

#endif
