/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_choice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const method_names[DB_METHOD_COUNT] = {
    [DB_METHOD_AUTO] = "auto",
    [DB_METHOD_BACKUP_STAGE] = "backup-stage",
    [DB_METHOD_LOCK_INSTANCE] = "lock-instance",
    [DB_METHOD_PERCONA] = "percona",
    [DB_METHOD_FTWRL] = "ftwrl",
    [DB_METHOD_NONE] = "none",
};

const char *db_method_name(enum db_method method)
{
    return (unsigned)method < DB_METHOD_COUNT ? method_names[method] : "unknown";
}

bool db_method_parse(const char *text, enum db_method *ret_method)
{
    for (unsigned i = 0; i < DB_METHOD_COUNT; i++)
        if (strcmp(text, method_names[i]) == 0) {
            *ret_method = (enum db_method)i;
            return true;
        }
    return false;
}

const char *db_kind_name(enum db_kind kind)
{
    switch (kind) {
    case DB_KIND_MARIADB:
        return "MariaDB";
    case DB_KIND_PERCONA:
        return "Percona Server";
    case DB_KIND_MYSQL:
        break;
    }
    return "MySQL";
}

/* "10.11.19" at the start of TEXT; 0 where there is none. */
static int version_number(const char *text)
{
    int parts[3] = {0, 0, 0};
    size_t count = 0;
    const char *at = text;

    while (count < 3) {
        char *end = NULL;
        if (*at < '0' || *at > '9')
            break;
        long part = strtol(at, &end, 10);
        if (part > 99)
            return 0;
        parts[count++] = (int)part;
        at = end;
        if (*at != '.')
            break;
        at++;
    }
    return count < 2 ? 0 : parts[0] * 10000 + parts[1] * 100 + parts[2];
}

bool db_version_parse(const char *text, const char *comment, struct db_version *ret_version)
{
    /* MariaDB before 11 greets with this in front, for the sake of old replicas. */
    static const char disguise[] = "5.5.5-";
    bool mariadb = strstr(text, "MariaDB") != NULL || strstr(text, "mariadb") != NULL ||
                   strstr(comment, "MariaDB") != NULL || strstr(comment, "mariadb.org") != NULL;

    if (mariadb && strncmp(text, disguise, sizeof(disguise) - 1) == 0 &&
        version_number(text + sizeof(disguise) - 1) != 0)
        text += sizeof(disguise) - 1;
    int number = version_number(text);
    if (number == 0)
        return false;
    ret_version->number = number;
    ret_version->kind = mariadb                              ? DB_KIND_MARIADB
                        : strstr(comment, "Percona") != NULL ? DB_KIND_PERCONA
                                                             : DB_KIND_MYSQL;
    return true;
}

/* --- choosing ----------------------------------------------------------------------------- */

static enum db_method natural_method(const struct db_version *version)
{
    switch (version->kind) {
    case DB_KIND_MARIADB:
        return version->number >= DB_MARIADB_BACKUP_STAGE ? DB_METHOD_BACKUP_STAGE
                                                          : DB_METHOD_FTWRL;
    case DB_KIND_PERCONA:
        return version->number >= DB_PERCONA_BACKUP_LOCKS ? DB_METHOD_PERCONA : DB_METHOD_FTWRL;
    case DB_KIND_MYSQL:
        break;
    }
    return version->number >= DB_MYSQL_LOCK_INSTANCE ? DB_METHOD_LOCK_INSTANCE : DB_METHOD_FTWRL;
}

static bool has_method(const struct db_version *version, enum db_method method)
{
    if (method == DB_METHOD_FTWRL || method == DB_METHOD_NONE)
        return true;
    if (method == DB_METHOD_LOCK_INSTANCE) /* Percona Server has what its MySQL has */
        return version->kind != DB_KIND_MARIADB && version->number >= DB_MYSQL_LOCK_INSTANCE;
    return method == natural_method(version);
}

/* Why the light lock is not enough, or NULL. */
static const char *need_for_ftwrl(const struct db_facts *facts, bool holds_other_engines)
{
    if (!holds_other_engines && facts->other_tables < 0)
        return "whether tables of other engines exist is not known";
    if (!holds_other_engines && facts->other_tables > 0)
        return "tables of other engines exist";
    if (facts->flush_at_commit != 1)
        return "innodb_flush_log_at_trx_commit is not 1";
    if (facts->exact_wanted && facts->log_bin)
        return "an exact position is needed";
    return NULL;
}

/* The light locks of MySQL and Percona Server 8.0: commits go on unless FTWRL joins them. */
static void choose_light(const struct db_facts *facts, struct db_choice *choice)
{
    const char *need = need_for_ftwrl(facts, choice->method == DB_METHOD_PERCONA);

    choice->with_ftwrl = need != NULL;
    choice->commits_go_on = need == NULL;
    (void)snprintf(choice->why, sizeof(choice->why), "%s %d%s%s", db_kind_name(facts->version.kind),
                   facts->version.number / 10000,
                   need != NULL ? ", and FTWRL since " : ", all that is needed", need ? need : "");
}

