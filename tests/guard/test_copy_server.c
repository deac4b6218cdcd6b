/* SPDX-License-Identifier: BSD-2-Clause */
/* A copy session's database server: a real MariaDB whose original was killed in the midst of its
 * work, and whatever is killed then. */
#include "tests/guard/copy_rig.h"

#include "agent/hookrun/hookrun_copy_room.h" /* COPY_READER */

#include <grp.h>
#include <mysql.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#define PROGRAM "/usr/sbin/mariadbd" /* the node's */

enum { DATA, ROOT, TRAP, LINK, NO_PROC, MEMORY_MIB = 160 };

struct scene {
    struct copy_rig *rig;
    char db[200];   /* where the original has its filesystem */
    char data[220]; /* its datadir */
    char settings[500];
    uint32_t item; /* of the copy, in the session */
    pid_t inner, server;
    struct copy_serving serving;
    struct buf log;
};

static int64_t soon(void)
{
    return clock_boot_ms() + 60000;
}

/* ---- steps ---- */

static void open_and_mount(struct scene *scene, uint32_t flags)
{
    copy_rig_open_for(scene->rig, COPY_VERIFY, NULL);
    scene->inner = copy_rig_child_of(scene->rig->outer);
    scene->item = copy_rig_add(scene->rig, &scene->rig->disks[DATA]);
    if (!copy_rig_mount(scene->rig, scene->item, scene->db, flags))
        fail_msg("%s", scene->rig->err.text);
}

static bool serve(struct scene *scene, const char *settings, int64_t deadline_ms)
{
    const struct copy_server server = {scene->data, PROGRAM, (uint64_t)MEMORY_MIB << 20, settings};

    scene->rig->err = (struct err)ERR_INIT;
    buf_clear(&scene->log);
    bool told = copy_serve(scene->rig->copy, &server, deadline_ms, NULL, &scene->serving,
                           &scene->log, &scene->rig->err);
    scene->server = scene->inner == 0 ? 0 : copy_rig_child_of(scene->inner);
    return told;
}

static void serve_ready(struct scene *scene)
{
    if (!serve(scene, scene->settings, soon()))
        fail_msg("%s", scene->rig->err.text);
    if (!scene->serving.ready)
        fail_msg("code %d signal %d: %s", scene->serving.exit_code, scene->serving.signal,
                 scene->log.len > 900 ? buf_text(&scene->log) + scene->log.len - 900
                                      : buf_text(&scene->log));
}

/* The one value that STATEMENT gives, in a buffer that the next call overwrites. */
static const char *ask(struct scene *scene, const char *statement)
{
    static char value[200];
    MYSQL *db = mysql_init(NULL);

    if (mysql_real_connect(db, NULL, "anyone", NULL, NULL, 0, scene->serving.socket, 0) == NULL ||
        mysql_query(db, statement) != 0)
        fail_msg("%s: %s", statement, mysql_error(db));
    MYSQL_RES *result = mysql_store_result(db);
    assert_non_null(result);
    MYSQL_ROW row = mysql_fetch_row(result);
    assert_non_null(row);
    rig_format(value, sizeof(value), "%s", row[mysql_num_fields(result) - 1]);
    mysql_free_result(result);
    mysql_close(db);
    return value;
}

static struct copy_stopped stop(struct scene *scene)
{
    struct copy_stopped stopped = {.exit_code = -2};

    buf_clear(&scene->log);
    if (!copy_stop(scene->rig->copy, soon(), NULL, &stopped, &scene->log, &scene->rig->err))
        fail_msg("%s", scene->rig->err.text);
    return stopped;
}

/* ---- what it does ---- */

