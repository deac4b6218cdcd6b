/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_COPY_ROOM_H
#define STILLPOINT_HOOKRUN_COPY_ROOM_H

#include <stdbool.h>
#include <stddef.h>

/* The place in which a copy session works: nobody outside sees what is mounted there, and it is
 * gone with the session's last process. */

/* Users, each with the group of its number. What reads the block devices has one that it shares
 * with nothing: above all that useradd, systemd and containers give out, and in no need of a name.
 * What is the copy's and has no user of its own runs as nobody, who may read none of them. */
enum { COPY_READER = 0x7ffffff0, COPY_NOBODY = 65534 };

/* Makes this process (1 of a new PID namespace) a mount, network, IPC and UTS namespace of its own,
 * with a root folder on a small tmpfs:
 *   - the node's programs, libraries and configuration: each folder of its / but those below, as
 *     they are on the filesystem of / (not what else is mounted in them, /usr excepted), read-only
 *   - nothing of its /boot, /home, /media, /mnt, /root, /srv and /var
 *   - /proc, /sys (read-only); /tmp and /run, empty; /dev with null, zero, full, random, urandom,
 *     and nothing of the node's devices
 *   - COPY_TREE, an empty folder
 *   false  errno, and *ret_what is what was called */
bool copy_room_enter(const char **ret_what);

/* Makes the block device node /dev/NAME, in place of what has that name. An errno, or 0. */
int copy_room_add_device(const char *name, unsigned dev_major, unsigned dev_minor);
/* Lets COPY_READER read the device node PATH. An errno, or 0. */
int copy_room_let_read(const char *path);

enum { COPY_ROOM_PLACES = 4 };

/* For a process whose root folder is the copy's: /proc and /dev as above, an empty /tmp (but not in
 * place of a link) and /run. Writes a mark to stdout for each that it has mounted, at once: it may
 * be killed, and the copy may have a mount of its own where it did not get to.
 *   returns  an errno, or 0; ELOOP: a link is there */
int copy_room_furnish(void);
/* Takes away what these marks are of. */
void copy_room_unfurnish(const char *marks, size_t count);

#endif
