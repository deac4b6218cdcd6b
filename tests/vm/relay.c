// SPDX-License-Identifier: BSD-2-Clause
/* relay PORT: standard input and output to 127.0.0.1:PORT and back. QEMU runs one for each
 * connection that a machine of tests/vm makes to an address that the lab's cloud serves (guestfwd).
 * Its stdin is a socket. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* False: it is over in this direction. */
static bool pump(int from, int to)
{
    char data[16384];
    const ssize_t n = read(from, data, sizeof(data));
    for (ssize_t done = 0; done < n;) {
        const ssize_t m = write(to, data + done, (size_t)(n - done));
        if (m <= 0)
            return false;
        done += m;
    }
    return n > 0;
}

int main(int argc, char **argv)
{
    const int port = argc == 2 ? atoi(argv[1]) : 0;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int one = 1, remote = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (port < 1 || port > 65535) {
        (void)fprintf(stderr, "usage: relay PORT\n");
        return 2;
    }
    if (remote < 0 || connect(remote, (struct sockaddr *)&to, sizeof(to)) != 0)
        return 1;
    (void)setsockopt(remote, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct pollfd p[] = {{0, POLLIN, 0}, {remote, POLLIN, 0}};
    while (poll(p, 2, -1) > 0) {
        if (p[0].revents != 0 && !pump(0, remote)) {
            (void)shutdown(remote, SHUT_WR);
            p[0].fd = -1;
        }
        if (p[1].revents != 0 && !pump(remote, 1))
            return 0;
    }
    return 1;
}
