/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_COPY_FILES_H
#define STILLPOINT_HOOKRUN_COPY_FILES_H

#include "agent/hookrun/hookrun_copy_session.h"

/* FILES: copies paths of the copy into the destination, with cp -a: owners, modes, times, extended
 * attributes and access lists, hard links (among all the paths of a request), holes. First into
 * COPY_PARTIAL_NAME, and from there, when all are there and on the disk, to their places; the
 * marker goes before that. Whatever fails, the destination is as it was. A session does it once. */
enum copy_status copy_files_run(struct copy_session *session, int64_t deadline_ms);

#endif
