/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/commands.h"

#include <string.h>

static const struct command commands[] = {
    {"backup", backup_command}, {"list", list_command},
    {"show", show_command},     {"status", status_command},
    {"doctor", doctor_command}, {"restore-instance", restore_instance_command},
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

const char *const *command_names(void)
{
    static const char *const names[] = {
        "backup", "list", "show", "status", "doctor", "cancel", "restore-instance", NULL};

    return names;
}
