/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_copy_slice.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/hookrun/hookrun_copy_child.h"
#include "agent/hookrun/hookrun_copy_room.h"

enum { SECTOR_BYTES = 512, PATH_BYTES = 160, TRIES = 16, CONTROL_MINOR = 237, MISC = 10 };

/* ---- the table ---- */

static bool take_number(const char **at, uint64_t *ret_number)
{
    char *end = NULL;

    while (**at == ' ')
        (*at)++;
    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *ret_number = strtoull(*at, &end, 10);
    *at = end;
    return errno == 0;
}

bool copy_slice_read(const char *line, struct copy_slice *ret_slice)
{
    uint64_t number, start, size;

    if (!take_number(&line, &number) || !take_number(&line, &start) || !take_number(&line, &size) ||
        *line != '\0' || number == 0 || number > 1024 || start > INT64_MAX / SECTOR_BYTES)
        return false;
    *ret_slice = (struct copy_slice){(unsigned)number, start * SECTOR_BYTES, size};
    return true;
}

enum copy_status copy_slice_list(struct copy_session *session, const char *node,
                                 struct copy_slice ret_list[COPY_SLICES_MAX], size_t *ret_count,
                                 int64_t deadline_ms)
{
    char program[PATH_BYTES], path[PATH_BYTES];
    const char *args[] = {program, "--raw",         "--noheadings", "--bytes",
                          "-o",    "NR,START,SIZE", path,           NULL};
    const struct copy_text *text = &session->tool_text;

    *ret_count = 0;
    (void)snprintf(path, sizeof(path), "/dev/%s", node);
    if (copy_child_find(session, "partx", program, sizeof(program)) == NULL)
        return COPY_OK;
    enum copy_status status = copy_child_read(session, args, deadline_ms);
    if (status != COPY_OK || !copy_child_succeeded(&session->tool))
        return status;
    for (size_t at = 0; at < text->bytes && *ret_count < COPY_SLICES_MAX;) {
        char line[128] = "";
        const char *end = memchr(text->text + at, '\n', text->bytes - at);
        size_t length = end == NULL ? text->bytes - at : (size_t)(end - (text->text + at));
        if (length < sizeof(line))
            memcpy(line, text->text + at, length);
        *ret_count += copy_slice_read(line, &ret_list[*ret_count]);
        at += length + 1;
    }
    return COPY_OK;
}

/* ---- its devices ---- */

/* The number of a loop device that is free just now; -1: errno. */
static int free_loop(void)
{
    static const char path[] = "/dev/loop-control";

    if (mknod(path, S_IFCHR | 0600, makedev(MISC, CONTROL_MINOR)) < 0 && errno != EEXIST)
        return -1;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int number = ioctl(fd, LOOP_CTL_GET_FREE);
    int os_errno = errno;
    (void)close(fd);
    errno = os_errno;
    return number;
}

/* Fills the loop device FD, before Linux 5.8; an errno. */
static int fill_in_two(int fd, int disk_fd, const struct loop_info64 *info)
{
    if (ioctl(fd, LOOP_SET_FD, disk_fd) < 0)
        return errno;
    if (ioctl(fd, LOOP_SET_STATUS64, info) == 0)
        return 0;
    int os_errno = errno;
    (void)ioctl(fd, LOOP_CLR_FD, 0);
    return os_errno;
}

/* In one call, so that there is no moment in which it would outlive its last user. */
static int fill(int fd, int disk_fd, const struct copy_slice *slice)
{
    struct loop_info64 info;

    memset(&info, 0, sizeof(info));
    info.lo_offset = slice->start_bytes;
    info.lo_sizelimit = slice->size_bytes;
    info.lo_flags = LO_FLAGS_AUTOCLEAR;
#ifdef LOOP_CONFIGURE
    struct loop_config config;
    memset(&config, 0, sizeof(config));
    config.fd = (uint32_t)disk_fd;
    config.info = info;
    if (ioctl(fd, LOOP_CONFIGURE, &config) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOTTY) /* what a kernel says that does not know the call */
        return errno;
#endif
    return fill_in_two(fd, disk_fd, &info);
}

static int open_one(int disk_fd, const struct copy_slice *slice, char *ret_node)
{
    char path[PATH_BYTES];
    int number = free_loop();

    if (number < 0)
        return errno;
    (void)snprintf(ret_node, COPY_NAME_BYTES, "loop%d", number);
    (void)snprintf(path, sizeof(path), "/dev/%s", ret_node);
    int os_errno = copy_room_add_device(ret_node, LOOP_MAJOR, (unsigned)number);
    if (os_errno != 0)
        return os_errno;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return errno;
    os_errno = fill(fd, disk_fd, slice);
    if (os_errno != 0)
        (void)close(fd); /* else it stays open: the session's end is the loop device's */
    return os_errno;
}

int copy_slice_open(const char *node, const struct copy_slice *slice, char *ret_node)
{
    char path[PATH_BYTES];
    int os_errno = EBUSY;

    (void)snprintf(path, sizeof(path), "/dev/%s", node);
    int disk_fd = open(path, O_RDWR | O_CLOEXEC);
    if (disk_fd < 0)
        return errno;
    for (int i = 0; i < TRIES && os_errno == EBUSY; i++) /* another took the one that was free */
        os_errno = open_one(disk_fd, slice, ret_node);
    (void)close(disk_fd);
    return os_errno;
}
