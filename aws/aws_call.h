/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_AWS_CALL_H
#define STILLPOINT_AWS_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/deadline.h"
#include "agent/base/err.h"
#include "aws/aws_error.h"
#include "aws/credentials.h"
#include "aws/http.h"
#include "aws/sigv4.h"

/* One signed call to an AWS service: sign, send, judge the answer, send again where that is safe
 * and of use. */

/* What the last call left; every field also where the call failed, as far as it is known. */
struct aws_outcome {
    char request_id[AWS_REQUEST_ID_BYTES]; /* "" where the service gave none */
    bool sent;                             /* the last send: the service may have acted on it */
    bool answered;                         /* a whole answer came, good or bad */
    bool reused;                           /* on a connection that was open before */
    int sends;                             /* requests that left us, retries included */
    int64_t begun_boot_us;                 /* as in struct http_answer, of the last send */
    int64_t begun_utc_us;
    int64_t sent_boot_us;
    int64_t sent_utc_us;
    int64_t answered_boot_us;
    int64_t answered_utc_us;
    struct aws_error error; /* of the last answer; http_status 0 where it was good */
};

struct aws_client; /* opaque; one thread at a time */

struct aws_client_options {
    const char *endpoint; /* "https://ec2.eu-west-1.amazonaws.com", no path; copied, as all below */
    const char *region;
    const char *service;             /* "ec2", "s3" */
    struct credentials *credentials; /* shared, borrowed for the client's life */
    const char *ca_bundle;           /* NULL: the system's */
    bool use_proxy;
    int connect_timeout_ms;  /* 0: 3 s */
    int request_timeout_ms;  /* of one send, the deadline allowing; 0: 20 s */
    size_t body_max_bytes;   /* 0: 8 MiB */
    int64_t (*utc_us)(void); /* NULL: clock_utc_us; for tests of the clock's correction */
};

/* false: ERR_CONFIG (endpoint is no URL, CA bundle can't be read), ERR_INTERNAL */
bool aws_client_open(const struct aws_client_options *options, struct aws_client **ret_client,
                     struct err *err);
void aws_client_free(struct aws_client *client);

struct aws_request {
    enum aws_kind kind;
    const char *action; /* "CreateSnapshots": for messages and the name of the missing right */
    enum sigv4_rules rules;
    const char *method, *path, *query;
    const struct http_header *headers; /* besides host and what signing adds */
    size_t header_count;
    const void *body;
    size_t body_len;
    int64_t min_valid_ms; /* keys must be valid so much longer than now */
    bool just_made; /* not found is tried again for up to 30 s: EC2 is eventually consistent */
};

/*   ret_body  the good (2xx) answer's body is added; its cap is the client's body_max_bytes
 *   true      also for DryRunOperation (the body is empty then)
 *   false     ERR_AWS, ERR_AWS_DENIED (names the IAM action), ERR_AWS_AUTH, ERR_AWS_THROTTLED,
 *             ERR_AWS_NOT_FOUND: refused, with code, message and request id in the text;
 *             ERR_NET, ERR_TLS, ERR_CREDENTIALS: never sent;
 *             ERR_SENT: outcome unknown (a 5xx to a call that may not be repeated, too);
 *             ERR_DEADLINE, ERR_CANCELLED, ERR_LIMIT, ERR_PROTOCOL: see aws_outcome(client)->sent
 */
bool aws_call(struct aws_client *client, const struct aws_request *request, int64_t deadline_ms,
              const struct cancel *cancel, struct buf *ret_body, struct err *err);

const struct aws_outcome *aws_outcome(const struct aws_client *client);
int64_t aws_sends(const struct aws_client *client);     /* requests sent since aws_client_open */
bool aws_client_alive(const struct aws_client *client); /* http_alive */

/* How far the service's clock was ahead of ours (in signing it is corrected for); 0 while it is
 * not known to be off. Callers warn. */
int64_t aws_clock_ahead_s(const struct aws_client *client);

#endif
