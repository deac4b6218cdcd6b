/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_LEASE_H
#define STILLPOINT_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/deadline.h"
#include "agent/base/err.h"
#include "agent/guard/guard_wire.h"

/* The daemon's end of the guard's socket. One connection is one `struct lease`; worker thread only.
 * Closing it (also by dying) makes the guard thaw whatever it had frozen for us.
 *
 * Each call waits for the guard's answer until DEADLINE_MS (clock_boot_ms()) or a cancel. A call
 * that did not get its answer leaves the conversation out of step: it closes the connection, so
 * that the guard lets go, and every later call is ERR_GUARD. */
struct lease;

/* *   false  ERR_GUARD: nobody answers at SOCKET_PATH, or another protocol version */
bool lease_open(const char *socket_path, int64_t deadline_ms, const struct cancel *cancel,
                struct lease **ret_lease, struct err *err);
void lease_close(struct lease *lease); /* NULL is fine */

bool lease_hello(struct lease *lease, int64_t deadline_ms, struct guard_reply_hello *ret_hello,
                 struct err *err);
/* The mount table as init sees it, appended to RET_TEXT. */
bool lease_mount_table(struct lease *lease, int64_t deadline_ms, struct buf *ret_text,
                       struct err *err);
/* What PATH is and where, symbolic links followed, also below directories closed to us.
 *   false  ERR_NOT_FOUND: no such file; ERR_DEADLINE: a dead network filesystem, likely */
bool lease_device_of(struct lease *lease, const char *path, int64_t deadline_ms,
                     struct guard_reply_device_of *ret_device, struct err *err);

/* From here no cancel ends a call: what is asked now belongs to the way out. NULL is fine. */
void lease_forget_cancel(struct lease *lease);
/* To be polled while nothing is asked of it: readable, or closed, means that the guard is away. -1:
 * the connection was lost before. */
int lease_fd(const struct lease *lease);

/* Adds a mount to what will be frozen, in order. DEV is "MAJ:MIN" in numbers.
 *   flags  GUARD_ADD_… */
bool lease_add_mount(struct lease *lease, const char *path, unsigned dev_major, unsigned dev_minor,
                     uint64_t mnt_id, uint32_t flags, int64_t deadline_ms, struct err *err);
/* Writes out what is dirty on mount INDEX. */
bool lease_sync(struct lease *lease, unsigned index, int64_t deadline_ms, int64_t *ret_took_us,
                struct err *err);
/* Hands over the manifest and has it written under each mount. A mount that can't take it (full,
 * read-only) is no failure: its errno is in ret_errnos[index].
 *   ret_errnos  GUARD_MOUNTS_MAX of them */
bool lease_write_manifest(struct lease *lease, const char *text, size_t len, int64_t deadline_ms,
                          int32_t *ret_errnos, struct err *err);

/* Freezes all added mounts until lease_thaw or LEASE_DEADLINE_MS. While this waits, a cancel or
 * deadline closes the connection and so lets go.
 *   ret_story  set whenever the guard answered, also on false
 *   false      nothing of ours is frozen (but for a FIFREEZE still running in the kernel, which
 *              the guard thaws as soon as it returns): ERR_BUSY frozen by somebody else (and left
 *              so); ERR_DEADLINE; ERR_PRECONDITION can't be frozen; ERR_GUARD */
bool lease_freeze(struct lease *lease, int64_t lease_deadline_ms,
                  struct guard_reply_lease *ret_story, struct err *err);
/* Thaws. Not cancellable: it is the way out. Good at any time, also when nothing is frozen.
 *   ret_story  what became of each mount; ret_story->whole is the proof
 *   false      ERR_GUARD: no answer; the guard thaws by itself at the lease's end at the latest */
bool lease_thaw(struct lease *lease, struct guard_reply_lease *ret_story, struct err *err);
/* Whether by STORY, the answer to a thaw, nothing of the lease keeps writers waiting any more.
 *   false  ERR_SYS: a mount could not be thawed; ERR_DEADLINE: the kernel is still at its freeze */
bool lease_all_loose(const struct lease *lease, const struct guard_reply_lease *story,
                     struct err *err);

/* The text for a mount's freeze_errno, with the remedy. Pure. */
bool lease_explain_freeze(const char *path, int freeze_errno, struct err *err);

#endif
