/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/last_backup.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/control_wire.h"

void last_backup_verified(struct agent *agent, const char *id, const char *verified)
{
    json_error_t where;

    (void)pthread_mutex_lock(&agent->mutex);
    json_t *last = agent->last_backup ? json_loads(agent->last_backup, 0, &where) : NULL;
    const char *its = json_string_value(json_object_get(last, "id"));
    char *text = NULL;
    if (its != NULL && strcmp(its, id) == 0 &&
        json_object_set_new(last, "verified", control_text(verified)) == 0)
        text = json_dumps(last, JSON_COMPACT);
    if (text != NULL) { /* else it stays as it was */
        free(agent->last_backup);
        agent->last_backup = text;
    }
    (void)pthread_mutex_unlock(&agent->mutex);
    json_decref(last);
}