static void server_recovers_beside_its_original(void **state)
{
    struct scene *scene = *state;

    assert_int_equal(
        rig_sh("mount -o loop,ro,noload %s.origin %s", scene->rig->disks[DATA].image, scene->db),
        0);
    open_and_mount(scene, COPY_WRITABLE);
    serve_ready(scene);
    assert_true(scene->serving.recovery_us > 0);
    assert_non_null(strstr(buf_text(&scene->log), "crash recovery"));
    assert_string_equal(ask(scene, "SELECT COUNT(*) FROM lab.t"), "500");
    assert_string_equal(ask(scene, "SELECT COUNT(*) FROM lab.m"), "500");
    assert_string_equal(ask(scene, "CHECK TABLE lab.t EXTENDED"), "OK");
    /* the binary log's own first file, and the one that this start began */
    assert_string_equal(ask(scene, "SELECT @@log_bin"), "1");

    struct copy_stopped stopped = stop(scene);
    assert_false(stopped.by_itself);
    assert_int_equal(stopped.exit_code, 0);
    assert_int_equal(rig_sh("umount %s", scene->db), 0);
    copy_rig_close(scene->rig);
}

static void server_is_alone_and_modest(void **state)
{
    struct scene *scene = *state;

    open_and_mount(scene, COPY_WRITABLE);
    serve_ready(scene);

    assert_string_equal(ask(scene, "SELECT @@skip_networking"), "1");
    assert_string_not_equal(ask(scene, "SELECT @@event_scheduler"), "ON");
    assert_string_equal(ask(scene, "SELECT @@myisam_recover_options"), "OFF");
    assert_string_equal(ask(scene, "SELECT @@expire_logs_days"), "0.000000");
    assert_string_equal(ask(scene, "SELECT @@datadir LIKE '%%/data/'"), "1");
    assert_string_equal(ask(scene, "SELECT @@secure_file_priv"), "/tmp/");
    assert_true(scene->server > 0);
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)scene->server), 19);
    assert_int_equal(sched_getscheduler(scene->server), SCHED_IDLE);
    assert_int_equal(rig_sh("test \"$(stat -c %%U /proc/%d)\" = mysql && "
                            "grep -qx 1000 /proc/%d/oom_score_adj && "
                            "grep -q '^Max data size  *%d ' /proc/%d/limits && "
                            "grep -q 'NoNewPrivs:.1' /proc/%d/status && "
                            "! cmp -s /proc/%d/environ /proc/self/environ && "
                            "test $(nsenter -t %d -n cat /proc/self/net/tcp | wc -l) = 1",
                            (int)scene->server, (int)scene->server, (MEMORY_MIB + 512) << 20,
                            (int)scene->server, (int)scene->server, (int)scene->server,
                            (int)scene->server),
                     0);
    /* Others have no way to its socket: it is in no folder of the machine's. */
    assert_int_equal(rig_sh("ls /run/mysqld/mysqld.sock 2>&1 | grep -q 'No such file'"), 0);
    copy_rig_close(scene->rig);
}

static void copy_with_a_root_folder_is_served_by_its_own_programs(void **state)
{
    struct scene *scene = *state;

    copy_rig_open_for(scene->rig, COPY_VERIFY, NULL);
    scene->inner = copy_rig_child_of(scene->rig->outer);
    uint32_t root = copy_rig_add(scene->rig, &scene->rig->disks[ROOT]);
    uint32_t data = copy_rig_add(scene->rig, &scene->rig->disks[DATA]);
    if (!copy_rig_mount(scene->rig, root, "/", COPY_WRITABLE) ||
        !copy_rig_mount(scene->rig, data, scene->db, COPY_WRITABLE))
        fail_msg("%s", scene->rig->err.text);
    serve_ready(scene);

    assert_string_equal(ask(scene, "SELECT COUNT(*) FROM lab.t"), "500");
    assert_int_equal(
        rig_sh("test \"$(readlink /proc/%d/root)\" = /run/stillpoint", (int)scene->server), 0);
    (void)stop(scene);
    copy_rig_close(scene->rig);
}

/* In a child: what stillpointd is, unprivileged and not dumpable, reaches the server. 0, or what
 * did not go. */
