/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/quiet.h"

#include <signal.h>

#include "agent/base/clock.h"

enum { HANGS_MS = 500, NS_PER_MS = 1000000 };
/* Sanitizers make large frames; what is not touched weighs nothing. */
enum { STACK_BYTES = 1024 * 1024 };

void quiet_open(struct quiet *quiet)
{
    *quiet = (struct quiet){.holds = 0};
    (void)uv_mutex_init(&quiet->mutex);
    (void)uv_cond_init(&quiet->changed);
}

void quiet_close(struct quiet *quiet)
{
    uv_cond_destroy(&quiet->changed);
    uv_mutex_destroy(&quiet->mutex);
}

void quiet_enter(struct quiet *quiet, enum quiet_who who)
{
    uv_mutex_lock(&quiet->mutex);
    while (quiet->holds > 0 || quiet->since_ms[who] != 0)
        uv_cond_wait(&quiet->changed, &quiet->mutex);
    quiet->since_ms[who] = clock_boot_ms();
    uv_mutex_unlock(&quiet->mutex);
}

void quiet_leave(struct quiet *quiet, enum quiet_who who)
{
    uv_mutex_lock(&quiet->mutex);
    quiet->since_ms[who] = 0;
    uv_cond_broadcast(&quiet->changed);
    uv_mutex_unlock(&quiet->mutex);
}

/* With the mutex. Until when somebody at it is waited for; 0: for nobody. */
static int64_t worth_until_ms(const struct quiet *quiet)
{
    int64_t until_ms = 0, now_ms = clock_boot_ms();

    for (int i = 0; i < QUIET_COUNT; i++) {
        int64_t its_ms = quiet->since_ms[i] != 0 ? quiet->since_ms[i] + HANGS_MS : 0;
        if (its_ms > now_ms && its_ms > until_ms)
            until_ms = its_ms;
    }
    return until_ms;
}

void quiet_hold(struct quiet *quiet)
{
    uv_mutex_lock(&quiet->mutex);
    quiet->holds++;
    uv_mutex_unlock(&quiet->mutex);
}

void quiet_settle(struct quiet *quiet)
{
    int64_t until_ms;

    uv_mutex_lock(&quiet->mutex);
    while ((until_ms = worth_until_ms(quiet)) != 0) {
        int64_t left_ms = until_ms - clock_boot_ms();
        (void)uv_cond_timedwait(&quiet->changed, &quiet->mutex,
                                (uint64_t)(left_ms > 0 ? left_ms : 1) * NS_PER_MS);
    }
    uv_mutex_unlock(&quiet->mutex);
}

void quiet_release(struct quiet *quiet)
{
    uv_mutex_lock(&quiet->mutex);
    quiet->holds--;
    uv_cond_broadcast(&quiet->changed);
    uv_mutex_unlock(&quiet->mutex);
}

bool quiet_is_held(struct quiet *quiet)
{
    uv_mutex_lock(&quiet->mutex);
    bool held = quiet->holds > 0;
    uv_mutex_unlock(&quiet->mutex);
    return held;
}

bool quiet_thread(uv_thread_t *ret_thread, void (*run)(void *self), void *self, struct err *err)
{
    const uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE,
                                         .stack_size = STACK_BYTES};
    sigset_t all, old;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = uv_thread_create_ex(ret_thread, &options, run, self);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return failed == 0 || err_set(err, ERR_SYS, -failed, "start a thread");
}
