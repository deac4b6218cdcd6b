/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/loan_gate.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"

enum { LOOK_MS = 50 };

static bool try_enter(struct agent *agent)
{
    (void)pthread_mutex_lock(&agent->mutex);
    bool free_now = agent->node_holder == NULL;
    agent->loan_moves += free_now;
    (void)pthread_mutex_unlock(&agent->mutex);
    return free_now;
}

bool loan_gate_enter(struct agent *agent, int64_t deadline_ms, const struct cancel *cancel,
                     bool *ret_waited, struct err *err)
{
    bool waited = false;

    while (!try_enter(agent)) {
        waited = true;
        if (!deadline_sleep(clock_boot_ms() + LOOK_MS, deadline_ms, cancel, err))
            return err_wrap(err, "waiting for a backup that has the node");
    }
    if (ret_waited != NULL)
        *ret_waited = waited;
    return true;
}

void loan_gate_leave(struct agent *agent)
{
    (void)pthread_mutex_lock(&agent->mutex);
    agent->loan_moves--;
    (void)pthread_mutex_unlock(&agent->mutex);
}

static unsigned moves(struct agent *agent)
{
    (void)pthread_mutex_lock(&agent->mutex);
    unsigned count = agent->loan_moves;
    (void)pthread_mutex_unlock(&agent->mutex);
    return count;
}

bool loan_gate_settle(struct agent *agent, int64_t deadline_ms, const struct cancel *cancel,
                      struct err *err)
{
    while (moves(agent) > 0) {
        struct err why = ERR_INIT;
        if (deadline_sleep(clock_boot_ms() + LOOK_MS, deadline_ms, cancel, &why))
            continue;
        *err = why;
        if (why.kind != ERR_DEADLINE)
            return err_wrap(err, "waiting for volumes on loan");
        (void)err_set(err, ERR_BUSY, 0,
                      "volumes that a verify or restore has on loan are still being attached or "
                      "detached");
        return err_suggest(err, "see `stillpoint status`; try again when it is over");
    }
    return true;
}

/* --- what is on loan ---------------------------------------------------------------------- */

bool loan_gate_add(struct agent *agent, const char *id, struct err *err)
{
    (void)pthread_mutex_lock(&agent->mutex);
    bool ok = strs_add_once(&agent->on_loan, id, err);
    (void)pthread_mutex_unlock(&agent->mutex);
    return ok;
}

void loan_gate_remove(struct agent *agent, const char *id)
{
    struct strs *list = &agent->on_loan;

    (void)pthread_mutex_lock(&agent->mutex);
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], id) != 0)
            continue;
        free(list->items[i]);
        list->items[i] = list->items[--list->count];
        break;
    }
    (void)pthread_mutex_unlock(&agent->mutex);
}

bool loan_gate_list(struct agent *agent, struct strs *ret_ids, struct err *err)
{
    bool ok = true;

    (void)pthread_mutex_lock(&agent->mutex);
    for (size_t i = 0; ok && i < agent->on_loan.count; i++)
        ok = strs_add_once(ret_ids, agent->on_loan.items[i], err);
    (void)pthread_mutex_unlock(&agent->mutex);
    return ok;
}