static int be_daemon(struct scene *scene)
{
    const struct copy_config config = {scene->rig->socket, COPY_RIG_ID, COPY_VERIFY, NULL, soon()};
    const struct copy_device device = copy_rig_device(&scene->rig->disks[DATA]);
    const struct copy_server server = {scene->data, PROGRAM, (uint64_t)MEMORY_MIB << 20,
                                       scene->settings};
    struct copy *copy = NULL;
    struct err *err = &scene->rig->err;

    if (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0 ||
        prctl(PR_SET_DUMPABLE, 0) < 0)
        return 1;
    if (!copy_open(&config, soon(), NULL, &copy, err))
        return 2;
    if (!copy_add_device(copy, &device, soon(), NULL, err) ||
        !copy_mount(copy, 0, scene->db, COPY_WRITABLE, soon(), NULL, err))
        return 3;
    if (!copy_serve(copy, &server, soon(), NULL, &scene->serving, &scene->log, err) ||
        !scene->serving.ready)
        return 4;
    MYSQL *db = mysql_init(NULL);
    if (mysql_real_connect(db, NULL, "anyone", NULL, NULL, 0, scene->serving.socket, 0) == NULL)
        return 5;
    mysql_close(db);
    bool closed = copy_close(copy, soon(), err);
    copy_free(copy);
    return closed ? 0 : 6;
}

static void server_answers_a_daemon_without_rights(void **state)
{
    struct scene *scene = *state;
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(be_daemon(scene));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(read(scene->rig->pids_fd, &scene->rig->outer, sizeof(pid_t)), sizeof(pid_t));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    copy_rig_assert_nothing_left(scene->rig, 0, 0);
}

/* ---- a copy that means harm ---- */

static void mount_root(struct scene *scene, int disk)
{
    copy_rig_open_for(scene->rig, COPY_VERIFY, NULL);
    scene->inner = copy_rig_child_of(scene->rig->outer);
    uint32_t item = copy_rig_add(scene->rig, &scene->rig->disks[disk]);
    if (!copy_rig_mount(scene->rig, item, "/", COPY_WRITABLE))
        fail_msg("%s", scene->rig->err.text);
    buf_clear(&scene->log);
}

static bool serve_mounted(struct scene *scene)
{
    const struct copy_server server = {"/data", "/usr/sbin/mysqld", (uint64_t)MEMORY_MIB << 20, ""};

    return copy_serve(scene->rig->copy, &server, soon(), NULL, &scene->serving, &scene->log,
                      &scene->rig->err);
}

/* Its /tmp is a link to /opt, and its server is a script that leaves a process behind, and a link
 * in place of its socket. */
static bool serve_trap(struct scene *scene)
{
    mount_root(scene, TRAP);
    return serve_mounted(scene);
}

static void server_leaves_no_process_behind(void **state)
{
    struct scene *scene = *state;

    (void)serve_trap(scene);
    assert_true(copy_rig_child_of(scene->inner) > 0);
    (void)stop(scene);
    assert_int_equal(copy_rig_child_of(scene->inner), 0);
    copy_rig_close(scene->rig);
}

/* How many mounts does the session have at PLACE (a pattern of awk's) of TYPE ("": any)? */
static int mounts_at(const struct scene *scene, const char *place, const char *type)
{
    return rig_sh("exit $(awk '$5 ~ \"^%s$\"' /proc/%d/mountinfo | grep -c -- '- %s')", place,
                  (int)scene->inner, type);
}

static void links_of_a_copy_lead_no_mount_out_of_its_tree(void **state)
{
    struct scene *scene = *state;

    (void)serve_trap(scene);
    assert_true(copy_rig_child_of(scene->inner) > 0);
    assert_int_equal(mounts_at(scene, "/run/stillpoint/run", "tmpfs "), 1);
    assert_int_equal(mounts_at(scene, "/opt", ""), 1); /* the node's */
    (void)stop(scene);
    assert_int_equal(mounts_at(scene, "/run/stillpoint/.*", ""), 0);
    assert_int_equal(mounts_at(scene, "/opt", ""), 1);
    copy_rig_close(scene->rig);

    mount_root(scene, LINK);
    assert_false(serve_mounted(scene)); /* its /run leads to the session's /opt by /proc */
    assert_int_equal(scene->rig->err.kind, ERR_SYS);
    assert_int_equal(mounts_at(scene, "/opt", ""), 1);
    assert_int_equal(mounts_at(scene, "/run/stillpoint/.*", ""), 0);
    copy_rig_close(scene->rig);
}

