/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/dbserver.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"

#define SERVER_PROGRAM "/usr/sbin/mariadbd"

enum { ARGUMENTS_MAX = 40, START_MS = 30000, STATEMENT_MS = 30000 };

bool dbserver_available(void)
{
    return access(SERVER_PROGRAM, X_OK) == 0;
}

static pid_t run_program(const char *program, const char *const *arguments, const char *log)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || null < 0 || dup2(null, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        _exit(127);
    execv(program, (char *const *)(uintptr_t)arguments);
    _exit(127);
}

static void sleep_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&time, NULL);
}

static void make_database(const struct dbserver *server, const char *const *options)
{
    char data[96], tmp[96], log[96];
    const char *arguments[ARGUMENTS_MAX] = {"mariadb-install-db",
                                            "--no-defaults",
                                            "--auth-root-authentication-method=normal",
                                            "--skip-test-db",
                                            "--force",
                                            data,
                                            tmp};
    size_t count = 7;
    int status = 0;

    (void)snprintf(data, sizeof(data), "--datadir=%s/data", server->dir);
    (void)snprintf(tmp, sizeof(tmp), "--tmpdir=%s", server->dir);
    (void)snprintf(log, sizeof(log), "%s/install.log", server->dir);
    if (geteuid() == 0)
        arguments[count++] = "--user=root";
    for (size_t i = 0; options != NULL && options[i] != NULL; i++)
        if (strncmp(options[i], "--innodb", 8) == 0 || strncmp(options[i], "--aria", 6) == 0)
            arguments[count++] = options[i]; /* what an existing database can't change */
    pid_t pid = run_program("/usr/bin/mariadb-install-db", arguments, log);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static bool answers(const struct dbserver *server)
{
    struct db_target target = {.socket = server->socket, .user = "root"};
    struct db *db = NULL;
    struct err err = ERR_INIT;
    bool ok = db_open(&target, clock_boot_ms() + 2000, NULL, &db, &err);

    db_close(db);
    return ok;
}

void dbserver_run(struct dbserver *server, const char *const *options)
{
    char data[96], tmp[96], socket[120], log[96];
    const char *arguments[ARGUMENTS_MAX] = {"mariadbd",
                                            "--no-defaults",
                                            "--skip-networking",
                                            "--innodb-buffer-pool-size=32M",
                                            "--innodb-log-file-size=8M",
                                            data,
                                            tmp,
                                            socket};
    size_t count = 8;

    (void)snprintf(data, sizeof(data), "--datadir=%s/data", server->dir);
    /* Its own: a server that starts removes the others' files from a common one. */
    (void)snprintf(tmp, sizeof(tmp), "--tmpdir=%s", server->dir);
    (void)snprintf(socket, sizeof(socket), "--socket=%s", server->socket);
    (void)snprintf(log, sizeof(log), "%s/server.log", server->dir);
    if (geteuid() == 0)
        arguments[count++] = "--user=root";
    for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
        assert_true(count + 1 < ARGUMENTS_MAX);
        arguments[count++] = options[i];
    }
    server->pid = run_program(SERVER_PROGRAM, arguments, log);
    for (int64_t end_ms = clock_boot_ms() + START_MS; !answers(server); sleep_ms(50)) {
        assert_int_equal(waitpid(server->pid, NULL, WNOHANG), 0);
        assert_true(clock_boot_ms() < end_ms);
    }
}

void dbserver_make_dir(struct dbserver *server)
{
    (void)snprintf(server->dir, sizeof(server->dir), "/tmp/stillpoint-db-XXXXXX");
    assert_non_null(mkdtemp(server->dir));
    (void)snprintf(server->socket, sizeof(server->socket), "%s/s.sock", server->dir);
}

void dbserver_start(struct dbserver *server, const char *const *options)
{
    if (server->dir[0] == '\0')
        dbserver_make_dir(server);
    make_database(server, options);
    dbserver_run(server, options);
}

void dbserver_kill(struct dbserver *server)
{
    if (server->pid <= 0)
        return;
    (void)kill(server->pid, SIGKILL);
    (void)waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void dbserver_stop(struct dbserver *server)
{
    dbserver_kill(server);
    if (server->dir[0] != '\0')
        (void)nftw(server->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    server->dir[0] = '\0';
}

struct db *dbserver_connect(const struct dbserver *server)
{
    struct db_target target = {.socket = server->socket, .user = "root"};
    struct db *db = NULL;
    struct err err = ERR_INIT;

    if (!db_open(&target, clock_boot_ms() + STATEMENT_MS, NULL, &db, &err))
        fail_msg("%s", err.text);
    return db;
}

char *dbserver_text(const struct dbserver *server, const char *sql)
{
    struct db *db = dbserver_connect(server);
    struct db_rows rows = DB_ROWS_INIT;
    struct err err = ERR_INIT;
    char *text = NULL;

    if (!db_query(db, sql, false, clock_boot_ms() + STATEMENT_MS, &rows, &err))
        fail_msg("%s: %s", sql, err.text);
    if (rows.row_count > 0 && rows.cells[0] != NULL)
        text = strdup(rows.cells[0]);
    db_rows_free(&rows);
    db_close(db);
    return text;
}

void dbserver_sql(const struct dbserver *server, const char *sql)
{
    free(dbserver_text(server, sql));
}

long dbserver_number(const struct dbserver *server, const char *sql)
{
    char *text = dbserver_text(server, sql);
    long number = text != NULL ? strtol(text, NULL, 10) : -1;

    free(text);
    return number;
}

static void *run_side(void *arg)
{
    struct dbside *side = arg;
    struct db_target target = {.socket = side->socket, .user = "root"};
    struct db *db = NULL;
    struct err err = ERR_INIT;
    int64_t begin_ms = clock_boot_ms();

    side->ok = db_open(&target, begin_ms + STATEMENT_MS, NULL, &db, &err);
    if (side->ok)
        side->connection_id = db_connection_id(db);
    side->connected = true;
    for (size_t i = 0; side->ok && i < 3 && side->sql[i][0] != '\0'; i++)
        side->ok = db_exec(db, side->sql[i], false, begin_ms + STATEMENT_MS, &err);
    side->took_ms = clock_boot_ms() - begin_ms;
    db_close(db);
    return NULL;
}

void dbside_start(struct dbside *side, const struct dbserver *server, const char *first,
                  const char *second, const char *third)
{
    const char *statements[3] = {first, second, third};

    memset(side, 0, sizeof(*side));
    (void)snprintf(side->socket, sizeof(side->socket), "%s", server->socket);
    for (size_t i = 0; i < 3; i++)
        if (statements[i] != NULL)
            (void)snprintf(side->sql[i], sizeof(side->sql[i]), "%s", statements[i]);
    assert_int_equal(pthread_create(&side->thread, NULL, run_side, side), 0);
    while (!side->connected)
        sleep_ms(2);
}

void dbside_await(const struct dbserver *server, unsigned long connection_id, const char *state)
{
    char sql[300];

    (void)snprintf(sql, sizeof(sql),
                   "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = %lu AND "
                   "CONCAT(COMMAND, ' ', COALESCE(STATE, '')) LIKE '%%%s%%'",
                   connection_id, state);
    for (int64_t end_ms = clock_boot_ms() + STATEMENT_MS; dbserver_number(server, sql) < 1;
         sleep_ms(10))
        assert_true(clock_boot_ms() < end_ms);
}

void dbside_join(struct dbside *side)
{
    assert_int_equal(pthread_join(side->thread, NULL), 0);
}
