/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/commands.h"

#include <string.h>

/* clang-format off: a line each */
static const struct command commands[] = {
    {"backup", backup_command, false},
    {"hold", hold_command, false},
    {"release", release_command, true},
    {"list", list_command, false},
    {"show", show_command, false},
    {"status", status_command, true},
    {"doctor", doctor_command, false},
    {"restore-instance", restore_instance_command, false},
    {"restore-volumes", restore_volumes_command, false},
    {"restore-files", restore_files_command, false},
    {"verify", verify_command, false},
    {"rollback", rollback_command, false},
    {"prune", prune_command, false},
    {"delete", delete_command, false},
    {"pin", pin_command, false},
    {"unpin", unpin_command, false},
};
/* clang-format on */

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
    /* clang-format off: a line each */
    static const char *const names[] = {
        "backup",
        "hold",
        "release",
        "list",
        "show",
        "status",
        "doctor",
        "cancel",
        "restore-instance",
        "restore-volumes",
        "restore-files",
        "verify",
        "rollback",
        "prune",
        "delete",
        "pin",
        "unpin",
        NULL,
    };
    /* clang-format on */

    return names;
}