/* The trap's first program never answers; another does, and leaves a process behind. */
static void program_that_does_not_answer_hides_no_other(void **state)
{
    struct scene *scene = *state;

    mount_root(scene, TRAP);
    if (!copy_list_programs(scene->rig->copy, clock_boot_ms() + 30000, NULL, &scene->log,
                            &scene->rig->err))
        fail_msg("%s", scene->rig->err.text);
    assert_string_equal(buf_text(&scene->log), "/usr/libexec/mysqld\t Ver 8.0.36 for Linux\n");
    assert_int_equal(copy_rig_child_of(scene->inner), 0);
    copy_rig_close(scene->rig);
}

/* Its /proc is a link, where the session would mount first. */
static void mount_of_a_copy_stays_where_its_tree_can_not_be_furnished(void **state)
{
    struct scene *scene = *state;

    mount_root(scene, NO_PROC);
    uint32_t item = copy_rig_add(scene->rig, &scene->rig->disks[LINK]);
    if (!copy_rig_mount(scene->rig, item, "/tmp", COPY_WRITABLE))
        fail_msg("%s", scene->rig->err.text);
    assert_false(serve_mounted(scene));
    assert_int_equal(scene->rig->err.kind, ERR_SYS);
    assert_int_equal(mounts_at(scene, "/run/stillpoint/tmp", "ext4 "), 1);
    assert_int_equal(mounts_at(scene, "/run/stillpoint/.*", ""), 1);
    copy_rig_close(scene->rig);
}

/* Its data directory belongs to a user, and to root's group. */
static void server_has_not_the_group_of_root(void **state)
{
    struct scene *scene = *state;

    (void)serve_trap(scene);
    assert_int_equal(rig_sh("grep -qE '^Uid:.1234.1234.1234.1234$' /proc/%d/status && "
                            "grep -qE '^Gid:.65534.65534.65534.65534$' /proc/%d/status",
                            (int)copy_rig_child_of(scene->inner),
                            (int)copy_rig_child_of(scene->inner)),
                     0);
    (void)stop(scene);
    copy_rig_close(scene->rig);
}

/* Nobody is what a datadir that belongs to nobody makes of a server, and whom programs of the copy
 * are asked as. */
static void nobody_can_not_read_the_disks_of_a_session(void **state)
{
    struct scene *scene = *state;

    open_and_mount(scene, COPY_WRITABLE);
    assert_int_equal(rig_sh("nsenter -t %d -m head -c 1 %s >/dev/null", (int)scene->inner,
                            scene->rig->disks[DATA].path),
                     0);
    assert_int_not_equal(rig_sh("nsenter -t %d -m setpriv --reuid=65534 --regid=65534 "
                                "--clear-groups head -c 1 %s >/dev/null",
                                (int)scene->inner, scene->rig->disks[DATA].path),
                         0);
    copy_rig_close(scene->rig);
}

/* It would lead to a server of the node's own. */
static void socket_that_is_a_link_is_not_dialled(void **state)
{
    struct scene *scene = *state;

    assert_false(serve_trap(scene));
    assert_int_equal(scene->rig->err.kind, ERR_PROTOCOL);
    (void)stop(scene);
    copy_rig_close(scene->rig);
}

/* ---- what goes wrong ---- */

static void server_that_can_not_start_says_why(void **state)
{
    struct scene *scene = *state;

    open_and_mount(scene, COPY_WRITABLE);
    if (!serve(scene, "innodb_page_size=4096\n", soon()))
        fail_msg("%s", scene->rig->err.text);

    assert_false(scene->serving.ready);
    assert_int_equal(scene->serving.exit_code, 1);
    assert_non_null(strstr(buf_text(&scene->log), "innodb_page_size"));
    serve_ready(scene); /* the session goes on */
    copy_rig_close(scene->rig);
}

