/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/hook_dial.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent/base/auto.h"

bool hook_dial(const char *path, int *ret_fd, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return err_set(err, ERR_SYS, errno, "socket"); /* not reached: no descriptor is left */
    if (strlen(path) >= sizeof(address.sun_path))
        return err_set(err, ERR_CONFIG, 0, "%s: longer than a socket's path can be", path);
    memcpy(address.sun_path, path, strlen(path));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        bool denied = errno == EACCES || errno == EPERM;
        err_set(err, ERR_HOOK, errno, "%s", path);
        if (denied)
            return err_suggest(err, "run the daemon as the user stillpoint; the socket is that "
                                    "group's: systemctl restart stillpoint-hook.socket");
        return err_suggest(err, "systemctl start stillpoint-hook.socket");
    }
    *ret_fd = auto_take_fd(&fd);
    return true;
}
