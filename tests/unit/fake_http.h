/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_FAKE_HTTP_H
#define STILLPOINT_FAKE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

/* A scripted HTTP or HTTPS peer on 127.0.0.1, in a thread of its own. It answers the n-th request
 * with the n-th step, whatever connection it comes on, one connection at a time; after the last
 * step it closes what it has and refuses. Any mistake of its own aborts the test. */
struct fake_http;

enum fake_end {
    FAKE_KEEP,         /* answers, and waits for the next request on the connection */
    FAKE_CLOSE,        /* answers, then closes in order */
    FAKE_CUT,          /* answers, then resets */
    FAKE_RESET,        /* reads the request and resets, no answer */
    FAKE_HANG,         /* reads the request and answers never */
    FAKE_SPLIT,        /* answers in pieces of 7 bytes, then FAKE_KEEP */
    FAKE_RESET_CONNECT /* resets the connection before TLS and request: takes a step, no request */
};

struct fake_step {
    const char *answer; /* the whole of it, status line to body; borrowed; NULL: none */
    enum fake_end end;
    int delay_ms;     /* before the answer */
    size_t pad_bytes; /* so many 'x' behind the answer */
};

struct fake_http *fake_http_start(bool tls, const struct fake_step *steps, size_t count);
void fake_http_stop(struct fake_http *fake); /* ends the thread, frees all */

const char *fake_http_url(const struct fake_http *fake); /* "https://127.0.0.1:PORT", no path */
const char *fake_http_ca(
    const struct fake_http *fake);              /* path of a PEM file to trust; NULL without TLS */
int fake_http_requests(struct fake_http *fake); /* whole requests read so far */
int fake_http_connections(struct fake_http *fake); /* accepted so far */
/* The n-th request (from 0) as it came, head and body; "" if there was none. Until fake_http_stop.
 */
const char *fake_http_request(struct fake_http *fake, int n);

/* An answer made of status ("200 OK"), further headers ("A: b\r\n" each, or "") and body, with its
 * Content-Length. To be freed. */
char *fake_http_answer(const char *status, const char *headers, const char *body);

#endif
