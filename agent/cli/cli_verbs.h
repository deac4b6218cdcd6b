/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_VERBS_H
#define STILLPOINT_CLI_VERBS_H

#include <stdbool.h>

/* The verbs and options of `stillpoint`, as two tables. cli_help.h makes the help of them. */

enum cli_command {
    CLI_NO_COMMAND,
    CLI_BACKUP,
    CLI_HOLD,
    CLI_RELEASE,
    CLI_RUN,
    CLI_PRE_UPGRADE,
    CLI_LIST,
    CLI_SHOW,
    CLI_STATUS,
    CLI_DOCTOR,
    CLI_CONFIG,
    CLI_THAW,
    CLI_RESTORE,
    CLI_ROLLBACK,
    CLI_VERIFY,
    CLI_PRUNE,
    CLI_PIN,
    CLI_UNPIN,
    CLI_DELETE,
    CLI_IAM_POLICY,
    CLI_SEAL,
    CLI_COMMAND_COUNT
};

#define CLI_FOR(command) (1U << (command))
#define CLI_FOR_ALL      ((1U << CLI_COMMAND_COUNT) - 1)

struct cli_verb {
    const char *name;
    const char *argument; /* NULL: takes none; in brackets: may be left out */
    const char *line;     /* in the list of commands */
    const char *about;    /* in its own help */
};

/* A word between the verb and its argument: `restore instance ID`. The daemon knows it as a command
 * of its own, "restore-instance". */
struct cli_kind {
    const char *name; /* NULL: the end of the list */
    bool paths;       /* takes one path or more behind its argument */
    const char *line;
};

enum cli_option_id {
    CLI_OPTION_JSON,
    CLI_OPTION_QUIET,
    CLI_OPTION_CONFIG,
    CLI_OPTION_VERSION,
    CLI_OPTION_HELP,
    CLI_OPTION_DRY_RUN,
    CLI_OPTION_REASON,
    CLI_OPTION_CONSISTENCY,
    CLI_OPTION_WAIT,
    CLI_OPTION_IMAGE,
    CLI_OPTION_NO_IMAGE,
    CLI_OPTION_LEASE,
    CLI_OPTION_LEAVE_OUT,
    CLI_OPTION_KEEP,
    CLI_OPTION_PIN,
    CLI_OPTION_TAG,
    CLI_OPTION_MAX_AGE,
    CLI_OPTION_ALL_NODES,
    CLI_OPTION_GROUP,
    CLI_OPTION_BY_NODE,
    CLI_OPTION_NODE,
    CLI_OPTION_SINCE,
    CLI_OPTION_UNTIL,
    CLI_OPTION_STATE,
    CLI_OPTION_LIMIT,
    CLI_OPTION_FORCE,
    CLI_OPTION_DATA_ONLY,
    CLI_OPTION_NO_BACKUP,
    CLI_OPTION_COMMIT,
    CLI_OPTION_UNDO,
    CLI_OPTION_YES,
    CLI_OPTION_DEEP,
    CLI_OPTION_AGAIN,
    CLI_OPTION_TYPE,
    CLI_OPTION_SUBNET,
    CLI_OPTION_ZONE,
    CLI_OPTION_SECURITY_GROUP,
    CLI_OPTION_PRIVATE_IP,
    CLI_OPTION_KEY,
    CLI_OPTION_PROFILE,
    CLI_OPTION_USER_DATA,
    CLI_OPTION_NAME,
    CLI_OPTION_REPLACE,
    CLI_OPTION_ANOTHER,
    CLI_OPTION_IOPS,
    CLI_OPTION_THROUGHPUT,
    CLI_OPTION_ENCRYPTED,
    CLI_OPTION_ATTACH,
    CLI_OPTION_DEVICE,
    CLI_OPTION_INITIALIZE,
    CLI_OPTION_VOLUME,
    CLI_OPTION_TO,
    CLI_OPTION_ROLE,
    CLI_OPTION_WITH,
    CLI_OPTION_BILLED,
    CLI_OPTION_KMS_KEY,
    CLI_OPTION_PASS_ROLE,
    CLI_OPTION_BEST_EFFORT,
    CLI_OPTION_APT,
    CLI_OPTION_DNF,
    CLI_OPTION_AFTER,
    CLI_OPTION_COUNT
};

struct cli_option {
    const char *name;
    char letter;          /* 0: none */
    const char *argument; /* NULL: takes none */
    unsigned commands;    /* CLI_FOR(…) bits */
    const char *about;
};

extern const struct cli_verb cli_verbs[CLI_COMMAND_COUNT]; /* that of CLI_NO_COMMAND is empty */
extern const struct cli_option cli_option_table[CLI_OPTION_COUNT];

/* NULL: COMMAND has no kinds. */
const struct cli_kind *cli_verbs_kinds(enum cli_command command);
/* The kind of that name; NULL where COMMAND has none such. */
const struct cli_kind *cli_verbs_kind(enum cli_command command, const char *name);
/* Whether the option is for that kind of COMMAND; KIND may be NULL. */
bool cli_verbs_option_fits(enum cli_option_id id, enum cli_command command, const char *kind);
/* Whether the option, if it is COMMAND's, is that of all of its kinds. */
bool cli_verbs_option_of_all(enum cli_option_id id, enum cli_command command);
/* Whether COMMAND changes something (unless it is a dry run), so that its end must be known. With
 * --json all that happens on the way is a line each. */
bool cli_verbs_changes(enum cli_command command);

#endif
