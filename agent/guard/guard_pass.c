/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/guard/guard_pass.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

bool guard_pass_send(int socket, const void *message, size_t bytes, int fd, int flags)
{
    struct iovec part = {(void *)(uintptr_t)message, bytes};
    union control control;
    struct msghdr msg;

    memset(&msg, 0, sizeof(msg));
    memset(&control, 0, sizeof(control));
    msg.msg_iov = &part;
    msg.msg_iovlen = 1;
    if (fd >= 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &fd, sizeof(fd));
    }
    return sendmsg(socket, &msg, flags | MSG_NOSIGNAL) == (ssize_t)bytes;
}

ssize_t guard_pass_receive(int socket, void *message, size_t bytes, int *ret_fd, int flags)
{
    struct iovec part = {message, bytes};
    union control control;
    struct msghdr msg;
    ssize_t got;

    *ret_fd = -1;
    do {
        memset(&msg, 0, sizeof(msg));
        msg.msg_iov = &part;
        msg.msg_iovlen = 1;
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        got = recvmsg(socket, &msg, flags | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    struct cmsghdr *head = got >= 0 ? CMSG_FIRSTHDR(&msg) : NULL;
    if (head != NULL && head->cmsg_type == SCM_RIGHTS)
        memcpy(ret_fd, CMSG_DATA(head), sizeof(*ret_fd));
    return got;
}
