/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/http_curl.h"

#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/point.h"

/* --- what curl calls --- */

static curl_socket_t open_socket(void *self, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http *http = self;
    struct exchange *now = http->now;

    (void)purpose;
    /* A second connection after bytes have left is curl's silent retry on a dead kept one. */
    if (now == NULL || now->request->no_new_connection || now->answer->sent) {
        if (now != NULL)
            now->refused_connect = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int close_socket(void *self, curl_socket_t fd)
{
    struct http *http = self;

    if (http->kept_fd == fd)
        http->kept_fd = -1;
    return close(fd);
}

#if LIBCURL_VERSION_NUM >= 0x073b00
static int start_resolver(void *resolver, void *reserved, void *self)
{
    struct http *http = self;
    struct exchange *now = http->now;

    (void)resolver;
    (void)reserved;
    if (now == NULL || (!now->request->no_new_connection && !now->answer->sent))
        return 0;
    if (now != NULL)
        now->refused_connect = true;
    return 1;
}
#endif

static int watch_bytes(CURL *easy, curl_infotype type, char *bytes, size_t len, void *self)
{
    struct http *http = self;
    struct exchange *now = http->now;

    (void)easy;
    if (now == NULL || (type != CURLINFO_HEADER_OUT && type != CURLINFO_DATA_OUT) || len == 0)
        return 0;
    /* What a proxy is told is not the request yet. */
    if (type == CURLINFO_HEADER_OUT && len > 8 && strncmp(bytes, "CONNECT ", 8) == 0)
        return 0;
    if (!now->answer->sent) {
        now->answer->sent = true;
        now->answer->begun_boot_us = now->perform_boot_us;
        now->answer->begun_utc_us = now->perform_utc_us;
    }
    now->answer->sent_boot_us = clock_boot_us();
    now->answer->sent_utc_us = clock_utc_us();
    if (type == CURLINFO_DATA_OUT && now->request->no_new_connection)
        point_reach("sent");
    return 0;
}

static size_t take_bytes(struct exchange *now, struct buf *buf, const char *bytes, size_t len,
                         const char *what)
{
    if (buf_add(buf, bytes, len, &now->err))
        return len;
    (void)err_wrap(&now->err, "%s", what);
    now->failed = true;
    return 0; /* ends the transfer with CURLE_WRITE_ERROR */
}

static size_t take_header(char *bytes, size_t size, size_t count, void *self)
{
    struct http *http = self;
    size_t len = size * count;

    if (len >= 5 && strncmp(bytes, "HTTP/", 5) == 0) {
        buf_clear(&http->now->answer->headers); /* only the last answer's, not those of a 100 */
        return len;
    }
    return take_bytes(http->now, &http->now->answer->headers, bytes, len, "the answer's headers");
}

static size_t take_body(char *bytes, size_t size, size_t count, void *self)
{
    struct http *http = self;

    return take_bytes(http->now, &http->now->answer->body, bytes, size * count, "the answer");
}

/* --- what curl is told --- */

/* curl frees the list without wiping, and tokens are in it. */
void http_curl_free_list(struct curl_slist *list)
{
    for (struct curl_slist *at = list; at != NULL; at = at->next)
        explicit_bzero(at->data, strlen(at->data));
    curl_slist_free_all(list);
}

static bool add_line(struct curl_slist **list, const char *line, struct err *err)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (longer == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    *list = longer;
    return true;
}

bool http_curl_make_list(const struct http_request *request, struct curl_slist **ret_list,
                         struct err *err)
{
    bool has_type = false;

    for (size_t i = 0; i < request->header_count; i++) {
        const char *name = request->headers[i].name, *value = request->headers[i].value;
        struct buf line = BUF_INIT(HTTP_HEADERS_MAX_BYTES);
        if (strpbrk(name, "\r\n:") != NULL || strpbrk(value, "\r\n") != NULL)
            return err_set(err, ERR_INTERNAL, 0, "a header with a line break in it");
        bool ok = buf_printf(&line, err, *value != '\0' ? "%s: %s" : "%s;%s", name, value) &&
                  add_line(ret_list, line.data, err);
        buf_wipe(&line);
        if (!ok)
            return false;
        has_type = has_type || strcasecmp(name, "Content-Type") == 0;
    }
    /* Without a value: curl leaves out what it would add by itself. */
    return add_line(ret_list, "Expect:", err) && add_line(ret_list, "Accept:", err) &&
           (has_type || add_line(ret_list, "Content-Type:", err));
}

static bool set_request(struct http *http, const struct http_request *request)
{
    CURL *easy = http->easy;
    bool body = request->body != NULL || strcmp(request->method, "POST") == 0 ||
                strcmp(request->method, "PUT") == 0;
    bool ok = curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK;

    if (strcmp(request->method, "HEAD") == 0)
        return ok && curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) == CURLE_OK;
    if (body)
        ok = ok &&
             curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len) ==
                 CURLE_OK &&
             curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "") ==
                 CURLE_OK;
    return ok && curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK;
}

/* What makes the connection: never different between two calls, or curl would not use it again. */
static bool set_connection(struct http *http)
{
    CURL *easy = http->easy;
    bool ok = true;

#define SET(option, value) ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)http->connect_timeout_ms);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, -1L); /* with a kept connection never a look-up */
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, http);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, http);
    SET(CURLOPT_USERAGENT, "stillpoint/" STILLPOINT_VERSION);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x073b00
    SET(CURLOPT_RESOLVER_START_FUNCTION, start_resolver);
    SET(CURLOPT_RESOLVER_START_DATA, http);
#endif
#if LIBCURL_VERSION_NUM >= 0x074000
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
#endif
#if LIBCURL_VERSION_NUM >= 0x074100
    SET(CURLOPT_MAXAGE_CONN, 24L * 3600); /* http_alive decides, not its age */
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_QUICK_EXIT, 1L); /* else a deadline waits for the resolver's thread */
#endif
    if (http->ca_bundle != NULL) {
        SET(CURLOPT_CAINFO, http->ca_bundle);
        SET(CURLOPT_CAPATH, NULL);
    }
    if (!http->use_proxy) {
        SET(CURLOPT_PROXY, ""); /* also against the environment */
        SET(CURLOPT_NOPROXY, "*");
    }
    return ok;
}

static bool set_callbacks(struct http *http, struct exchange *now, struct curl_slist *list)
{
    CURL *easy = http->easy;
    bool ok = true;

    /* curl takes a connection for alive on which TLS has said good-bye, and would write to it. */
    SET(CURLOPT_FRESH_CONNECT, now->fresh ? 1L : 0L);
    SET(CURLOPT_HTTPHEADER, list);
    SET(CURLOPT_ERRORBUFFER, now->said);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, http);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, http);
    SET(CURLOPT_DEBUGFUNCTION, watch_bytes);
    SET(CURLOPT_DEBUGDATA, http);
    SET(CURLOPT_VERBOSE, 1L); /* for watch_bytes alone: nothing is printed */
    return ok;
}
#undef SET

bool http_curl_set(struct http *http, struct exchange *now, struct curl_slist *list,
                   struct err *err)
{
    return (set_connection(http) && set_callbacks(http, now, list) &&
            set_request(http, now->request)) ||
           err_set(err, ERR_INTERNAL, 0, "curl refused an option");
}
