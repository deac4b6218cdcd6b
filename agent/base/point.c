/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/point.h"

#ifdef STILLPOINT_POINTS

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* $STILLPOINT_POINTS names a file of such slots on a tmpfs, which the test maps as well
 * (tests/faults/points.py has the same layout). */
enum { POINT_SLOTS = 16, POINT_NAME_BYTES = 48, POINT_WAIT_MS = 30000 };

enum point_state { POINT_IDLE = 0, POINT_ARMED = 1, POINT_REACHED = 2, POINT_GO = 3 };

struct point_slot {
    char name[POINT_NAME_BYTES];
    _Atomic uint32_t state;
    _Atomic uint32_t pid;  /* who has reached it */
    _Atomic uint32_t skip; /* let so many pass first: a freeze is rehearsed before the hold */
    uint32_t reserved;
};

_Static_assert(sizeof(struct point_slot) == 64, "the test's layout");

static struct point_slot *slots;

/* Before main: the guard may look no path up later. */
static __attribute__((constructor)) void map_slots(void)
{
    const char *path = getenv("STILLPOINT_POINTS");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    void *map = mmap(NULL, POINT_SLOTS * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (map != MAP_FAILED)
        slots = map;
}

static void stop_at(struct point_slot *slot)
{
    const struct timespec tick = {0, 500000};
    uint32_t armed = POINT_ARMED;

    if (atomic_load(&slot->skip) > 0) {
        (void)atomic_fetch_sub(&slot->skip, 1);
        return;
    }
    if (!atomic_compare_exchange_strong(&slot->state, &armed, POINT_REACHED))
        return; /* another got here first */
    atomic_store(&slot->pid, (uint32_t)getpid());
    for (int i = 0; i < POINT_WAIT_MS * 2 && atomic_load(&slot->state) == POINT_REACHED; i++)
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &tick, NULL);
}

void point_reach(const char *name)
{
    for (int i = 0; slots != NULL && i < POINT_SLOTS; i++)
        if (atomic_load(&slots[i].state) == POINT_ARMED && strcmp(slots[i].name, name) == 0)
            stop_at(&slots[i]);
}

void point_reach_of(const char *name, const char *detail)
{
    char whole[POINT_NAME_BYTES] = "";
    size_t len = strlen(name), detail_len = strlen(detail);

    if (len + 1 + detail_len >= sizeof(whole))
        return;
    memcpy(whole, name, len);
    whole[len] = '-';
    memcpy(whole + len + 1, detail, detail_len + 1);
    point_reach(whole);
}

void point_reach_number(const char *name, unsigned number)
{
    char digits[3] = {(char)('0' + number / 10 % 10), (char)('0' + number % 10), '\0'};

    point_reach_of(name, number < 10 ? digits + 1 : digits);
}

long point_setting(const char *name, long normal)
{
    const char *text = getenv(name);

    return text != NULL ? atol(text) : normal;
}

#else

/* ISO C wants something in each file. */
typedef int point_is_compiled_out;

#endif
