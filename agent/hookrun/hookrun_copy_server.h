/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_COPY_SERVER_H
#define STILLPOINT_HOOKRUN_COPY_SERVER_H

#include "agent/hookrun/hookrun_copy_session.h"

/* The private database server on the copy: SERVE, STOP.
 *   - runs as the datadir's owner (never root, nor with root's group, nor what reads the disks),
 *     with the copy's programs where the copy has a root folder, else the node's; a program of
 *     root's that root alone can write
 *   - no options file; no network, no grants, no replication, no events; keeps every binary log,
 *     and mends no table by itself
 *   - idle CPU and I/O priority; a buffer pool of a quarter of memory_bytes, a bound of
 *     memory_bytes and 512 MiB on what it may reserve; the first for the OOM killer
 *   - its log is its stderr: what it says goes with the replies, once */

/* Starts it and waits until it says that it is ready. */
enum copy_status copy_server_start(struct copy_session *session, int64_t deadline_ms);
/* SIGTERM, and for the last quarter of the time SIGKILL. COPY_OK also where none runs. */
enum copy_status copy_server_stop(struct copy_session *session, int64_t deadline_ms);
/* The folder of its socket, for the client to connect by; -1. */
int copy_server_open_folder(const struct copy_session *session);

#endif
