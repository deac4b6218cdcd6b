/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/ping.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/deadline.h"
#include "agent/base/log.h"
#include "agent/daemon/backup_record.h"
#include "aws/http.h"

enum {
    QUEUE_MAX = 8,
    TRIES = 3,
    CONNECT_MS = 5000,
    SEND_MS = 10000,
    FIRST_WAIT_MS = 2000, /* before the second try; four times that before the third */
    CLOSE_MS = 3000,
    CLOSE_CANCEL_MS = 500,
    ANSWER_BYTES_MAX = 4096,
    NS_PER_MS = 1000000,
    URL_BYTES = 1100,
};

struct letter {
    enum ping_kind kind;
    char id[BACKUP_ID_BYTES];
    char body[PING_BODY_BYTES];
};

struct ping {
    struct secret url;
    struct quiet *quiet;
    uv_thread_t thread;
    uv_mutex_t mutex; /* guards all below; held while nothing is sent */
    uv_cond_t changed;
    struct letter queue[QUEUE_MAX]; /* the oldest first */
    size_t count;
    struct cancel *sending; /* of what is on its way, NULL */
    struct ping_told told;
    bool hushed; /* what was on its way was broken off by a hold */
    bool stop, give_up, ended;
};

const char *ping_kind_name(enum ping_kind kind)
{
    return kind == PING_START ? "start" : kind == PING_SUCCESS ? "success" : "fail";
}

/* --- one letter --------------------------------------------------------------------------------
 */

static bool judge(const struct http_answer *answer, bool *ret_again, struct err *err)
{
    if (answer->status >= 200 && answer->status < 300)
        return true;
    *ret_again = answer->status >= 500 || answer->status == 429;
    (void)err_set(err, ERR_NET, 0, "ping: the server answered %d", answer->status);
    return err_suggest(err, *ret_again ? "see to the server behind [metrics] ping"
                                       : "see whether [metrics] ping has the right address");
}

/* What http.h suggests is for AWS: none of [aws] is for the watcher. */
static bool suggest(struct err *err)
{
    err->remedy[0] = '\0';
    if (err->kind == ERR_TLS)
        return err_suggest(err, "let this system trust the CA of the server behind [metrics] ping "
                                "(update-ca-certificates, update-ca-trust) and restart "
                                "stillpointd; [aws] ca_bundle is for AWS alone");
    return err_suggest(err,
                       "see whether the server behind [metrics] ping can be reached from here");
}

/* A connection of its own: the next one is hours away.
 *   ret_again  one more try may help */
static bool send_once(struct ping *ping, const struct letter *letter, const struct cancel *cancel,
                      bool *ret_again, struct err *err)
{
    static const char *const ends[] = {"/start", "", "/fail"};
    static const struct http_header headers[] = {{"Content-Type", "text/plain; charset=utf-8"},
                                                 {"User-Agent", "stillpoint/" STILLPOINT_VERSION}};
    const struct http_options options = {
        .use_proxy = true, .connect_timeout_ms = CONNECT_MS, .body_max_bytes = ANSWER_BYTES_MAX};
    char url[URL_BYTES];
    struct http_answer answer = {.status = 0};
    struct http *http = NULL;

    *ret_again = false;
    if (!http_open(&options, &http, err))
        return false;
    (void)snprintf(url, sizeof(url), "%s%s", ping->url.bytes, ends[letter->kind]);
    const struct http_request request = {.method = "POST",
                                         .url = url,
                                         .headers = headers,
                                         .header_count = 2,
                                         .body = letter->body,
                                         .body_len = strlen(letter->body)};
    bool ok = http_send(http, &request, clock_boot_ms() + SEND_MS, cancel, &answer, err);
    if (ok) {
        ok = judge(&answer, ret_again, err);
    } else {
        *ret_again = err->kind != ERR_CANCELLED && err->kind != ERR_CONFIG &&
                     err->kind != ERR_TLS && err->kind != ERR_LIMIT && err->kind != ERR_INTERNAL;
        (void)err_wrap(err, "ping");
        (void)suggest(err);
    }
    explicit_bzero(url, sizeof(url));
    http_answer_free(&answer);
    http_free(http);
    return ok;
}

/* --- the thread --------------------------------------------------------------------------------
 */

/* With the mutex. */
static void drop(struct ping *ping, size_t index)
{
    ping->count--;
    memmove(&ping->queue[index], &ping->queue[index + 1],
            (ping->count - index) * sizeof(ping->queue[0]));
}

/* With the mutex. A failure is logged where it begins; that it is over shows in the next. */
static void note(struct ping *ping, enum ping_kind kind, bool ok, const struct err *err)
{
    if (!ok && ping->told.err.kind == ERR_NONE)
        log_err(LOG_LEVEL_WARNING, "ping_failed", err);
    if (ok && ping->told.err.kind != ERR_NONE)
        log_event(LOG_LEVEL_NOTICE, "ping_sent", "kind=%s", ping_kind_name(kind));
    ping->told.at_utc_us = clock_utc_us();
    ping->told.kind = kind;
    ping->told.err = ok ? (struct err)ERR_INIT : *err;
}

/* With the mutex. Waits before one more try; false where there shall be none. */
static bool wait_again(struct ping *ping, int try, int64_t wait_ms)
{
    int64_t until_ms = clock_boot_ms() + wait_ms, left_ms;

    if (try >= TRIES)
        return false;
    while (!ping->stop && (left_ms = until_ms - clock_boot_ms()) > 0)
        (void)uv_cond_timedwait(&ping->changed, &ping->mutex, (uint64_t)left_ms * NS_PER_MS);
    return !ping->stop;
}

