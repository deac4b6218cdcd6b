/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_FINISH_H
#define STILLPOINT_FINISH_H

#include "agent/daemon/cut.h"
#include "agent/daemon/work.h"

/* After the node is free: the proof goes into the tags, the snapshots are waited for, the image is
 * made of them. Worker thread. */

/* Puts label, window, positions, device and mounts on every snapshot: one CreateTags a volume.
 * State `pending` from here. */
bool finish_raise(struct work *work, struct cut *cut, int64_t deadline_ms, struct err *err);
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
/* State `complete` on all of it. */
bool finish_complete(struct work *work, int64_t deadline_ms, struct err *err);

#endif