static void server_that_is_late_is_ended(void **state)
{
    struct scene *scene = *state;

    int64_t begin_ms = 0;
    bool told = false;

    open_and_mount(scene, COPY_WRITABLE);
    for (int64_t for_ms = 40; !told && for_ms < 1000; for_ms *= 2) { /* a loaded machine's start */
        begin_ms = clock_boot_ms();
        told = serve(scene, scene->settings, begin_ms + for_ms);
        if (!told && scene->rig->err.kind != ERR_DEADLINE)
            fail_msg("%s", scene->rig->err.text);
    }

    assert_true(told);
    assert_false(scene->serving.ready);
    assert_int_equal(scene->serving.exit_code, -1);
    assert_int_equal(scene->serving.signal, 0);
    assert_in_range(clock_boot_ms() - begin_ms, 0, 3000);
    assert_int_equal(copy_rig_child_of(scene->inner), 0);
    copy_rig_close(scene->rig);
}

static void assert_not_served(struct scene *scene, const char *data, const char *settings,
                              enum err_kind kind)
{
    const struct copy_server server = {data, PROGRAM, (uint64_t)MEMORY_MIB << 20, settings};

    scene->rig->err = (struct err)ERR_INIT;
    buf_clear(&scene->log);
    assert_false(copy_serve(scene->rig->copy, &server, soon(), NULL, &scene->serving, &scene->log,
                            &scene->rig->err));
    if (scene->rig->err.kind != kind)
        fail_msg("%s %s: %s", data, settings, scene->rig->err.text);
}

static void what_is_not_on_the_copy_is_not_served(void **state)
{
    struct scene *scene = *state;
    char path[300];

    open_and_mount(scene, COPY_WRITABLE);
    assert_not_served(scene, "/etc", "", ERR_PRECONDITION);
    assert_not_served(scene, "/nowhere", "", ERR_PRECONDITION);
    rig_format(path, sizeof(path), "%s/root", scene->db); /* a folder of root's */
    assert_not_served(scene, path, "", ERR_USAGE);
    for (int i = 0; i < 2; i++) { /* and of those who may read the session's disks */
        rig_format(path, sizeof(path), "%s/reader%d", scene->db, i);
        assert_not_served(scene, path, "", ERR_USAGE);
    }
    rig_format(path, sizeof(path), "%s/way-out", scene->db); /* a link to /var/lib */
    assert_not_served(scene, path, "", ERR_PRECONDITION);
    assert_not_served(scene, scene->data, "innodb_undo_directory=/var/lib\n", ERR_PRECONDITION);
    assert_not_served(scene, scene->data, "log_bin=/tmp/binlog\n", ERR_PRECONDITION);
    assert_not_served(scene, scene->data, "init_file=/tmp/x\n", ERR_USAGE);
    assert_not_served(scene, scene->data, "plugin_load=x\n", ERR_USAGE);
    assert_not_served(scene, scene->data, "innodb_page_size=16k\n", ERR_USAGE);
    assert_not_served(scene, scene->data, "innodb_page_size=16384", ERR_USAGE); /* no line */
    copy_rig_close(scene->rig);
    open_and_mount(scene, 0); /* read-only */
    assert_not_served(scene, scene->data, "", ERR_PRECONDITION);
    copy_rig_close(scene->rig);
}

static void program_that_others_could_change_is_not_run(void **state)
{
    struct scene *scene = *state;
    char program[300];

    rig_format(program, sizeof(program), "%s/mysqld", scene->rig->rig->folder);
    assert_int_equal(rig_sh("cp /bin/true %s && chown nobody %s", program, program), 0);
    const struct copy_server server = {scene->data, program, (uint64_t)MEMORY_MIB << 20, NULL};
    open_and_mount(scene, COPY_WRITABLE);

    assert_false(copy_serve(scene->rig->copy, &server, soon(), NULL, &scene->serving, &scene->log,
                            &scene->rig->err));
    assert_int_equal(scene->rig->err.kind, ERR_PRECONDITION);
    assert_non_null(strstr(scene->rig->err.text, program));
    copy_rig_close(scene->rig);
}

