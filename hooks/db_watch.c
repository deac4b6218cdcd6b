/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "agent/base/clock.h"

struct db_watch {
    int fd; /* ours to shut down, not to close */
    const struct cancel *cancel;
    int epoll_fd, timer_fd, stop_fd;
    pthread_t thread;
    bool thread_runs;

    pthread_mutex_t mutex; /* guards what follows, against the thread */
    int64_t armed_ms;      /* deadline; 0 not armed */
    bool heeds_cancel;
    enum db_cut cut;
};

/* The timer may have fired for a statement that is over: only the state under the mutex counts. */
static void cut_if_due(struct db_watch *self)
{
    (void)pthread_mutex_lock(&self->mutex);
    if (self->armed_ms != 0 && self->cut == DB_CUT_NONE) {
        if (self->heeds_cancel && cancel_asked(self->cancel))
            self->cut = DB_CUT_CANCEL;
        else if (clock_boot_ms() >= self->armed_ms)
            self->cut = DB_CUT_DEADLINE;
        if (self->cut != DB_CUT_NONE)
            (void)shutdown(self->fd, SHUT_RDWR); /* ends the library's read; can't fail usefully */
    }
    (void)pthread_mutex_unlock(&self->mutex);
}

static void *watch(void *arg)
{
    struct db_watch *self = arg;
    struct epoll_event event;
    uint64_t count = 0;

    for (;;) {
        int ready = epoll_wait(self->epoll_fd, &event, 1, -1);
        if (ready < 0 && errno != EINTR)
            return NULL; /* not reached: the descriptor is one, and lasts as long as we */
        if (ready <= 0)
            continue;
        if (event.data.fd == self->stop_fd)
            return NULL;
        if (event.data.fd == self->timer_fd && read(self->timer_fd, &count, sizeof(count)) < 0)
            continue; /* EAGAIN: set anew meanwhile */
        cut_if_due(self);
    }
}

static bool watch_fd(struct db_watch *self, int fd, uint32_t events, struct err *err)
{
    struct epoll_event event = {.events = events, .data = {.fd = fd}};

    if (epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return err_set(err, ERR_SYS, errno, "epoll_ctl"); /* not reached: it needs memory alone */
    return true;
}

static bool start(struct db_watch *self, struct err *err)
{
    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    self->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    self->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->epoll_fd < 0 || self->timer_fd < 0 || self->stop_fd < 0)
        return err_set(err, ERR_SYS, errno, "descriptors for the deadline");
    if (!watch_fd(self, self->timer_fd, EPOLLIN, err) ||
        !watch_fd(self, self->stop_fd, EPOLLIN, err))
        return false; /* not reached: epoll_ctl does not fail */
    /* Off until a statement heeds it: once asked it stays readable. */
    if (self->cancel != NULL && self->cancel->event_fd >= 0 &&
        !watch_fd(self, self->cancel->event_fd, 0, err))
        return false; /* not reached: epoll_ctl does not fail */
    int failed = pthread_create(&self->thread, NULL, watch, self);
    if (failed != 0)
        /* not reached: it needs memory alone */
        return err_set(err, ERR_SYS, failed, "thread for the deadline");
    self->thread_runs = true;
    return true;
}

bool db_watch_start(int fd, const struct cancel *cancel, struct db_watch **ret_watch,
                    struct err *err)
{
    struct db_watch *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return err_set(err, ERR_INTERNAL, 0, "no memory for a connection");
    self->fd = fd;
    self->cancel = cancel;
    self->epoll_fd = self->timer_fd = self->stop_fd = -1;
    (void)pthread_mutex_init(&self->mutex, NULL);
    if (!start(self, err)) {
        db_watch_stop(self);
        return false;
    }
    *ret_watch = self;
    return true;
}

void db_watch_stop(struct db_watch *self)
{
    uint64_t one = 1;

    if (self == NULL)
        return;
    if (self->thread_runs && write(self->stop_fd, &one, sizeof(one)) == (ssize_t)sizeof(one))
        (void)pthread_join(self->thread, NULL);
    int fds[] = {self->epoll_fd, self->timer_fd, self->stop_fd};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    (void)pthread_mutex_destroy(&self->mutex);
    free(self);
}

static void set_timer(struct db_watch *self, int64_t at_ms)
{
    struct itimerspec spec = {
        .it_value = {.tv_sec = at_ms / 1000, .tv_nsec = (at_ms % 1000) * 1000000}};

    (void)timerfd_settime(self->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL); /* only EINVAL is left */
}

static void heed_cancel(struct db_watch *self, bool heed)
{
    struct epoll_event event = {.events = heed ? EPOLLIN | EPOLLONESHOT : 0};

    if (self->cancel == NULL || self->cancel->event_fd < 0)
        return;
    event.data.fd = self->cancel->event_fd;
    (void)epoll_ctl(self->epoll_fd, EPOLL_CTL_MOD, self->cancel->event_fd, &event);
}

void db_watch_arm(struct db_watch *self, bool cancellable, int64_t deadline_ms)
{
    (void)pthread_mutex_lock(&self->mutex);
    self->armed_ms = deadline_ms;
    self->heeds_cancel = cancellable;
    self->cut = DB_CUT_NONE;
    (void)pthread_mutex_unlock(&self->mutex);
    set_timer(self, deadline_ms);
    if (cancellable)
        heed_cancel(self, true);
}

enum db_cut db_watch_disarm(struct db_watch *self)
{
    (void)pthread_mutex_lock(&self->mutex);
    enum db_cut cut = self->cut;
    bool heeded = self->heeds_cancel;
    self->armed_ms = 0;
    self->heeds_cancel = false;
    (void)pthread_mutex_unlock(&self->mutex);
    set_timer(self, 0);
    if (heeded)
        heed_cancel(self, false);
    return cut;
}
