/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_AWS_ERROR_H
#define STILLPOINT_AWS_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"

/* What AWS says when it refuses, and what follows from it. Pure; any thread. */

/* What may be done a second time. */
enum aws_kind {
    AWS_SAFE,       /* reads: everything that passes is tried again */
    AWS_IDEMPOTENT, /* has a client token, or twice is the same as once (CreateTags, Delete…) */
    AWS_ONCE_SENT,  /* twice makes two (CreateSnapshots, RegisterImage): again only where it was
                       certainly not acted on: not sent, or refused by name (throttling) */
    AWS_SINGLE      /* in a hold: one send, on the kept connection, keys as they are, no retry */
};

/* What an error code means for us: a table in aws_error.c. */
enum aws_class {
    AWS_CLASS_NEVER,    /* the request is wrong, or the state is: saying it again won't help */
    AWS_CLASS_RETRY,    /* 5xx and their codes: may have been acted on */
    AWS_CLASS_THROTTLE, /* refused before it was acted on */
    AWS_CLASS_CLOCK,    /* maybe our clock: see the answer's Date */
    AWS_CLASS_AUTH,     /* keys or token refused */
    AWS_CLASS_DENIED,   /* keys fine, the right is missing */
    AWS_CLASS_NOT_FOUND,
    AWS_CLASS_DRY_RUN_OK /* DryRunOperation */
};

enum { AWS_CODE_BYTES = 80, AWS_MESSAGE_BYTES = 400, AWS_REQUEST_ID_BYTES = 64 };

struct aws_error {
    int http_status;                 /* 0: no error answer (or none at all) */
    char code[AWS_CODE_BYTES];       /* "RequestLimitExceeded" */
    char message[AWS_MESSAGE_BYTES]; /* cut; printable */
    char request_id[AWS_REQUEST_ID_BYTES];
};

/* The class of a code; where the table lacks it, of the HTTP status. */
enum aws_class aws_classify(int http_status, const char *code);
/* Whether a call of KIND may be sent again after that. */
bool aws_may_retry(enum aws_kind kind, enum aws_class class);

/* Reads an error body (EC2's <Response>, S3's <Error>; of anything else the code is "HTTP 503"). */
void aws_parse_error(int http_status, const char *body, size_t len, struct aws_error *ret_error);

/* Makes an err of it, with code, message, request id, and where one is known a remedy.
 *   service, action  of the call ("ec2", "CreateSnapshots")
 *   who              whose rights are missing, for the remedy ("role stillpoint-node")
 *   kind             decides what a 5xx means: ERR_SENT where it may not be repeated
 * Returns false. */
bool aws_explain(const struct aws_error *error, enum aws_kind kind, const char *service,
                 const char *action, const char *who, struct err *err);

#endif
