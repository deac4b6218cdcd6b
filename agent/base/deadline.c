/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/deadline.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/base/clock.h"

bool deadline_left_ms(int64_t deadline_ms, int *ret_left_ms, struct err *err)
{
    int64_t left_ms = deadline_ms - clock_boot_ms();

    if (left_ms <= 0)
        return err_set(err, ERR_DEADLINE, 0, "the deadline has passed");
    *ret_left_ms = left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
    return true;
}

int64_t deadline_sooner(int64_t deadline_ms, int64_t timeout_ms)
{
    int64_t other_ms = clock_boot_ms() + timeout_ms;

    return other_ms < deadline_ms ? other_ms : deadline_ms;
}

bool cancel_open(struct cancel *cancel, struct err *err)
{
    atomic_init(&cancel->asked, false);
    cancel->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cancel->event_fd < 0)
        return err_set(err, ERR_SYS, errno, "eventfd");
    return true;
}

void cancel_close(struct cancel *cancel)
{
    if (cancel->event_fd >= 0)
        (void)close(cancel->event_fd);
    cancel->event_fd = -1;
}

void cancel_ask(struct cancel *cancel)
{
    uint64_t one = 1;

    atomic_store(&cancel->asked, true);
    if (cancel->event_fd >= 0 && write(cancel->event_fd, &one, sizeof(one)) < 0)
        return; /* EAGAIN: it is readable already */
}

bool cancel_asked(const struct cancel *cancel)
{
    return cancel != NULL && atomic_load(&cancel->asked);
}

bool deadline_poll(int fd, short events, int64_t deadline_ms, const struct cancel *cancel,
                   struct err *err)
{
    struct pollfd fds[2] = {{.fd = fd, .events = events},
                            {.fd = cancel ? cancel->event_fd : -1, .events = POLLIN}};

    for (;;) {
        int left_ms = 0;
        if (cancel_asked(cancel))
            return err_set(err, ERR_CANCELLED, 0, "cancelled");
        if (!deadline_left_ms(deadline_ms, &left_ms, err))
            return false;
        int ready = poll(fds, 2, left_ms);
        if (ready < 0 && errno != EINTR)
            return err_set(err, ERR_SYS, errno, "poll");
        if (ready > 0 && fds[0].revents != 0)
            return true;
    }
}

bool deadline_sleep(int64_t wake_ms, int64_t deadline_ms, const struct cancel *cancel,
                    struct err *err)
{
    bool early = wake_ms > deadline_ms;

    if (deadline_poll(-1, 0, early ? deadline_ms : wake_ms, cancel, err))
        return true; /* not reached: fd -1 is never ready */
    if (err->kind != ERR_DEADLINE || early)
        return false;
    *err = (struct err)ERR_INIT;
    return true;
}
