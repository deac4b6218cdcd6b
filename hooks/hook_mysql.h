/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOK_MYSQL_H
#define STILLPOINT_HOOK_MYSQL_H

#include "hooks/db_lock.h"
#include "hooks/hook.h"

/* One database server of the node behind hook.h. A node with several has several of these.
 *
 * prepare connects, asks the server what it is and chooses the lock, looks for what runs already,
 * opens the backup stage. hold takes the lock and reads the position. attest proves. release
 * unlocks; the connection stays for another hold. finish (or free) closes it. */

struct hook_mysql_config {
    const char *name;          /* of the section, "mysql" where it has none */
    const char *socket;        /* NULL: db_find_socket() */
    const char *user;          /* NULL: the user that we run as */
    const char *defaults_file; /* NULL: by the socket alone */
    enum db_method method;
    bool exact_position;
    bool required;
    int64_t lock_wait_ms; /* whole seconds are used, at least 1000 */
};

/* Copies CONFIG; connects to nothing. False: ERR_INTERNAL, no memory. */
bool hook_mysql_new(const struct hook_mysql_config *config, struct hook *ret_hook, struct err *err);

/* Below, HOOK is one that hook_mysql_new made (hook_is_mysql), else a bug. */
bool hook_is_mysql(const struct hook *hook);

/* After a good prepare; NULL else. Valid until the next prepare, hold or free. */
const struct db_server *hook_mysql_server(const struct hook *hook);
/* Of the last good hold (also after its release); NULL else. */
const struct db_position *hook_mysql_position(const struct hook *hook);
/* The socket that is used, after prepare; NULL where none was found. */
const char *hook_mysql_socket(const struct hook *hook);

/* Between prepare and hold: the plan can't freeze the binary log's mount before the data's, so
 * commits must wait. Where they go on with the method chosen, FTWRL is taken as well.
 * False: ERR_CONFIG, the operator's method forbids it. No effect where commits wait anyway. */
bool hook_mysql_block_commits(struct hook *hook, struct err *err);

#endif
