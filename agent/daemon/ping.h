/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_PING_H
#define STILLPOINT_PING_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/secret.h"
#include "agent/daemon/quiet.h"

/* The dead-man's switch, as Healthchecks and its kin have it: POST to URL/start, URL, URL/fail,
 * with a few lines of text. By a thread of its own, in the order of what happened, each a few times
 * at most; nobody waits for it, and what does not get through is dropped: the watcher then hears
 * nothing, which is an alarm as well. Never while the node is held. The URL's path is a secret and
 * in no message. */
struct ping; /* opaque; any thread */

enum ping_kind { PING_START, PING_SUCCESS, PING_FAIL };
const char *ping_kind_name(enum ping_kind kind); /* "start", "success", "fail". Static */

enum { PING_BODY_BYTES = 1024 };

/*   url    copied; quiet  borrowed
 *   false  ERR_SYS, ERR_INTERNAL */
bool ping_open(const struct secret *url, struct quiet *quiet, struct ping **ret_ping,
               struct err *err);
/* Comes back at once.
 *   id    of the backup: its end takes the place of its start, where that was not sent yet
 *   body  copied, cut to PING_BODY_BYTES */
void ping_add(struct ping *ping, enum ping_kind kind, const char *id, const char *body);
/* A hold is about to begin: what is being sent is broken off, starts are dropped, ends are sent
 * after it. Just after quiet_hold. */
void ping_hush(struct ping *ping);
struct ping_told {
    int64_t at_utc_us; /* 0: nothing was sent yet */
    enum ping_kind kind;
    struct err err; /* of the last that was sent or dropped; ERR_NONE: it got through */
};
void ping_tell(struct ping *ping, struct ping_told *ret_told);
/* Sends what is left, for three seconds at most; then ends the thread and frees.
 *   false  it hangs (in a look-up of the name): thread and memory go with the process */
bool ping_close(struct ping *take_ping);

#endif
