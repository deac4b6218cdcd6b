/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HTTP_CURL_H
#define STILLPOINT_HTTP_CURL_H

#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>

#include "aws/http.h"

/* What curl is told for an exchange, and what it calls meanwhile. For http.c only. */

enum { HTTP_HEADERS_MAX_BYTES = 64 * 1024 };

/* What the callbacks of one http_send know. */
struct exchange {
    const struct http_request *request;
    struct http_answer *answer;
    int64_t perform_boot_us; /* before curl was given the thread: earlier than any byte it sends */
    int64_t perform_utc_us;
    bool fresh;           /* no connection that is alive: curl is not to look for one */
    bool refused_connect; /* curl wanted a connection that it must not make */
    bool failed;          /* a callback ended the exchange, err says why */
    struct err err;
    char said[CURL_ERROR_SIZE];
};

struct http {
    CURLM *multi;
    CURL *easy;
    char *ca_bundle;
    bool use_proxy;
    int connect_timeout_ms;
    size_t body_max_bytes;
    int kept_fd;          /* of the connection that is kept; -1: none */
    struct exchange *now; /* while http_send runs */
};

/* The request's headers as curl wants them, without those that it would add by itself.
 * RET_LIST begins as NULL and is freed by http_curl_free_list, which wipes, in both cases. */
bool http_curl_make_list(const struct http_request *request, struct curl_slist **ret_list,
                         struct err *err);
void http_curl_free_list(struct curl_slist *list);

/* Sets all options for the exchange, on a handle that was reset.
 *   now, list  borrowed until the handle is reset again */
bool http_curl_set(struct http *http, struct exchange *now, struct curl_slist *list,
                   struct err *err);

#endif
