/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_FINISH_H
#define STILLPOINT_FINISH_H

#include "agent/daemon/cut.h"
#include "agent/daemon/work.h"

/* finish.c and, for the image, finish_image.c. After the node is free: the proof goes into the
 * tags, the snapshots are waited for, the image is made of them. Worker thread. */

/* Puts label, window, positions, device and mounts on every snapshot: one CreateTags a volume.
 * State `pending` from here.
 *   was  the tags that every snapshot has already and that need not be sent again */
bool finish_raise(struct work *work, const struct ec2_tags *was, int64_t deadline_ms,
                  struct err *err);
/* Waits until every snapshot is completed, telling the progress.
 *   ret_failed  one of them failed in EC2 (named): the set will never be whole
 *   false       so, or where that is false nothing more is known of them: they go on in EC2 */
bool finish_wait(struct work *work, int64_t deadline_ms, bool *ret_failed, struct err *err);
/* How the image will be made, once work->instance is known: an instance billed by product codes
 * needs CreateImage, since RegisterImage would lose them (aws-notes); one that booted by UEFI has
 * variables (Secure Boot's keys) that RegisterImage must be given. */
bool finish_is_billed(const struct work *work);
bool finish_needs_uefi_data(const struct work *work);
/* Registers the image from the set, or has EC2 make one where the instance is billed by product
 * code (labelled crash: it is another instant), and waits until it is available.
 *   false  no usable image (one that failed in EC2 is removed); the set itself stands */
bool finish_image(struct work *work, int64_t deadline_ms, struct err *err);
/* The two parts of it. The first makes it and does not wait (backup->image has its id); a name that
 * is taken is ERR_AWS with code InvalidAMIName.Duplicate: an earlier call has made it. The second
 * removes one that failed in EC2 (by backup->image.state), or tags it for the pruner. */
bool finish_make_image(struct work *work, int64_t deadline_ms, struct err *err);
void finish_drop_image(struct work *work, int64_t deadline_ms);

enum { FINISH_POLL_MS = 500 };
/* Sleeps *WAIT_MS, which grows from FINISH_POLL_MS to half a minute. False: ERR_DEADLINE,
 * ERR_CANCELLED. */
bool finish_nap(struct work *work, int64_t *wait_ms, int64_t deadline_ms, struct err *err);
/* Whether ERR of the last call passes by itself: EC2's list lags behind, the network is away for a
 * while, EC2 has trouble for longer than one call is tried again. */
bool finish_passes(const struct work *work, const struct err *err);
/* State `complete` on all of it. */
bool finish_complete(struct work *work, int64_t deadline_ms, struct err *err);

#endif