bool db_choose(const struct db_facts *facts, struct db_choice *ret_choice, struct err *err)
{
    const struct db_version *version = &facts->version;
    struct db_choice choice = {.method = facts->asked == DB_METHOD_AUTO ? natural_method(version)
                                                                        : facts->asked};

    if (!has_method(version, choice.method)) {
        err_set(err, ERR_CONFIG, 0, "method = %s: %s %d.%d has no such lock",
                db_method_name(choice.method), db_kind_name(version->kind), version->number / 10000,
                version->number / 100 % 100);
        return err_suggest(err, "set method = auto under [mysql]");
    }
    if (choice.method == DB_METHOD_LOCK_INSTANCE ||
        (choice.method == DB_METHOD_PERCONA && version->number >= DB_MYSQL_LOCK_INSTANCE))
        choose_light(facts, &choice);
    else
        (void)snprintf(choice.why, sizeof(choice.why), "%s %d.%d", db_kind_name(version->kind),
                       version->number / 10000, version->number / 100 % 100);
    if (choice.method == DB_METHOD_NONE)
        choice.commits_go_on = true;
    if (facts->asked != DB_METHOD_AUTO) {
        size_t used = strlen(choice.why);
        (void)snprintf(choice.why + used, sizeof(choice.why) - used, ", as configured");
    }
    /* Where commits go on, log buffer and binary log move on anyway. */
    choice.flush_engine_logs = !choice.commits_go_on && facts->flush_at_commit != 1;
    *ret_choice = choice;
    return true;
}

/* --- rights ------------------------------------------------------------------------------- */

/* RELOAD: BACKUP STAGE, FTWRL, FLUSH ENGINE LOGS. PROCESS: other users' threads, InnoDB's files.
 * BINLOG MONITOR and SLAVE MONITOR took SHOW MASTER STATUS and SHOW ALL SLAVES STATUS over from
 * REPLICATION CLIENT in MariaDB 10.5.2 and 10.5.9; between the two, SLAVE MONITOR was REPLICATION
 * SLAVE ADMIN's. */
static const char *mariadb_rights(int number)
{
    if (number >= 100509)
        return "RELOAD, PROCESS, BINLOG MONITOR, SLAVE MONITOR";
    if (number >= 100502)
        return "RELOAD, PROCESS, BINLOG MONITOR, REPLICATION SLAVE ADMIN";
    return "RELOAD, PROCESS, REPLICATION CLIENT";
}

/* SHOW VIEW: information_schema.TABLES shows only tables on which one has some right, and that is
 * the least of them. */
static bool add_mysql(const struct db_version *version, const char *user, struct buf *text,
                      struct err *err)
{
    bool light = version->number >= DB_MYSQL_LOCK_INSTANCE;

    return buf_printf(text, err,
                      "-- where SHOW PLUGINS has no auth_socket: INSTALL PLUGIN auth_socket SONAME "
                      "'auth_socket.so';\n"
                      "CREATE USER '%s'@'localhost' IDENTIFIED WITH auth_socket;\n"
                      "GRANT RELOAD, PROCESS, REPLICATION CLIENT%s ON *.* TO '%s'@'localhost';\n",
                      user, light ? ", SHOW VIEW, BACKUP_ADMIN" : "", user) &&
           (!light ||
            buf_printf(text, err,
                       "GRANT SELECT ON performance_schema.log_status TO '%s'@'localhost';\n",
                       user));
}

static bool add_mariadb(const struct db_version *version, const char *user, struct buf *text,
                        struct err *err)
{
    return (version->number >= DB_MARIADB_BACKUP_STAGE ||
            buf_add_text(
                text, "-- where SHOW PLUGINS has no unix_socket: INSTALL SONAME 'auth_socket';\n",
                err)) &&
           buf_printf(text, err,
                      "CREATE USER '%s'@'localhost' IDENTIFIED VIA unix_socket;\n"
                      "GRANT %s ON *.* TO '%s'@'localhost';\n",
                      user, mariadb_rights(version->number), user);
}

bool db_grants_text(const struct db_version *version, const char *user, bool galera,
                    struct buf *ret_text, struct err *err)
{
    /* A login's name, as useradd takes it: nothing that could end the quotes. */
    if (user[0] == '\0' || strspn(user, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789._-$") != strlen(user))
        return err_set(err, ERR_USAGE, 0, "%s: not the name of a login", user);
    if (!(version->kind == DB_KIND_MARIADB ? add_mariadb : add_mysql)(version, user, ret_text, err))
        return false;
    return !galera || buf_printf(ret_text, err, "GRANT SUPER ON *.* TO '%s'@'localhost';\n", user);
}
