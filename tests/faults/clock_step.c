/* SPDX-License-Identifier: BSD-2-Clause */
/* LD_PRELOAD: a wall clock that can be stepped. $CLOCK_STEP_FILE holds an int64_t, the seconds that
 * this process sees CLOCK_REALTIME ahead; mapped, so that a write to it is a step for all who have
 * it at once. Monotonic clocks stay, as with settimeofday(2), which would move the whole machine's.
 * (libfaketime moves what waits on the monotonic clock too: a wait can come back with EINVAL.) */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead_s;

__attribute__((constructor)) static void map_step(void)
{
    const char *path = getenv("CLOCK_STEP_FILE");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof(*ahead_s), PROT_READ, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED)
        ahead_s = mapped;
    (void)close(fd);
}

static int64_t step_s(clockid_t which)
{
    bool wall = which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE;
    return wall && ahead_s != NULL ? *ahead_s : 0;
}

int clock_gettime(clockid_t which, struct timespec *now)
{
    long answer = syscall(SYS_clock_gettime, which, now);
    if (answer == 0)
        now->tv_sec += step_s(which);
    return (int)answer;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec at;

    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &at);
    *now = (struct timeval){at.tv_sec, at.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *now)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_REALTIME, &at);
    if (now != NULL)
        *now = at.tv_sec;
    return at.tv_sec;
}
