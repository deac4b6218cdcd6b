/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/guard/guard_notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/base/clock.h"

int guard_notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;

    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        strlen(path) >= sizeof(address.sun_path))
        return -1;
    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* an abstract name */
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, bytes) < 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

void guard_notify_ready(int fd)
{
    static const char text[] = "READY=1";

    if (fd >= 0)
        (void)send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
}

bool guard_notify_watch(int fd, int64_t deadline_ms)
{
    char text[64];
    int64_t left_ms = deadline_ms - clock_boot_ms() + GUARD_NOTIFY_MARGIN_MS;

    int length =
        snprintf(text, sizeof(text), "WATCHDOG_USEC=%lld\nWATCHDOG=1", (long long)left_ms * 1000);
    return guard_notify_say(fd, text, (size_t)length);
}
