/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/guard/guard_frozen.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "agent/base/clock.h"

/* ---- the deadline ---- */

void guard_frozen_arm(const struct guard_twin *twin, int64_t deadline_ms)
{
    struct itimerspec when;

    memset(&when, 0, sizeof(when)); /* all zero disarms */
    when.it_value.tv_sec = deadline_ms / 1000;
    when.it_value.tv_nsec = deadline_ms % 1000 * 1000000;
    (void)timerfd_settime(twin->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

bool guard_frozen_is_over(const struct guard_twin *twin)
{
    return guard_record_cause(twin->record, twin->lease) != GUARD_END_NONE;
}

void guard_frozen_end(const struct guard_twin *twin, enum guard_end_cause cause)
{
    guard_record_end(twin->record, twin->lease, cause);
}

/* ---- grace periods of a freeze: a millisecond each instead of ten (rcu_expedited) ---- */

void guard_frozen_rcu_hurry(struct guard_twin *twin)
{
    char old = 0;

    /* the kernel's default is 0; anything else is somebody's wish, and no slower */
    if (twin->rcu_fd < 0 || pread(twin->rcu_fd, &old, 1, 0) != 1 || old != '0')
        return;
    atomic_store(&twin->record->rcu_old, 0); /* on record before it is changed */
    twin->record->rcu_was_set = pwrite(twin->rcu_fd, "1", 1, 0) == 1;
}

void guard_frozen_rcu_restore(struct guard_twin *twin)
{
    if (atomic_load(&twin->record->rcu_old) == 0 && twin->rcu_fd >= 0 &&
        pwrite(twin->rcu_fd, "0", 1, 0) == 1)
        atomic_store(&twin->record->rcu_old, -1);
}

/* ---- thaw ---- */

static void note_thaw_begin(struct guard_record *record)
{
    int64_t not_yet = 0, now_us = clock_boot_us();

    if (atomic_compare_exchange_strong(&record->thaw_begin_boot_us, &not_yet, now_us))
        record->thaw_begin_utc_us = clock_utc_us();
}

void guard_frozen_thaw_mount(struct guard_twin *twin, struct guard_record_mount *mount, int fd,
                             uint32_t state)
{
    int tries = 0, answer;

    if (!atomic_compare_exchange_strong(&mount->state, &state, GUARD_MOUNT_THAWING))
        return; /* somebody else was faster; not reached: between two lines, or never */
    note_thaw_begin(twin->record);
    mount->thaw_begin_boot_us = clock_boot_us();
    do {
        answer = ioctl(fd, FITHAW, 0);
    } while (answer < 0 && errno != EINVAL && ++tries < 3);
    mount->thaw_errno = answer == 0 ? 0 : errno;
    if (answer == 0 || mount->thaw_errno == EINVAL)
        atomic_store(&twin->ledger->entries[mount - twin->record->mounts], GUARD_LEDGER_LOOSE);
    mount->thaw_end_boot_us = clock_boot_us();

    atomic_store(&mount->state, answer == 0                   ? GUARD_MOUNT_THAWED
                                : mount->thaw_errno == EINVAL ? GUARD_MOUNT_LET_GO
                                                              : GUARD_MOUNT_THAW_FAILED);
}

/* What is frozen, and the record has it otherwise: somebody has cut it short, or written over it.
 */
static void thaw_what_is_lost(struct guard_twin *twin)
{
    for (uint32_t i = GUARD_MOUNTS_MAX; i-- > 0;) {
        bool known = i < twin->record->mount_count &&
                     guard_mount_is_held(atomic_load(&twin->record->mounts[i].state));
        if (!known && atomic_load(&twin->ledger->entries[i]) == GUARD_LEDGER_FROZEN &&
            twin->mount_fds[i] >= 0) {
            (void)ioctl(twin->mount_fds[i], FITHAW, 0);
            atomic_store(&twin->ledger->entries[i], GUARD_LEDGER_LOOSE);
        }
    }
}

void guard_frozen_thaw(struct guard_twin *twin, bool twin_gone)
{
    struct guard_record *record = twin->record;

    for (uint32_t i = record->mount_count; i-- > 0;) {
        struct guard_record_mount *mount = &record->mounts[i];
        uint32_t state = atomic_load(&mount->state);
        /* FREEZING is left alone while the freezer lives: a FITHAW would sleep, uninterruptibly,
         * until its FIFREEZE has returned, and the freezer thaws it then */
        bool ours = state == GUARD_MOUNT_FROZEN ||
                    (twin_gone && (state == GUARD_MOUNT_FREEZING || state == GUARD_MOUNT_THAWING));
        if (ours && twin->mount_fds[i] >= 0)
            guard_frozen_thaw_mount(twin, mount, twin->mount_fds[i], state);
    }
    thaw_what_is_lost(twin);
    if (twin_gone)
        guard_frozen_rcu_restore(twin);
}

bool guard_frozen_has(const struct guard_record *record, uint32_t state, int *ret_index)
{
    for (uint32_t i = 0; i < record->mount_count; i++)
        if (atomic_load(&record->mounts[i].state) == state) {
            *ret_index = (int)i;
            return true;
        }
    return false;
}

bool guard_frozen_is_thawing(const struct guard_record *record)
{
    int index;

    return guard_frozen_has(record, GUARD_MOUNT_THAWING, &index);
}

/* Each mount is looked at once: between two looks, one for each state, it could go from the one to
 * the other, and would be missed by both. */
bool guard_frozen_is_clear(const struct guard_record *record)
{
    for (uint32_t i = 0; i < record->mount_count; i++) {
        uint32_t state = atomic_load(&record->mounts[i].state);
        if (state == GUARD_MOUNT_FREEZING || state == GUARD_MOUNT_FROZEN ||
            state == GUARD_MOUNT_THAWING)
            return false;
    }
    return true;
}
