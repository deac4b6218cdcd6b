/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_COPY_H
#define STILLPOINT_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/deadline.h"
#include "agent/base/err.h"
#include "agent/hookrun/copy_wire.h"

/* The daemon's end of a copy session (copy_wire.h): volumes made from a backup, attached and used
 * by nobody, are looked at, checked, mounted where only the session sees it, served by a private
 * database server, copied from. One `struct copy` is one session; worker thread only.
 *
 * Each call waits until DEADLINE_MS (clock_boot_ms()) or a cancel (CANCEL may be NULL). A call that
 * did not get its answer has closed the connection, which ends the session and all it made; every
 * later call is ERR_HOOK then, but for copy_close. What the session refuses leaves it usable.
 *
 * Everywhere: false ERR_HOOK stillpoint-hook is not there, went away, or speaks another version;
 * ERR_DEADLINE, ERR_CANCELLED; ERR_SYS something that root called failed; ERR_LIMIT more than a
 * session takes; ERR_USAGE, ERR_INTERNAL a call that makes no sense. */
struct copy;

struct copy_config {
    const char *socket; /* config->hook_socket */
    const char *backup; /* its id */
    enum copy_purpose purpose;
    const char *destination; /* of COPY_FILES; NULL else */
    int64_t end_ms;          /* of the whole session; root caps it at COPY_SESSION_MS_MAX */
};

/* Opens a session.
 *   ret_copy  the caller's: copy_close, copy_free
 *   false     ERR_PRECONDITION: the destination is not as copy_wire.h wants it, with the remedy */
bool copy_open(const struct copy_config *config, int64_t deadline_ms, const struct cancel *cancel,
               struct copy **ret_copy, struct err *err);
/* Whether copy_open would be answered, and its destination do: asked of stillpoint-hook itself,
 * with a process of its own, so that one that can't start is known, too. Nothing is made or
 * changed.
 *
 *   config   purpose and end_ms are not looked at; without a destination, backup is ""
 *   preview  what root's command line puts there first may be missing: marker, last folder
 *   false    as copy_open, each with the remedy; ERR_DEADLINE: it is there and does not answer;
 *            ERR_CANCELLED */
bool copy_ask(const struct copy_config *config, bool preview, int64_t deadline_ms,
              const struct cancel *cancel, struct err *err);
/* Everything away and known to be: the server ended, all unmounted, volume groups let go, the
 * devices free to be detached. Not cancellable: it is the way out. Idempotent.
 *   false  ERR_HOOK, ERR_DEADLINE: not known; the session ends by itself since the connection is
 *          closed, but a device may be in use for a moment still */
bool copy_close(struct copy *copy, int64_t deadline_ms, struct err *err);
void copy_free(struct copy *copy); /* closes without waiting; NULL is fine */

struct copy_device {
    const char *name; /* the kernel's: "nvme2n1" */
    unsigned dev_major, dev_minor;
    const char *volume; /* "vol-0…" */
};

/* Takes a device into the session and looks what is on it: copy_items has grown then, by at least
 * one item a device.
 *   false  ERR_BUSY: in use by the node; ERR_PRECONDITION: it is another device than DEVICE says */
bool copy_add_device(struct copy *copy, const struct copy_device *device, int64_t deadline_ms,
                     const struct cancel *cancel, struct err *err);
/* After all devices: gives the volume groups on them names (and UUIDs) of their own and activates
 * them; copy_items has grown by their logical volumes. Changes the volumes. Without any
 * COPY_ITEM_LVM it does nothing.
 *   false  ERR_HOOK with LVM's own words */
bool copy_find_groups(struct copy *copy, int64_t deadline_ms, const struct cancel *cancel,
                      struct err *err);
/* All that was found, in order; the index is what the calls below mean by ITEM. The texts are
 * printable. Borrowed until the next call that adds. */
const struct copy_item *copy_items(const struct copy *copy, size_t *ret_count);

/* The manifest at the root of ITEM, a filesystem.
 *   flags     COPY_REPLAY where it was not frozen, else 0
 *   ret_text  is added to; its cap must allow COPY_DATA_BYTES. From the disk: not to be trusted
 *   false     ERR_NOT_FOUND: it has none; ERR_PRECONDITION: can't be looked into (LUKS, …) */
