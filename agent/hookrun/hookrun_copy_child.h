/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_COPY_CHILD_H
#define STILLPOINT_HOOKRUN_COPY_CHILD_H

#include "agent/hookrun/hookrun_copy_session.h"

/* The processes of a copy session. Whatever may take long, or read what a disk holds, is done by
 * one, so that the session hears its client meanwhile. */

/* Runs in the child; an errno, or 0. */
typedef int copy_child_body(void *context);

/* Forks a child that runs BODY: own session, signals as new, no descriptor of ours but KEEP_FD (-1:
 * none) and 0 (/dev/null), 1 and 2 (CHILD's text), no new privileges, the first for the OOM killer.
 *   false  errno: it could not be started */
bool copy_child_start(struct copy_child *child, struct copy_text *text, copy_child_body *body,
                      void *context, int keep_fd);

/* Takes in what CHILD has written; what comes of a signalfd's SIGCHLD. */
void copy_child_drain(struct copy_child *child);
void copy_child_reap(struct copy_session *session);
void copy_child_forget(struct copy_child *child); /* closes what is open; after its death */

/* ---- one at a time, as session->tool ---- */

/* Runs BODY, or a program with its absolute path in ARGS[0], and waits for its end.
 *   returns  COPY_OK: it ended, how stands in session->tool; COPY_DEADLINE: killed at it;
 *            COPY_FAILED: could not be started. Said in the reply where it isn't COPY_OK */
enum copy_status copy_child_call(struct copy_session *session, copy_child_body *body, void *context,
                                 int64_t deadline_ms);
enum copy_status copy_child_run(struct copy_session *session, const char *const *args,
                                int64_t deadline_ms);
/* The same as copy_child_run for a program that only reads our devices: as COPY_READER, so that a
 * disk which means harm finds nothing of root's in it. */
enum copy_status copy_child_read(struct copy_session *session, const char *const *args,
                                 int64_t deadline_ms);
/* The same as copy_child_call, with TICK about once a second. */
enum copy_status copy_child_watch(struct copy_session *session, copy_child_body *body,
                                  void *context, void (*tick)(struct copy_session *),
                                  int64_t deadline_ms);
/* Ends whatever processes are left in the session, and waits for their end: what a foreign program
 * has started outlives it, keeps the copy in use, and could change it while root works on it. For
 * when nothing of ours is to run. */
void copy_child_end_all(struct copy_session *session);
/* Did session->tool exit with 0? */
bool copy_child_succeeded(const struct copy_child *child);

/* The absolute path of a system's program; NULL: not installed (said in the reply). */
const char *copy_child_find(struct copy_session *session, const char *name, char *path,
                            size_t bytes);

/* ---- in the child ---- */

/* Becomes the user, with one group, for good. An errno, or 0. */
int copy_child_become(uid_t uid, gid_t gid);
/* Becomes the program. An errno. */
int copy_child_exec(const char *const *args);

#endif