static void server_that_dies_is_told(void **state)
{
    struct scene *scene = *state;

    open_and_mount(scene, COPY_WRITABLE);
    serve_ready(scene);
    assert_int_equal(kill(scene->server, SIGSEGV), 0);
    for (int i = 0; i < 1000 && kill(scene->server, 0) == 0; i++)
        rig_nap_ms(10); /* reaped: the session knows */

    struct copy_stopped stopped = stop(scene);
    if (!stopped.by_itself)
        fail_msg("code %d signal %d %s", stopped.exit_code, stopped.signal, buf_text(&scene->log));
    assert_non_null(strstr(buf_text(&scene->log), "signal 11"));
    copy_rig_close(scene->rig);
}

/* Its connections are closed before the kernel is done with it, which may take long where many run.
 */
static void server_that_is_dying_when_asked_to_end_is_told(void **state)
{
    struct scene *scene = *state;

    open_and_mount(scene, COPY_WRITABLE);
    serve_ready(scene);
    assert_int_equal(kill(scene->server, SIGSTOP), 0);
    assert_int_equal(kill(scene->server, SIGABRT), 0);
    pid_t waker = fork();
    if (waker == 0) {
        rig_nap_ms(500);
        (void)kill(scene->server, SIGCONT);
        _exit(0);
    }

    struct copy_stopped stopped = stop(scene);
    if (!stopped.by_itself)
        fail_msg("code %d signal %d %s", stopped.exit_code, stopped.signal, buf_text(&scene->log));
    assert_non_null(strstr(buf_text(&scene->log), "signal 6"));
    assert_int_equal(waitpid(waker, NULL, 0), waker);
    copy_rig_close(scene->rig);
}

/* As MySQL ends behind its handler of a fatal signal: not of the signal, but with exit code 2. */
static void server_that_ends_with_a_failure_when_asked_is_told(void **state)
{
    const struct copy_server failing = {"/data", "/usr/sbin/mariadbd", (uint64_t)MEMORY_MIB << 20,
                                        ""};
    struct scene *scene = *state;

    mount_root(scene, TRAP);
    (void)copy_serve(scene->rig->copy, &failing, soon(), NULL, &scene->serving, &scene->log,
                     &scene->rig->err); /* which misses its socket */
    assert_true(copy_rig_child_of(scene->inner) > 0);

    struct copy_stopped stopped = stop(scene);
    if (!stopped.by_itself)
        fail_msg("code %d signal %d %s", stopped.exit_code, stopped.signal, buf_text(&scene->log));
    assert_int_equal(stopped.exit_code, 2);
    assert_non_null(strstr(buf_text(&scene->log), "signal 6"));
    copy_rig_close(scene->rig);
}

/* ---- what is left when one of them dies ---- */

static void hang_up(struct scene *scene)
{
    copy_free(scene->rig->copy);
    scene->rig->copy = NULL;
}

static void client_that_goes_ends_all(void **state)
{
    struct scene *scene = *state;

    open_and_mount(scene, COPY_WRITABLE);
    serve_ready(scene);
    hang_up(scene);
    copy_rig_assert_nothing_left(scene->rig, scene->inner, scene->server);
}

static void assert_ends_all(struct scene *scene, bool starter, int number)
{
    open_and_mount(scene, COPY_WRITABLE);
    serve_ready(scene);
    assert_int_equal(kill(starter ? scene->rig->outer : scene->inner, number), 0);
    copy_rig_assert_nothing_left(scene->rig, scene->inner, scene->server);
    assert_false(copy_close(scene->rig->copy, soon(), &scene->rig->err)); /* it is told, too */
    hang_up(scene);
}

