/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_SIGV4_H
#define STILLPOINT_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/base/secret.h"

/* AWS Signature Version 4, header form. Pure: no I/O, no clock; any thread.
 *
 *   Authorization: AWS4-HMAC-SHA256 Credential=AKID/20150830/eu-west-1/ec2/aws4_request,
 *                  SignedHeaders=content-type;host;x-amz-date, Signature=5d67…
 */

enum { SIGV4_HEX_BYTES = 65, SIGV4_DATE_BYTES = 17 };

struct sigv4_header {
    const char *name; /* any case */
    const char *value;
};

enum sigv4_rules {
    SIGV4_GENERAL = 0,  /* the path is encoded once more than on the wire, and normalised */
    SIGV4_NO_NORMALIZE, /* the same, but "/a/../b" and "//" stay */
    SIGV4_S3            /* the path counts as it is on the wire; x-amz-content-sha256 is added */
};

struct sigv4_key {
    const char *access_key_id;
    const struct secret *secret_key;
    const struct secret *session_token; /* NULL or not set: none */
};

/* All borrowed. Host must be among the headers; x-amz-date, x-amz-security-token and (S3)
 * x-amz-content-sha256 are added here unless the list has them. */
struct sigv4_request {
    enum sigv4_rules rules;
    const char *method;
    const char *path;  /* as it goes over the wire, "/" at least; "" counts as "/" */
    const char *query; /* without '?'; NULL or "" for none */
    const struct sigv4_header *headers;
    size_t header_count;
    const void *body;
    size_t body_len;
    bool add_content_sha256; /* x-amz-content-sha256, also without SIGV4_S3 */
    const char *region, *service;
    int64_t utc_s; /* the time that is signed */
};

/* What has to be added to the request, and the steps for tests. Freed by sigv4_free, which wipes.
 */
struct sigv4_signed {
    char date[SIGV4_DATE_BYTES];       /* X-Amz-Date */
    char body_sha256[SIGV4_HEX_BYTES]; /* X-Amz-Content-Sha256 (S3) */
    char signature[SIGV4_HEX_BYTES];
    struct buf canonical_request;
    struct buf string_to_sign;
    struct buf authorization; /* the value of the header Authorization */
};

/* false: ERR_LIMIT (more than 64 headers or parameters, more than 1 MiB), ERR_INTERNAL;
 * RET_SIGNED is then freed and empty. */
bool sigv4_sign(const struct sigv4_request *request, const struct sigv4_key *key,
                struct sigv4_signed *ret_signed, struct err *err);
void sigv4_free(struct sigv4_signed *what);

/* Percent-encodes all but A-Z a-z 0-9 - . _ ~ (and '/' where KEEP_SLASH), upper-case hex. */
bool sigv4_encode(struct buf *out, const char *text, size_t len, bool keep_slash, struct err *err);

#endif
