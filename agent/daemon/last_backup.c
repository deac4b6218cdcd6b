/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/last_backup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"

/* With the agent's mutex, as parse. */
static void replace(struct agent *agent, const json_t *backup)
{
    char *text = backup ? json_dumps(backup, JSON_COMPACT) : NULL;

    if (text == NULL)
        return;
    free(agent->last_backup);
    agent->last_backup = text;
}

static json_t *parse(const struct agent *agent)
{
    json_error_t where;

    return agent->last_backup ? json_loads(agent->last_backup, 0, &where) : NULL;
}

static void set(struct agent *agent, json_t *take_backup, bool is_proved)
{
    (void)pthread_mutex_lock(&agent->mutex);
    replace(agent, take_backup);
    if (is_proved)
        agent->last_backup_ms = clock_boot_ms();
    (void)pthread_mutex_unlock(&agent->mutex);
    json_decref(take_backup);
}

void last_backup_proved(struct agent *agent, json_t *take_backup)
{
    set(agent, take_backup, true);
}

void last_backup_set(struct agent *agent, json_t *take_backup)
{
    set(agent, take_backup, false);
}

void last_backup_update(struct agent *agent, const char *id, json_t *take_facts)
{
    (void)pthread_mutex_lock(&agent->mutex);
    json_t *last = parse(agent);
    const char *its = json_string_value(json_object_get(last, "id"));
    if (its != NULL && strcmp(its, id) == 0 && json_object_update(last, take_facts) == 0)
        replace(agent, last);
    (void)pthread_mutex_unlock(&agent->mutex);
    json_decref(last);
    json_decref(take_facts);
}

json_t *last_backup_json(struct agent *agent)
{
    (void)pthread_mutex_lock(&agent->mutex);
    json_t *last = parse(agent);
    (void)pthread_mutex_unlock(&agent->mutex);
    return last ? last : json_null();
}

bool last_backup_since(struct agent *agent, int64_t since_boot_ms, char *ret_id,
                       enum label *ret_label)
{
    (void)pthread_mutex_lock(&agent->mutex);
    json_t *last = agent->last_backup_ms >= since_boot_ms ? parse(agent) : NULL;
    (void)pthread_mutex_unlock(&agent->mutex);
    const char *id = json_string_value(json_object_get(last, "id"));
    const char *label = json_string_value(json_object_get(last, "consistency"));
    bool known = id != NULL && label != NULL && label_parse(label, ret_label);

    if (known)
        (void)snprintf(ret_id, JOB_ID_BYTES, "%s", id);
    json_decref(last);
    return known;
}