static void death_of_any_process_ends_all(void **state)
{
    assert_ends_all(*state, true, SIGKILL);
    assert_ends_all(*state, true, SIGTERM);
    assert_ends_all(*state, false, SIGKILL);
}

static void client_that_goes_ends_a_stopped_session(void **state)
{
    struct scene *scene = *state;

    open_and_mount(scene, COPY_WRITABLE);
    serve_ready(scene);
    assert_int_equal(kill(scene->inner, SIGSTOP), 0);
    hang_up(scene);
    copy_rig_assert_nothing_left(scene->rig, scene->inner, scene->server);
}

static void *ask_soon(void *cancel)
{
    rig_nap_ms(30);
    cancel_ask(cancel);
    return NULL;
}

static void client_that_goes_ends_a_server_on_its_way(void **state)
{
    struct scene *scene = *state;
    struct cancel cancel = CANCEL_INIT;
    const struct copy_server server = {scene->data, PROGRAM, (uint64_t)MEMORY_MIB << 20,
                                       scene->settings};

    open_and_mount(scene, COPY_WRITABLE);
    assert_true(cancel_open(&cancel, &scene->rig->err));
    pthread_t asker;
    assert_int_equal(pthread_create(&asker, NULL, ask_soon, &cancel), 0);
    buf_clear(&scene->log);
    bool told = copy_serve(scene->rig->copy, &server, soon(), &cancel, &scene->serving, &scene->log,
                           &scene->rig->err);
    (void)pthread_join(asker, NULL);
    cancel_close(&cancel);
    assert_false(told);
    assert_int_equal(scene->rig->err.kind, ERR_CANCELLED);
    copy_rig_assert_nothing_left(scene->rig, scene->inner, 0);
    hang_up(scene);
}

/* ---- set-up ---- */

/* A datadir whose server was killed with commits in its redo log, as an image: the copy's, and its
 * twin to be the original. */
static void make_data(struct scene *scene)
{
    struct copy_disk *disk = copy_rig_image(scene->rig, 384);
    int code = rig_sh(
        "mkfs.ext4 -q -F %s && mkdir -p %s && mount -o loop %s %s && cd %s && mkdir root reader0 "
        "reader1 binlog && chown %d:1 reader0 && chown 1:%d reader1 && cd - >/dev/null && "
        "ln -s /var/lib %s/way-out && bash -c '. tests/servers/lib.sh; server_template \"\" %s'",
        disk->image, scene->db, disk->image, scene->db, scene->db, COPY_READER, COPY_READER,
        scene->db, scene->data);

    if (code == 0)
        code = rig_sh("bash tests/guard/aid/copy_original.sh %s %s", scene->data, scene->db);
    int unmounted = rig_sh("umount %s", scene->db);
    if (code != 0)
        fail_msg("no server for the original: %d", code);
    assert_int_equal(unmounted, 0);
    assert_int_equal(rig_sh("cp --sparse=always %s %s.origin", disk->image, disk->image), 0);
    copy_rig_attach(disk);
}

/* Each test begins with the copy as it was. */
static int renew(void **state)
{
    struct scene *scene = *state;
    struct copy_disk *disk = &scene->rig->disks[DATA];

    copy_rig_detach(disk);
    assert_int_equal(rig_sh("cp --sparse=always %s.origin %s", disk->image, disk->image), 0);
    copy_rig_attach(disk);
    return 0;
}

static int tear(void **state)
{
    struct scene *scene = *state;

    copy_free(scene->rig->copy);
    scene->rig->copy = NULL;
    (void)rig_sh("umount %s", scene->db);
    return 0;
}

