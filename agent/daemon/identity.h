/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_IDENTITY_H
#define STILLPOINT_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/deadline.h"
#include "agent/base/err.h"
#include "agent/daemon/config.h"
#include "aws/imds.h"

/* Who this node is: what the metadata service says, each time it matters. The state directory keeps
 * the instance id of the last time, so that a clone or a node restored from an image notices that
 * what lies there is somebody else's. */
struct identity {
    struct imds_document document;
    char dns_suffix[64]; /* "amazonaws.com" */
    char hostname[256];  /* the kernel's, for the tag :node */
};

/* Asks the metadata service.
 *   false  ERR_PRECONDITION with [aws] identity = none; ERR_IMDS, ERR_DEADLINE, ERR_CANCELLED */
bool identity_read(const struct config *config, int64_t deadline_ms, const struct cancel *cancel,
                   struct identity *ret_identity, struct err *err);

/* Whether EC2 has announced the instance's end: a spot notice to terminate it (meta-data/spot/
 * instance-action). One to stop or hibernate it is none: it comes back, and settles what it left.
 *   false  ERR_PRECONDITION: it has. A service that does not answer has announced nothing */
bool identity_stays(const struct config *config, int64_t deadline_ms, const struct cancel *cancel,
                    struct err *err);

/* Compares with STATE/identity.json and writes it anew where it differs or is not there; the one
 * before stays in it, for identity_came_from.
 *   ret_was   the instance id that stood there, "" for none or the same; IMDS_ID_BYTES
 *   false     ERR_SYS: the state directory can't be written (full, not ours), nothing is lost */
bool identity_remember(const struct identity *identity, const char *state_dir, char *ret_was,
                       struct err *err);

/* Whose state directory this was before it was INSTANCE's into RET_WAS (IMDS_ID_BYTES): its disk
 * came here with an image that was not sealed, or from a backup. "": nobody's that is known. */
void identity_came_from(const char *state_dir, const char *instance, char *ret_was);

#endif
