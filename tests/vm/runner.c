// SPDX-License-Identifier: BSD-2-Clause
/* The tests' hands in a machine of tests/vm: runs commands that come in on a virtio-serial port.
 *
 *   runner PORT...          names as QEMU has them ("lab.0"); a process for each, until the end
 *   runner --frozen MOUNT   exit 0: it was frozen; 1: it was not, and is not; by FIFREEZE
 *
 * It is static, locked in memory and needs no file, so that it answers while / is frozen; what a
 * command itself needs to write is the command's own affair. One command at a time on each port:
 *
 *   to us       "\nRUN ID SECONDS LENGTH\n", LENGTH bytes for `bash -c`, and ID once more
 *   from us     "BEGIN ID\n", then in any order "OUT ID LENGTH\n" or "ERR ID LENGTH\n" with LENGTH
 * bytes, last "END ID CODE\n": the exit code, 128 + the signal, 124: it was out of time
 *
 * When its time is over, and when the other side goes away or sends anything, the command's whole
 * process group is killed. What an ended command left running goes on. ID is a word of the
 * sender's, by which it knows old output from its own. Where a sender has gone in the midst of its
 * order, and the kernel has shown no gap before the next one's, the first newline ends what is left
 * of a line, and the ID behind a script tells that it is whole.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORTS      "/sys/class/virtio-ports"
#define SCRIPT_MAX (64 * 1024)
#define IDLE_MS    100
#define WRITE_MS   20000
/* What a new peer sends may be read before the kernel has noted that it is there (that comes by
 * another queue, and a work item): only a peer that was gone for so long is gone. */
#define GONE_MS 2000

struct order {
    char id[40];
    long seconds;
    size_t length;
    char script[SCRIPT_MAX + 1];
};

struct command {
    pid_t pid;
    int streams[2]; /* its stdout and stderr; -1: ended */
    int status;
    bool reaped;
};

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(int ms)
{
    (void)poll(NULL, 0, ms);
}

/* --- the port
 * ------------------------------------------------------------------------------------- */

/* The device whose name QEMU gave as NAME, or -1. Not by /dev/virtio-ports: that is udev's. */
static int open_port(const char *name)
{
    DIR *ports = opendir(PORTS);
    struct dirent *entry;
    int port = -1;
    while (ports != NULL && port < 0 && (entry = readdir(ports)) != NULL) {
        char path[300], have[64] = "";
        FILE *file;
        (void)snprintf(path, sizeof(path), PORTS "/%s/name", entry->d_name);
        if ((file = fopen(path, "re")) == NULL)
            continue;
        if (fgets(have, sizeof(have), file) != NULL)
            have[strcspn(have, "\n")] = '\0';
        (void)fclose(file);
        if (strcmp(have, name) != 0)
            continue;
        (void)snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
        port = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    }
    if (ports != NULL)
        (void)closedir(ports);
    return port;
}

/* Since GONE_MS, by what poll says of the port each time. */
static bool is_gone(short revents, int64_t *since_ms)
{
    if (!(revents & (POLLHUP | POLLERR))) {
        *since_ms = 0;
        return false;
    }
    pause_ms(IDLE_MS / 5); /* poll does not wait then */
    if (*since_ms == 0)
        *since_ms = now_ms();
    return now_ms() - *since_ms > GONE_MS;
}

/* False: nobody is there to read, or none who does. */
static bool send_all(int port, const char *data, size_t size)
{
    const int64_t end_ms = now_ms() + WRITE_MS;
    int64_t gone_ms = 0;
    while (size > 0) {
        ssize_t n = write(port, data, size);
        if (n > 0) {
            data += n;
            size -= (size_t)n;
            continue;
        }
        struct pollfd p = {port, POLLOUT, 0};
        if ((n < 0 && errno != EAGAIN && errno != EINTR) || now_ms() > end_ms)
            return false;
        (void)poll(&p, 1, IDLE_MS);
        if (is_gone(p.revents, &gone_ms))
            return false;
    }
    return true;
}

static bool say(int port, const char *word, const char *id, long number)
{
    char line[96];
    const int n = number < 0 ? snprintf(line, sizeof(line), "%s %s\n", word, id)
                             : snprintf(line, sizeof(line), "%s %s %ld\n", word, id, number);
    return send_all(port, line, (size_t)n);
}

/* One byte; -1: there is none yet; -2: the other side is gone (what came is void). */
static int next_byte(int port)
{
    unsigned char byte;
    struct pollfd p = {port, POLLIN, 0};
    (void)poll(&p, 1, IDLE_MS);
    if (p.revents & POLLIN) {
        if (read(port, &byte, 1) == 1)
            return byte;
        pause_ms(IDLE_MS);
        return -2;
    }
    if (p.revents & (POLLHUP | POLLERR)) {
        pause_ms(IDLE_MS);
        return -2;
    }
    return -1;
}

