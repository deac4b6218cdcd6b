/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_COMMANDS_H
#define STILLPOINT_COMMANDS_H

#include "agent/daemon/job.h"

/* What the control socket can be asked for. */
struct command {
    const char *name;
    void (*run)(struct job *job);
    bool spare; /* soon over, and needed most when there is no place for others: it has some of its
                 * own */
};

/* NULL: there is no such command. Static. */
const struct command *command_find(const char *name);
/* Ends with NULL; for "did you mean". */
const char *const *command_names(void);

/* Each ends with job_result or job_fail; args and events as control_wire.h says. */
void backup_command(struct job *job);
void hold_command(struct job *job);
void release_command(struct job *job);
void rollback_command(struct job *job);
void list_command(struct job *job);
void show_command(struct job *job);
void prune_command(struct job *job);
void delete_command(struct job *job);
void pin_command(struct job *job);
void unpin_command(struct job *job);
void status_command(struct job *job);
void doctor_command(struct job *job);
void verify_command(struct job *job);
void restore_volumes_command(struct job *job);
void restore_files_command(struct job *job);
void restore_instance_command(struct job *job);

#endif
