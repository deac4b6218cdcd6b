/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/set_use.h"

#include <stdio.h>
#include <string.h>

#include "agent/daemon/agent.h"

bool set_use_begin(struct job *job, const char *id, struct err *err)
{
    struct agent *agent = job->agent;

    (void)pthread_mutex_lock(&agent->mutex);
    bool goes = strcmp(agent->removing, id) == 0;
    if (!goes)
        (void)snprintf(job->set, sizeof(job->set), "%s", id);
    (void)pthread_mutex_unlock(&agent->mutex);
    if (!goes)
        return true;
    (void)err_set(err, ERR_BUSY, 0, "backup %s is being removed", id);
    return err_suggest(err, "take another, as stillpoint list shows them; stillpoint status shows "
                            "what removes it");
}

/* With the agent's mutex. */
static bool is_used(struct agent *agent, const char *id)
{
    bool found = false;

    for (struct job *job = agent->jobs; job != NULL && !found; job = job->next) {
        (void)pthread_mutex_lock(&job->mutex);
        found = !job->ended && (strcmp(job->id, id) == 0 || strcmp(job->set, id) == 0);
        (void)pthread_mutex_unlock(&job->mutex);
    }
    return found;
}

bool set_use_is(struct agent *agent, const char *id)
{
    (void)pthread_mutex_lock(&agent->mutex);
    bool used = is_used(agent, id);
    (void)pthread_mutex_unlock(&agent->mutex);
    return used;
}

bool set_use_begin_removal(struct agent *agent, const char *id)
{
    (void)pthread_mutex_lock(&agent->mutex);
    bool used = is_used(agent, id);
    if (!used)
        (void)snprintf(agent->removing, sizeof(agent->removing), "%s", id);
    (void)pthread_mutex_unlock(&agent->mutex);
    return !used;
}

void set_use_end_removal(struct agent *agent)
{
    (void)pthread_mutex_lock(&agent->mutex);
    agent->removing[0] = '\0';
    (void)pthread_mutex_unlock(&agent->mutex);
}