static int open_all(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    char script[1200];

    assert_non_null(scene);
    scene->rig = copy_rig_start();
    if (!rig_has("mariadbd")) {
        (void)fprintf(stderr, "no mariadbd\n");
        copy_rig_end(scene->rig);
        exit(77);
    }
    scene->log.max = 2 * COPY_DATA_BYTES;
    rig_format(scene->db, sizeof(scene->db), "%s/db", scene->rig->rig->folder);
    rig_format(scene->data, sizeof(scene->data), "%s/data", scene->db);
    rig_format(scene->settings, sizeof(scene->settings),
               "innodb_log_file_size=16777216\nlog_bin=%s/binlog/binlog\nserver-id=7\n"
               "innodb_log_group_home_dir=%s/\n",
               scene->db, scene->data);
    make_data(scene);
    rig_format(script, sizeof(script),
               "mkdir -p proc run dev tmp usr/sbin usr/share .%s && "
               "cp /usr/sbin/mariadbd usr/sbin && cp -a /usr/share/mysql usr/share && "
               "cp --parents $(ldd /usr/sbin/mariadbd | grep -o \"/[^ ]*\") .",
               scene->db);
    (void)copy_rig_fs(scene->rig, "ext4", 192, script);
    rig_format(script, sizeof(script),
               "mkdir -p proc run dev opt usr/sbin usr/bin usr/libexec data && "
               "touch dev/null && chown 1234:0 data && "
               "ln -s /opt tmp && for P in sh ln sleep; do cp $(command -v $P) usr/bin/ && "
               "cp --parents $(ldd $(command -v $P) | grep -o \"/[^ ]*\") . || exit; done && "
               "printf '%%s\\n' '#!/usr/bin/sh' 'ln -s /nowhere /run/mysqld/mysqld.sock' "
               "'sleep 1000 &' 'echo mysqld: ready for connections' 'sleep 1000' "
               ">usr/sbin/mysqld && printf '%%s\\n' '#!/usr/bin/sh' 'sleep 1000 &' "
               "'echo mysqld  Ver 8.0.36 for Linux' >usr/libexec/mysqld && "
               "printf '%%s\\n' '#!/usr/bin/sh' 'trap \"echo got signal 6; exit 2\" TERM' "
               "'echo mariadbd: ready for connections' 'sleep 1000 &' 'wait' "
               ">usr/sbin/mariadbd && chmod 755 usr/sbin/m* usr/libexec/mysqld");
    (void)copy_rig_fs(scene->rig, "ext4", 32, script);
    (void)copy_rig_fs(scene->rig, "ext4", 16,
                      "mkdir proc dev tmp data && chown 1234 data && ln -s /proc/1/root/opt run");
    (void)copy_rig_fs(scene->rig, "ext4", 16,
                      "mkdir run dev tmp data && chown 1234 data && ln -s /nowhere proc");
    *state = scene;
    return 0;
}

static int close_all(void **state)
{
    struct scene *scene = *state;

    buf_free(&scene->log);
    copy_rig_end(scene->rig);
    free(scene);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, renew, tear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(server_recovers_beside_its_original),
        TEST(server_is_alone_and_modest),
        TEST(server_answers_a_daemon_without_rights),
        TEST(copy_with_a_root_folder_is_served_by_its_own_programs),
        TEST(server_leaves_no_process_behind),
        TEST(links_of_a_copy_lead_no_mount_out_of_its_tree),
        TEST(program_that_does_not_answer_hides_no_other),
        TEST(mount_of_a_copy_stays_where_its_tree_can_not_be_furnished),
        TEST(server_has_not_the_group_of_root),
        TEST(nobody_can_not_read_the_disks_of_a_session),
        TEST(socket_that_is_a_link_is_not_dialled),
        TEST(server_that_can_not_start_says_why),
        TEST(server_that_is_late_is_ended),
        TEST(what_is_not_on_the_copy_is_not_served),
        TEST(program_that_others_could_change_is_not_run),
        TEST(server_that_dies_is_told),
        TEST(server_that_is_dying_when_asked_to_end_is_told),
        TEST(server_that_ends_with_a_failure_when_asked_is_told),
        TEST(client_that_goes_ends_all),
        TEST(death_of_any_process_ends_all),
        TEST(client_that_goes_ends_a_stopped_session),
        TEST(client_that_goes_ends_a_server_on_its_way),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
