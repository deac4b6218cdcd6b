/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HTTP_H
#define STILLPOINT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/deadline.h"
#include "agent/base/err.h"

/* One HTTP client, on libcurl: HTTP/1.1, http and https only, certificates verified, no redirects,
 * no cookies, no netrc. It keeps one connection, and never sends a request a second time by itself,
 * also not when a kept connection turns out to be dead (curl would). Programs ignore SIGPIPE: with
 * older versions of curl a peer that is gone raises it. */
struct http; /* opaque; one thread at a time */

struct http_options {
    const char *ca_bundle; /* PEM file that replaces the system's; NULL: the system's. Copied */
    bool use_proxy; /* http_proxy, https_proxy, no_proxy of the environment; never for IMDS */
    int connect_timeout_ms; /* name, TCP and TLS together; within the call's deadline */
    size_t body_max_bytes;  /* a larger answer is ERR_LIMIT */
};

struct http_header {
    const char *name;
    const char *value;
};

/* All borrowed for the call. */
struct http_request {
    const char *method; /* "GET", "PUT", "POST", "HEAD", "DELETE" */
    const char *url;
    const struct http_header *headers;
    size_t header_count;
    const void *body; /* NULL for none */
    size_t body_len;
    bool no_new_connection; /* in a hold: the kept connection or nothing; no DNS, no connect, no TLS
                             */
};

/* What is known is filled in on failure too: SENT is what a caller branches on after ERR_DEADLINE,
 * ERR_CANCELLED and ERR_LIMIT. */
struct http_answer {
    int status;            /* 0: no whole answer */
    struct buf body;       /* at most body_max_bytes */
    struct buf headers;    /* as received, "Name: value\r\n" each, of the last answer only */
    bool sent;             /* false: certainly nothing of the request reached the peer */
    bool reused;           /* on a kept connection */
    int64_t begun_boot_us; /* just before the first byte of the request went out; 0 where !sent */
    int64_t begun_utc_us;
    int64_t sent_boot_us; /* the last byte so far was handed to the kernel */
    int64_t sent_utc_us;
    int64_t answered_boot_us; /* the last byte of the answer was in; 0 without one */
    int64_t answered_utc_us;
};

/* false: ERR_INTERNAL, ERR_CONFIG (CA bundle can't be read) */
bool http_open(const struct http_options *options, struct http **ret_http, struct err *err);
void http_free(struct http *http);

/* One exchange, whatever the status says: 4xx and 5xx are answers, too, and return true.
 *   ret_answer  filled in both cases; the caller frees it (http_answer_free) in both
 *   false       ERR_NET  no connection (name, TCP, TLS handshake broken off), or
 *                        no_new_connection and none alive: not sent
 *               ERR_TLS  the peer's certificate is refused: not sent
 *               ERR_CONFIG the URL makes no sense: not sent
 *               ERR_SENT sent, and the connection broke before the whole answer was in
 *               ERR_DEADLINE, ERR_CANCELLED, ERR_LIMIT (answer too large), ERR_PROTOCOL (not HTTP):
 *                        ret_answer->sent tells whether the request may have been acted on
 *               ERR_INTERNAL */
bool http_send(struct http *http, const struct http_request *request, int64_t deadline_ms,
               const struct cancel *cancel, struct http_answer *ret_answer, struct err *err);
void http_answer_free(struct http_answer *answer);

/* Whether the connection that the last exchange left is still open, without touching it: asked
 * before a hold is begun. (That a router on the way has dropped it can't be seen from here.) */
bool http_alive(const struct http *http);

/* Copies the value of an answer's header (any case) into TEXT, cut to SIZE; "" and false where it
 * is not there. */
bool http_answer_header(const struct http_answer *answer, const char *name, char *text,
                        size_t size);

#endif
