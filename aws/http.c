/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/http.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "agent/base/clock.h"

enum { HEADERS_MAX_BYTES = 64 * 1024 };

/* What the callbacks of one http_send know. */
struct exchange {
    const struct http_request *request;
    struct http_answer *answer;
    int64_t perform_boot_us; /* before curl was given the thread: earlier than any byte it sends */
    int64_t perform_utc_us;
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

/* --- opening --- */

static void init_curl(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool http_open(const struct http_options *options, struct http **ret_http, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT; /* older versions are not safe to do it twice */
    struct http *http = calloc(1, sizeof(*http));

    if (http == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    (void)pthread_once(&once, init_curl);
    http->kept_fd = -1;
    http->use_proxy = options->use_proxy;
    http->connect_timeout_ms = options->connect_timeout_ms;
    http->body_max_bytes = options->body_max_bytes;
    http->multi = curl_multi_init();
    http->easy = curl_easy_init();
    if (options->ca_bundle != NULL)
        http->ca_bundle = strdup(options->ca_bundle);
    if (http->multi == NULL || http->easy == NULL ||
        (options->ca_bundle != NULL && http->ca_bundle == NULL)) {
        http_free(http);
        return err_set(err, ERR_INTERNAL, 0, "cannot make an HTTP client");
    }
    if (http->ca_bundle != NULL && access(http->ca_bundle, R_OK) < 0) {
        (void)err_set(err, ERR_CONFIG, errno, "CA bundle %s", http->ca_bundle);
        (void)err_suggest(err, "check ca_bundle in [aws], and AWS_CA_BUNDLE");
        http_free(http);
        return false;
    }
    (void)curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 1L);
    *ret_http = http;
    return true;
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    if (http->easy != NULL)
        curl_easy_cleanup(http->easy);
    if (http->multi != NULL)
        (void)curl_multi_cleanup(http->multi); /* closes the kept connection: close_socket */
    free(http->ca_bundle);
    free(http);
}

void http_answer_free(struct http_answer *answer)
{
    buf_wipe(&answer->body); /* may hold a role's keys */
    buf_free(&answer->headers);
}

/* --- one exchange --- */

/* curl frees the list without wiping, and tokens are in it. */
static void free_list(struct curl_slist *list)
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

static bool make_list(const struct http_request *request, struct curl_slist **ret_list,
                      struct err *err)
{
    bool has_type = false;

    for (size_t i = 0; i < request->header_count; i++) {
        const char *name = request->headers[i].name, *value = request->headers[i].value;
        struct buf line = BUF_INIT(HEADERS_MAX_BYTES);
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

/* Until the transfer is over, the deadline or a cancel. RET_CODE on true. */
static bool run(struct http *http, int64_t deadline_ms, const struct cancel *cancel,
                CURLcode *ret_code, struct err *err)
{
    struct curl_waitfd extra = {.fd = cancel ? cancel->event_fd : -1, .events = CURL_WAIT_POLLIN};
    unsigned extra_count = extra.fd >= 0 ? 1 : 0;

    for (;;) {
        int running = 0, left_ms = 0, left_messages = 0, ready = 0;
        CURLMsg *message;
        if (cancel_asked(cancel))
            return err_set(err, ERR_CANCELLED, 0, "cancelled");
        if (!deadline_left_ms(deadline_ms, &left_ms, err))
            return false;
        http->now->perform_boot_us = clock_boot_us();
        http->now->perform_utc_us = clock_utc_us();
        CURLMcode code = curl_multi_perform(http->multi, &running);
        if (code != CURLM_OK)
            return err_set(err, ERR_INTERNAL, 0, "curl: %s", curl_multi_strerror(code));
        while ((message = curl_multi_info_read(http->multi, &left_messages)) != NULL)
            if (message->msg == CURLMSG_DONE) {
                *ret_code = message->data.result;
                return true;
            }
        if (!deadline_left_ms(deadline_ms, &left_ms, err))
            return false;
#if LIBCURL_VERSION_NUM >= 0x074200
        code = curl_multi_poll(http->multi, &extra, extra_count, left_ms, &ready);
#else
        code = curl_multi_wait(http->multi, &extra, extra_count, left_ms, &ready);
        if (code == CURLM_OK && ready == 0) /* no descriptor yet: a name is being looked up */
            (void)deadline_sleep(clock_boot_ms() + 5, deadline_ms, cancel, err);
#endif
        if (code != CURLM_OK)
            return err_set(err, ERR_INTERNAL, 0, "curl: %s", curl_multi_strerror(code));
    }
}

/* "https://host:port" of the URL, for messages. */
static const char *origin_of(const char *url, char *text, size_t size)
{
    const char *host = strstr(url, "://");
    size_t len = host != NULL ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?") : strlen(url);

    if (len >= size)
        len = size - 1;
    memcpy(text, url, len);
    text[len] = '\0';
    return text;
}

static bool judge_unsent(const struct http *http, const struct exchange *now, CURLcode code,
                         const char *origin, const char *said, struct err *err)
{
    if (now->refused_connect)
        return err_set(err, ERR_NET, 0, "%s: no open connection, and none may be made now", origin);
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return err_set(err, ERR_CONFIG, 0, "%s: %s", origin, said);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        (void)err_set(err, ERR_TLS, 0, "%s: %s", origin, said);
        return err_suggest(err,
                           "%s%s; where a proxy or a private endpoint has a CA of its own, name "
                           "it as ca_bundle in [aws]",
                           "the certificate is not one that this node trusts: ",
                           http->ca_bundle ? http->ca_bundle : "the system's CA bundle");
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
        return err_set(err, ERR_INTERNAL, 0, "%s: %s", origin, said);
    default:
        break;
    }
    (void)err_set(err, ERR_NET, 0, "%s: %s", origin, said);
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY)
        return err_suggest(err, "check this node's name resolution, and region and endpoints in "
                                "[aws]");
    return err_suggest(err, "check route, security groups and proxy from this node to %s", origin);
}

static bool judge(const struct http *http, const struct exchange *now, CURLcode code,
                  struct err *err)
{
    char origin[200];
    const char *said = now->said[0] != '\0' ? now->said : curl_easy_strerror(code);

    (void)origin_of(now->request->url, origin, sizeof(origin));
    if (now->failed) {
        *err = now->err;
        return err_wrap(err, "%s", origin);
    }
    if (!now->answer->sent)
        return judge_unsent(http, now, code, origin, said, err);
    if (now->refused_connect)
        return err_set(err, ERR_SENT, 0, "%s: the connection broke after the request was sent",
                       origin);
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY)
        return err_set(err, ERR_PROTOCOL, 0, "%s: the answer is not HTTP: %s", origin, said);
    return err_set(err, ERR_SENT, 0, "%s: sent, but no whole answer: %s", origin, said);
}

static bool finish(struct http *http, struct exchange *now, CURLcode code, struct err *err)
{
    long status = 0, connects = 0;
    curl_socket_t fd = CURL_SOCKET_BAD;

    (void)curl_easy_getinfo(http->easy, CURLINFO_NUM_CONNECTS, &connects);
    now->answer->reused = connects == 0 && now->answer->sent;
    if (code != CURLE_OK)
        return judge(http, now, code, err);
    now->answer->answered_boot_us = clock_boot_us();
    now->answer->answered_utc_us = clock_utc_us();
    if (curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK ||
        status < 200 || status > 599)
        return err_set(err, ERR_PROTOCOL, 0, "an answer with status %ld", status);
    now->answer->status = (int)status;
    if (curl_easy_getinfo(http->easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK &&
        fd != CURL_SOCKET_BAD)
        http->kept_fd = fd;
    return true;
}

bool http_alive(const struct http *http)
{
    char byte;

    /* Readable while nothing is owed: the peer's FIN, or TLS saying good-bye. */
    return http->kept_fd >= 0 && recv(http->kept_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool http_send(struct http *http, const struct http_request *request, int64_t deadline_ms,
               const struct cancel *cancel, struct http_answer *ret_answer, struct err *err)
{
    struct exchange now = {.request = request, .answer = ret_answer, .err = ERR_INIT};
    struct curl_slist *list = NULL;
    CURLcode code = CURLE_OK;

    *ret_answer = (struct http_answer){.body = BUF_INIT(http->body_max_bytes),
                                       .headers = BUF_INIT(HEADERS_MAX_BYTES)};
    bool alive = http_alive(http);
    if (request->no_new_connection && !alive) {
        now.refused_connect = true;
        return judge(http, &now, CURLE_COULDNT_CONNECT, err);
    }
    curl_easy_reset(http->easy); /* connections stay */
    bool ok = make_list(request, &list, err);
    /* curl takes a connection for alive on which TLS has said good-bye, and would write to it. */
    if (ok && !alive && curl_easy_setopt(http->easy, CURLOPT_FRESH_CONNECT, 1L) != CURLE_OK)
        ok = err_set(err, ERR_INTERNAL, 0, "curl refused an option");
    if (ok &&
        (!set_connection(http) || !set_callbacks(http, &now, list) || !set_request(http, request)))
        ok = err_set(err, ERR_INTERNAL, 0, "curl refused an option");
    if (ok && curl_multi_add_handle(http->multi, http->easy) != CURLM_OK)
        ok = err_set(err, ERR_INTERNAL, 0, "curl refused the request");
    if (ok) {
        http->now = &now;
        ok = run(http, deadline_ms, cancel, &code, err) && finish(http, &now, code, err);
        (void)curl_multi_remove_handle(http->multi, http->easy);
        http->now = NULL;
    }
    curl_easy_reset(http->easy); /* keeps no pointer to what goes out of scope here */
    free_list(list);
    return ok;
}

bool http_answer_header(const struct http_answer *answer, const char *name, char *text, size_t size)
{
    size_t name_len = strlen(name);

    text[0] = '\0';
    for (const char *line = buf_text(&answer->headers); *line != '\0';) {
        size_t len = strcspn(line, "\r\n");
        if (len > name_len && line[name_len] == ':' && strncasecmp(line, name, name_len) == 0) {
            const char *value = line + name_len + 1;
            const char *end = line + len;
            while (value < end && (*value == ' ' || *value == '\t'))
                value++;
            while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
                end--;
            size_t value_len = (size_t)(end - value) < size ? (size_t)(end - value) : size - 1;
            memcpy(text, value, value_len);
            text[value_len] = '\0';
            return true;
        }
        line += len + strspn(line + len, "\r\n");
    }
    return false;
}