/* With the mutex, which it leaves while it sends. */
static bool send_and_look(struct ping *ping, const struct letter *letter, bool *ret_again,
                          struct err *err)
{
    struct cancel cancel = CANCEL_INIT;

    ping->hushed = quiet_is_held(ping->quiet); /* a hold between the turn and the mutex */
    if (ping->hushed)
        return err_set(err, ERR_CANCELLED, 0, "ping: the node is held");
    bool ok = cancel_open(&cancel, err);
    ping->sending = &cancel;
    uv_mutex_unlock(&ping->mutex);
    ok = ok && send_once(ping, letter, &cancel, ret_again, err);
    uv_mutex_lock(&ping->mutex);
    ping->sending = NULL;
    cancel_close(&cancel);
    return ok;
}

/* With the mutex, and one letter at least in the queue. */
static void send_first(struct ping *ping)
{
    struct letter letter = ping->queue[0];
    int64_t wait_ms = FIRST_WAIT_MS;
    struct err err = ERR_INIT;
    bool ok = false, again = true;

    drop(ping, 0);
    for (int try = 1; again; try++) {
        uv_mutex_unlock(&ping->mutex);
        quiet_enter(ping->quiet, QUIET_PING);
        uv_mutex_lock(&ping->mutex);
        err = (struct err)ERR_INIT;
        again = false;
        ok = send_and_look(ping, &letter, &again, &err);
        uv_mutex_unlock(&ping->mutex);
        quiet_leave(ping->quiet, QUIET_PING);
        uv_mutex_lock(&ping->mutex);
        if (!ok && ping->hushed &&
            !ping->give_up) { /* no try that counts; a start has lost its time */
            again = letter.kind != PING_START;
            try--;
        } else if (again) {
            again = wait_again(ping, try, wait_ms);
            wait_ms *= 4;
        }
    }
    note(ping, letter.kind, ok, &err);
}

static void run(void *self)
{
    struct ping *ping = self;

    uv_mutex_lock(&ping->mutex);
    for (;;) {
        while (ping->count == 0 && !ping->stop)
            uv_cond_wait(&ping->changed, &ping->mutex);
        if (ping->count == 0 || ping->give_up)
            break;
        send_first(ping);
    }
    ping->ended = true;
    uv_cond_broadcast(&ping->changed);
    uv_mutex_unlock(&ping->mutex);
}

/* --- outside -----------------------------------------------------------------------------------
 */

static void free_all(struct ping *ping)
{
    uv_cond_destroy(&ping->changed);
    uv_mutex_destroy(&ping->mutex);
    secret_free(&ping->url);
    free(ping);
}

bool ping_open(const struct secret *url, struct quiet *quiet, struct ping **ret_ping,
               struct err *err)
{
    struct ping *ping = calloc(1, sizeof(*ping));

    if (ping == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    ping->quiet = quiet;
    (void)uv_mutex_init(&ping->mutex);
    (void)uv_cond_init(&ping->changed);
    if (!secret_copy(&ping->url, url, err) || !quiet_thread(&ping->thread, run, ping, err)) {
        free_all(ping);
        return false;
    }
    *ret_ping = ping;
    return true;
}

/* With the mutex. */
static void drop_starts(struct ping *ping, const char *id)
{
    for (size_t i = ping->count; i > 0; i--) {
        const struct letter *letter = &ping->queue[i - 1];
        if (letter->kind == PING_START && (id == NULL || strcmp(letter->id, id) == 0))
            drop(ping, i - 1);
    }
}

void ping_add(struct ping *ping, enum ping_kind kind, const char *id, const char *body)
{
    uv_mutex_lock(&ping->mutex);
    if (kind != PING_START)
        drop_starts(ping, id);
    if (ping->count == QUEUE_MAX) /* a server away for long: what is newest counts */
        drop(ping, 0);
    struct letter *letter = &ping->queue[ping->count++];
    letter->kind = kind;
    (void)snprintf(letter->id, sizeof(letter->id), "%s", id);
    (void)snprintf(letter->body, sizeof(letter->body), "%s", body);
    uv_cond_broadcast(&ping->changed);
    uv_mutex_unlock(&ping->mutex);
}

void ping_hush(struct ping *ping)
{
    uv_mutex_lock(&ping->mutex);
    drop_starts(ping, NULL);
    ping->hushed = true;
    if (ping->sending != NULL)
        cancel_ask(ping->sending);
    uv_mutex_unlock(&ping->mutex);
}

void ping_tell(struct ping *ping, struct ping_told *ret_told)
{
    uv_mutex_lock(&ping->mutex);
    *ret_told = ping->told;
    uv_mutex_unlock(&ping->mutex);
}

/* With the mutex. */
static bool wait_end(struct ping *ping, int64_t deadline_ms)
{
    int64_t left_ms;

    while (!ping->ended && (left_ms = deadline_ms - clock_boot_ms()) > 0)
        (void)uv_cond_timedwait(&ping->changed, &ping->mutex, (uint64_t)left_ms * NS_PER_MS);
    return ping->ended;
}

bool ping_close(struct ping *take_ping)
{
    uv_mutex_lock(&take_ping->mutex);
    take_ping->stop = true;
    uv_cond_broadcast(&take_ping->changed);
    bool ended = wait_end(take_ping, clock_boot_ms() + CLOSE_MS);
    if (!ended) {
        take_ping->give_up = true;
        if (take_ping->sending != NULL)
            cancel_ask(take_ping->sending);
        ended = wait_end(take_ping, clock_boot_ms() + CLOSE_CANCEL_MS);
    }
    uv_mutex_unlock(&take_ping->mutex);
    if (!ended)
        return false;
    (void)uv_thread_join(&take_ping->thread);
    free_all(take_ping);
    return true;
}