static bool read_exactly(int port, char *into, size_t size)
{
    size_t have = 0;
    int64_t gone_ms = 0;
    while (have < size) {
        ssize_t n = read(port, into + have, size - have);
        struct pollfd p = {port, POLLIN, 0};
        if (n > 0)
            have += (size_t)n;
        else if ((n < 0 && errno != EAGAIN && errno != EINTR) || poll(&p, 1, WRITE_MS) == 0 ||
                 (!(p.revents & POLLIN) && is_gone(p.revents, &gone_ms)))
            return false;
    }
    return true;
}

/* Waits for an order. False: what came was none. */
static bool read_order(int port, struct order *order)
{
    char line[96], behind[sizeof(order->id)];
    size_t length = 0;
    for (;;) {
        int c = next_byte(port);
        if (c == -2)
            length = 0;
        if (c < 0)
            continue;
        if (c == '\n')
            break;
        line[length] = (char)c;
        length = length + 1 < sizeof(line) ? length + 1 : 0;
    }
    line[length] = '\0';
    if (sscanf(line, "RUN %39s %ld %zu", order->id, &order->seconds, &order->length) != 3 ||
        order->length > SCRIPT_MAX || !read_exactly(port, order->script, order->length) ||
        !read_exactly(port, behind, strlen(order->id)) ||
        memcmp(behind, order->id, strlen(order->id)) != 0)
        return false;
    order->script[order->length] = '\0';
    return true;
}

/* --- a command
 * ------------------------------------------------------------------------------------ */

static void become(const struct order *order, const int out[2], const int err[2])
{
    static char *const environment[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=/root",
        "USER=root",
        "LC_ALL=C.UTF-8",
        "TERM=dumb",
        NULL};
    char *const words[] = {"bash", "-c", (char *)(uintptr_t)order->script, NULL};
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)setsid();
    (void)dup2(null, 0);
    (void)dup2(out[1], 1);
    (void)dup2(err[1], 2);
    (void)chdir("/root");
    (void)execve("/bin/bash", words, environment);
    _exit(127);
}

static bool start(const struct order *order, struct command *command)
{
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
        return false;
    *command = (struct command){.streams = {out[0], err[0]}};
    if ((command->pid = fork()) == 0)
        become(order, out, err);
    (void)close(out[1]);
    (void)close(err[1]);
    return command->pid > 0;
}

/* False: the other side is gone. */
static bool pass_on(int port, const struct order *order, struct command *command, int which)
{
    static const char *const words[] = {"OUT", "ERR"};
    char data[4096];
    const ssize_t n = read(command->streams[which], data, sizeof(data));
    if (n <= 0) {
        (void)close(command->streams[which]);
        command->streams[which] = -1;
        return true;
    }
    return say(port, words[which], order->id, n) && send_all(port, data, (size_t)n);
}

/* Ends when the command has, and what it wrote until then is passed on: what it left running keeps
 * the pipe open and is nobody's business any more. */
static int attend(int port, const struct order *order, struct command *command)
{
    const int64_t end_ms = now_ms() + order->seconds * 1000;
    int64_t gone_ms = 0;
    for (;;) {
        struct pollfd p[] = {
            {command->streams[0], POLLIN, 0}, {command->streams[1], POLLIN, 0}, {port, POLLIN, 0}};
        const int ready = poll(p, 3, command->reaped ? 0 : 20);
        if ((p[2].revents & POLLIN) || is_gone(p[2].revents, &gone_ms))
            return -1;
        for (int i = 0; i < 2; i++)
            if (p[i].revents != 0 && !pass_on(port, order, command, i))
                return -1;
        if (command->reaped && ready == 0)
            return WIFSIGNALED(command->status) ? 128 + WTERMSIG(command->status)
                                                : WEXITSTATUS(command->status);
        if (!command->reaped && waitpid(command->pid, &command->status, WNOHANG) == command->pid)
            command->reaped = true;
        if (now_ms() > end_ms)
            return 124;
    }
}

static void run(int port, const struct order *order)
{
    struct command command;
    if (!say(port, "BEGIN", order->id, -1) || !start(order, &command))
        return;
    const int code = attend(port, order, &command);
    if (!command.reaped) {
        (void)kill(-command.pid, SIGKILL);
        /* Not waited for: it may sit in the kernel for as long as a disk is frozen. */
    }
    for (int i = 0; i < 2; i++)
        if (command.streams[i] >= 0)
            (void)close(command.streams[i]);
    if (code >= 0)
        (void)say(port, "END", order->id, code);
}

static void serve(const char *name)
{
    static struct order order;
    int port;
    while ((port = open_port(name)) < 0)
        pause_ms(IDLE_MS);
    for (;;) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (read_order(port, &order))
            run(port, &order);
    }
}

static int is_frozen(const char *mount)
{
    const int fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return 2;
    if (ioctl(fd, FIFREEZE, 0) != 0)
        return errno == EBUSY ? 0 : 2;
    return ioctl(fd, FITHAW, 0) == 0 ? 1 : 2;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--frozen") == 0)
        return is_frozen(argv[2]);
    (void)signal(SIGPIPE, SIG_IGN);
    for (int i = 1; i < argc; i++) {
        if (fork() != 0)
            continue;
        (void)mlockall(MCL_CURRENT | MCL_FUTURE);
        serve(argv[i]);
    }
    for (;;)
        (void)pause();
}
