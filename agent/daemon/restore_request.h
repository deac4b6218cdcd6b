/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_RESTORE_REQUEST_H
#define STILLPOINT_RESTORE_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"
#include "aws/ec2_describe.h"
#include "aws/ec2_volumes.h"

/* What `restore instance` is asked for. Pure. */

/* NULL: not given, so as the original has it. All borrowed from the request's arguments. */
struct restore_request {
    const char *id;
    const char *type, *subnet, *zone, *key_name, *profile, *private_ip, *name;
    const char *groups[EC2_SECURITY_GROUPS_MAX];
    size_t group_count;
    const json_t *tags;    /* {"K":"V"} */
    const char *user_data; /* base64; "": none at all */
    bool replace;          /* of a node that is there, its name and address may be taken */
    bool another;          /* one more, though the same command was given before */
    bool wait;             /* until it runs */
    bool dry_run;
};

/*   false  ERR_USAGE with the accepted form */
bool restore_request_read(const json_t *args, struct restore_request *ret_request, struct err *err);

/* TEXT is NULL, or begins with START and has of CHARACTERS one or more behind it, fewer than BYTES
 * in all.
 *   form   as it may be written, for the remedy
 *   false  ERR_USAGE by the option's name */
bool restore_text_check(const char *option, const char *text, const char *start,
                        const char *characters, size_t bytes, const char *form, struct err *err);

/* The client token of the launch: the same for the same set and the same options, so that the
 * command given again is the same launch; random with `another`.
 *   token  EC2_CLIENT_TOKEN_MAX + 1 */
bool restore_request_token(const json_t *args, const struct restore_request *request,
                           const char *backup_id, char *token, struct err *err);

#endif