bool copy_look(struct copy *copy, uint32_t item, uint32_t flags, int64_t deadline_ms,
               const struct cancel *cancel, struct buf *ret_text, struct err *err);

struct copy_check {
    bool clean;
    int exit_code;   /* of the checker; 0 where it is clean */
    char text[2048]; /* the end of what it said, printable */
};

/* Checks ITEM's filesystem without changing it (but for COPY_REPLAY, which has it mounted and
 * unmounted first). It must not be mounted. A filesystem that is not clean is no failure of the
 * call.
 *   false  ERR_PRECONDITION: there is no checker for the type, or it is not installed */
bool copy_check(struct copy *copy, uint32_t item, uint32_t flags, int64_t deadline_ms,
                const struct cancel *cancel, struct copy_check *ret_check, struct err *err);

/* Mounts ITEM where the node had it, AT (absolute). Outer mounts first. With "/" among them (it
 * must come first) the copy's own programs serve it; without it the node's.
 *   flags  COPY_WRITABLE or 0
 *   false  ERR_PRECONDITION: it can't be mounted: the kernel's reason in words; ERR_LIMIT: that is
 *          not known, since the session has no room for it: not in such a place, whatever is on it,
 *          or not one more */
bool copy_mount(struct copy *copy, uint32_t item, const char *at, uint32_t flags,
                int64_t deadline_ms, const struct cancel *cancel, struct err *err);

/* The database servers that are installed, the copy's own or the node's.
 *   ret_text  is added to: lines "path<TAB> Ver 9.7.4-2 for Linux…", of what each says to
 *             --version; cap COPY_DATA_BYTES. Not to be trusted
 *   false     ERR_PRECONDITION: none; ERR_DEADLINE: none that answered */
bool copy_list_programs(struct copy *copy, int64_t deadline_ms, const struct cancel *cancel,
                        struct buf *ret_text, struct err *err);

struct copy_server {
    const char *datadir; /* as on the node */
    const char *program; /* one of copy_list_programs */
    uint64_t memory_bytes;
    /* Lines "name=value\n" of what has to match the node; NULL: none. Names: copy_settings.h. */
    const char *settings;
};

struct copy_serving {
    bool ready;            /* false: it ended, or the deadline came; the fields below say how */
    int64_t recovery_us;   /* until it took connections */
    char socket[64];       /* connect there, from this process, while the session lasts */
    int exit_code, signal; /* of its end; -1, 0 where it had not ended */
};

/* Starts the server on the copy: no network, no grants (the socket is what only we have), no
 * replication, no events, nothing mended by itself, lowest priority. A server that does not start
 * is no failure of the call.
 *   deadline_ms  for its crash recovery, too; a cancel ends the session
 *   ret_log      is added to: what it has written since; cap COPY_DATA_BYTES. Not to be trusted
 *   false        ERR_PRECONDITION: no such program, or datadir or a setting is not on the copy */
bool copy_serve(struct copy *copy, const struct copy_server *server, int64_t deadline_ms,
                const struct cancel *cancel, struct copy_serving *ret_serving, struct buf *ret_log,
                struct err *err);

struct copy_stopped {
    bool by_itself; /* it crashed, before it was asked to end or while it did */
    int exit_code;  /* -1 where a signal ended it */
    int signal;
};

/* Ends the server; past three quarters of the time, by SIGKILL. True also where none runs.
 *   ret_log  as above: the rest of its log, the end of it where it is longer than the cap */
bool copy_stop(struct copy *copy, int64_t deadline_ms, const struct cancel *cancel,
               struct copy_stopped *ret_stopped, struct buf *ret_log, struct err *err);

/* Called about once a second. */
typedef void copy_progress_fn(void *context, const struct copy_progress *progress);

/* Copies PATHS (absolute, as on the node), with all that is below and mounted there, into the
 * destination, each at its own path below it: owners, modes, times, extended attributes, links,
 * holes. Links in PATHS are followed within the copy and never out of it; the last component is
 * taken as it is. All or nothing: where it fails the destination is empty again.
 *   false  ERR_NOT_FOUND: no such path on the copy; ERR_PRECONDITION: not enough room;
 *          ERR_HOOK: cp's own words */
bool copy_files(struct copy *copy, const char *const *paths, size_t count,
                copy_progress_fn *progress, void *context, int64_t deadline_ms,
                const struct cancel *cancel, struct copy_progress *ret_done, struct err *err);

#endif
