/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/commands.h"

#include <string.h>

/* clang-format off: a line each */
static const struct command commands[] = {
    {"backup", backup_command},
    {"hold", hold_command},
    {"release", release_command},
    {"list", list_command},
    {"show", show_command},
    {"status", status_command},
    {"doctor", doctor_command},
    {"restore-instance", restore_instance_command},
    {"restore-volumes", restore_volumes_command},
    {"restore-files", restore_files_command},
    {"verify", verify_command},
    {"rollback", rollback_command},
    {"prune", prune_command},
    {"delete", delete_command},
    {"pin", pin_command},
    {"unpin", unpin_command},
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
