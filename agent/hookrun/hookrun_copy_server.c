/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_copy_server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/hookrun/copy_settings.h"
#include "agent/hookrun/hookrun_copy_child.h"
#include "agent/hookrun/hookrun_copy_path.h"
#include "agent/hookrun/hookrun_copy_room.h"
#include "agent/hookrun/hookrun_path.h"

/* Where distributions' AppArmor profiles let it be. */
#define SOCKET_FOLDER "/run/mysqld"

enum {
    ARGS_MAX = 48 + COPY_SETTINGS_MAX,
    ARGS_BYTES = 256 * 1024, /* each setting may lead to a path of PATH_MAX */
    OPEN_FILES = 65536,
    IOPRIO_WHO_PROCESS = 1,
    IOPRIO_IDLE = 3 << 13,
    NICE_LEAST = 19,
    LAST_WAIT_MS = 1000,
    RESERVED_BYTES = 512 * 1024 * 1024,
};

struct start {
    const char *root; /* "" or COPY_TREE */
    const char *program;
    uid_t uid;
    gid_t gid, peer_gid;
    rlim_t memory_bytes;
    const char *args[ARGS_MAX + 1];
    size_t arg_count;
    char text[ARGS_BYTES];
    size_t text_bytes;
};

/* ---- its options ---- */

static void __attribute__((format(printf, 2, 3))) add(struct start *start, const char *fmt, ...)
{
    char *at = start->text + start->text_bytes;
    size_t room = sizeof(start->text) - start->text_bytes;
    va_list args;

    va_start(args, fmt);
    int length = vsnprintf(at, room, fmt, args);
    va_end(args);
    if (length < 0 || (size_t)length >= room || start->arg_count == ARGS_MAX)
        return; /* not reached: the settings' cap leaves room */
    start->args[start->arg_count++] = at;
    start->text_bytes += (size_t)length + 1;
}

/* "loose" where one server or version knows it and another does not. */
static void add_fixed(struct start *start)
{
    static const char *const fixed[] = {
        "--no-defaults",
        "--tmpdir=/tmp",
        /* no statement reads or writes another file; and MySQL's own default has to be there */
        "--secure-file-priv=/tmp",
        "--skip-networking",
        "--skip-grant-tables",
        "--loose-skip-slave-start",
        "--loose-skip-replica-start",
        "--loose-event-scheduler=OFF",
        "--loose-wsrep-on=OFF",
        "--loose-mysqlx=OFF",
        "--loose-upgrade=MINIMAL",
        /* whatever would mend, purge or add what the copy has or lacks */
        "--loose-myisam-recover-options=OFF",
        "--loose-aria-recover-options=OFF",
        "--loose-expire-logs-days=0",
        "--loose-binlog-expire-logs-seconds=0",
        "--loose-auto-generate-certs=OFF",
        "--loose-sha256-password-auto-generate-rsa-keys=OFF",
        "--loose-caching-sha2-password-auto-generate-rsa-keys=OFF",
        "--loose-ignore-db-dirs=lost+found",
        /* small, and gone quickly: the copy is thrown away */
        "--loose-performance-schema=OFF",
        "--loose-innodb-buffer-pool-load-at-startup=OFF",
        "--loose-innodb-buffer-pool-dump-at-shutdown=OFF",
        "--loose-innodb-use-native-aio=OFF",
        "--loose-innodb-fast-shutdown=2",
        "--loose-aria-pagecache-buffer-size=8M",
        "--key-buffer-size=8M",
        "--max-connections=16",
        "--loose-general-log=OFF",
        "--loose-slow-query-log=OFF",
        "--server-id=1",
    };

    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        add(start, "%s", fixed[i]); /* --no-defaults has to be the first */
    add(start, "--socket=%s/%s", SOCKET_FOLDER, COPY_SOCKET_NAME);
    add(start, "--pid-file=%s/mysqld.pid", SOCKET_FOLDER);
}

/* Its path has to lie on the copy, or what names the beginning of files its folder. */
static enum copy_status add_path(struct copy_session *session, struct start *start,
                                 const struct copy_setting *setting, int64_t deadline_ms)
{
    static char real[PATH_MAX];
    char folder[COPY_PATH_BYTES], name[COPY_PATH_BYTES];
    const char *value = setting->text + setting->value_at;
    bool is_base =
        strncmp(setting->text, "log-bin", 7) == 0 || strncmp(setting->text, "relay-log", 9) == 0;

    (void)snprintf(folder, sizeof(folder), "%s", value);
    name[0] = '\0';
    char *slash = strrchr(folder, '/');
    if (is_base) {
        (void)snprintf(name, sizeof(name), "/%s", slash + 1);
        slash[slash == folder] = '\0';
    }
    enum copy_status status =
        copy_path_resolve(session, folder, true, real, sizeof(real), deadline_ms);
    if (status == COPY_OK)
        add(start, "--loose-%.*s%s%s", (int)setting->value_at, setting->text, real, name);
    return status;
}

static enum copy_status add_settings(struct copy_session *session, struct start *start,
                                     int64_t deadline_ms)
{
    static struct copy_setting list[COPY_SETTINGS_MAX];
    const char *bad = NULL;
    size_t count = 0, bytes = 0;
    bool has_binlog = false;
    enum copy_status status = COPY_OK;

    if (!copy_settings_read(session->request.serve.settings, list, &count, &bad, &bytes))
        return COPY_BAD_ARGUMENT; /* not reached: judged */
    for (size_t i = 0; i < count && status == COPY_OK; i++) {
        has_binlog = has_binlog || strncmp(list[i].text, "log-bin=", 8) == 0;
        if (list[i].kind == COPY_SETTING_PATH)
            status = add_path(session, start, &list[i], deadline_ms);
        else
            add(start, "--loose-%s", list[i].text);
    }
    if (!has_binlog)
        add(start, "--skip-log-bin");
    return status;
}

static enum copy_status prepare(struct copy_session *session, struct start *start,
                                int64_t deadline_ms)
{
    static char real[PATH_MAX], seen[PATH_MAX];
    const struct copy_msg_serve *serve = &session->request.serve;
    struct stat st;

    memset(start, 0, sizeof(*start));
    enum copy_status status =
        copy_path_resolve(session, serve->datadir, true, real, sizeof(real), deadline_ms);
    if (status != COPY_OK)
        return status;
    if (!copy_path_seen(session, real, seen, sizeof(seen)) || stat(seen, &st) < 0)
        return copy_session_say(session, COPY_FAILED, errno, "%s", serve->datadir);
    if (!S_ISDIR(st.st_mode) || st.st_uid == 0)
        return copy_session_say(session, COPY_BAD_ARGUMENT, 0, "%s is %s", serve->datadir,
                                S_ISDIR(st.st_mode) ? "root's" : "no folder");
    if (st.st_uid == COPY_READER || st.st_gid == COPY_READER) /* would read the disks themselves */
        return copy_session_say(session, COPY_BAD_ARGUMENT, 0, "%s belongs to user or group %d",
                                serve->datadir, COPY_READER);
    start->root = session->tree ? COPY_TREE : "";
    start->program = serve->program;
    start->uid = st.st_uid;
    start->gid = st.st_gid != 0 ? st.st_gid : COPY_NOBODY; /* root's may read more of the node */
    start->peer_gid = session->peer_gid;
    start->memory_bytes = serve->memory_bytes;
    start->arg_count = 1; /* the program's name */
    add_fixed(start);
    add(start, "--datadir=%s", real);
    add(start, "--innodb-buffer-pool-size=%lluM",
        (unsigned long long)(serve->memory_bytes >> 20) / 4);
    return add_settings(session, start, deadline_ms);
}

/* ---- in the child ---- */

static void be_modest(const struct start *start)
{
    const struct sched_param none = {.sched_priority = 0};
    /* The kernel counts what a server reserves and never touches, too: MariaDB 10.11 with a buffer
     * pool of 40 MiB has 312 MiB of data and 75 MiB in memory. */
    const rlim_t most = start->memory_bytes + RESERVED_BYTES;
    const struct rlimit data = {most, most}, core = {0, 0}, files = {OPEN_FILES, OPEN_FILES};

    /* Each is a courtesy: a kernel without one of them is no reason not to verify. */
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
    (void)setpriority(PRIO_PROCESS, 0, NICE_LEAST);
    (void)sched_setscheduler(0, SCHED_IDLE, &none);
    (void)setrlimit(RLIMIT_CORE, &core);
    (void)setrlimit(RLIMIT_NOFILE, &files);
    (void)setrlimit(RLIMIT_DATA, &data);
}

static int serve(void *context)
{
    struct start *start = context;

    if (start->root[0] != '\0' && chroot(start->root) < 0)
        return errno;
    if (chdir("/") < 0)
        return errno;
    if (hookrun_path_judge(start->program, 0).refusal != HOOK_REFUSAL_NONE)
        return ENOENT;
    if ((mkdir(SOCKET_FOLDER, 0710) < 0 && errno != EEXIST) ||
        chown(SOCKET_FOLDER, start->uid, start->peer_gid) < 0 || chmod(SOCKET_FOLDER, 0710) < 0)
        return errno;
    be_modest(start);
    start->args[0] = start->program;
    int os_errno = copy_child_become(start->uid, start->gid);
    return os_errno != 0 ? os_errno : copy_child_exec(start->args);
}

static int enter_tree(void)
{
    return chroot(COPY_TREE) == 0 && chdir("/") == 0 ? 0 : errno;
}

static int furnish(void *context)
{
    int os_errno = enter_tree();

    (void)context;
    return os_errno != 0 ? os_errno : copy_room_furnish();
}

static int unfurnish(void *context)
{
    const struct copy_session *session = context;
    int os_errno = enter_tree();

    if (os_errno == 0)
        copy_room_unfurnish(session->furnished, session->furnished_count);
    return os_errno;
}

/* ---- of the session ---- */

static bool says_ready(const struct copy_text *text)
{
    static const char ready[] = ": ready for connections";

    return memmem(text->text, text->bytes, ready, sizeof(ready) - 1) != NULL;
}

static void kill_server(const struct copy_session *session, int number)
{
    if (session->server.pid != 0 && !session->server.dead)
        (void)kill(session->server.pid, number);
}

/* Nothing of it is left: not what a tree was furnished with either. The reply stays. */
static void clear_away(struct copy_session *session)
{
    static struct copy_reply kept;

    copy_child_forget(&session->server);
    session->server.pid = 0;
    session->state = COPY_IDLE;
    if (session->furnished_count == 0)
        return;
    kept = session->reply;
    (void)copy_child_call(session, unfurnish, session, session->end_ms);
    session->furnished_count = 0;
    session->reply = kept;
}

static enum copy_status give_up(struct copy_session *session, enum copy_status status)
{
    kill_server(session, SIGKILL);
    while (!session->server.dead)
        copy_session_pump(session, clock_boot_ms() + LAST_WAIT_MS);
    copy_child_end_all(session);
    (void)copy_session_tell(session, status, &session->server);
    if (status == COPY_SERVER_LATE) { /* its end was ours */
        session->reply.code = -1;
        session->reply.signal = 0;
    }
    clear_away(session);
    return status;
}

static enum copy_status wait_ready(struct copy_session *session, int64_t deadline_ms)
{
    const struct copy_child *server = &session->server;

    while (!server->dead && !says_ready(server->text)) {
        if (clock_boot_ms() >= deadline_ms)
            return give_up(session, COPY_SERVER_LATE);
        copy_session_pump(session, deadline_ms);
    }
    if (!server->dead)
        return COPY_OK;
    if (server->os_errno == ENOENT)
        (void)give_up(session, COPY_NO_TOOL);
    else
        return give_up(session, server->os_errno != 0 ? COPY_FAILED : COPY_SERVER_ENDED);
    return copy_session_say(session, COPY_NO_TOOL, 0, "%s", session->request.serve.program);
}

static enum copy_status furnish_tree(struct copy_session *session, int64_t deadline_ms)
{
    const struct copy_text *marks = &session->tool_text;
    enum copy_status status = copy_child_call(session, furnish, NULL, deadline_ms);

    session->furnished_count =
        marks->bytes < COPY_ROOM_PLACES ? marks->bytes : (size_t)COPY_ROOM_PLACES;
    memcpy(session->furnished, marks->text, session->furnished_count);
    return status == COPY_OK && session->tool.os_errno != 0
               ? copy_session_say(session, COPY_FAILED, session->tool.os_errno,
                                  "mounting /proc, /dev, /tmp and /run in the copy")
               : status;
}

enum copy_status copy_server_start(struct copy_session *session, int64_t deadline_ms)
{
    static struct start start;
    enum copy_status status = prepare(session, &start, deadline_ms);

    if (status != COPY_OK)
        return status;
    if (session->tree) {
        status = furnish_tree(session, deadline_ms);
        if (status != COPY_OK) {
            clear_away(session);
            return status;
        }
    }
    int64_t begin_us = clock_boot_us();
    if (!copy_child_start(&session->server, &session->server_text, serve, &start, -1)) {
        status = copy_session_say(session, COPY_FAILED, errno, "fork");
        clear_away(session);
        return status;
    }
    session->state = COPY_SERVING;
    status = wait_ready(session, deadline_ms);
    if (status != COPY_OK)
        return status;
    session->reply.took_us = clock_boot_us() - begin_us;
    (void)copy_session_tell(session, COPY_OK, &session->server);
    session->server_text.bytes = 0; /* told */
    return COPY_OK;
}

/* Not so one that was dying when it was asked, and had closed its connections before it was gone:
 * MariaDB of a signal, MySQL with exit code 2 behind its handler of that signal
 * (sql/signal_handler.cc, MYSQLD_FAILURE_EXIT). */
static bool ended_well(const struct copy_child *server)
{
    if (!server->dead)
        return true; /* late: its end will be ours */
    return WIFSIGNALED(server->status) ? WTERMSIG(server->status) == SIGTERM
                                       : WEXITSTATUS(server->status) == 0;
}

enum copy_status copy_server_stop(struct copy_session *session, int64_t deadline_ms)
{
    int64_t now_ms = clock_boot_ms(), kill_ms = now_ms + (deadline_ms - now_ms) / 4 * 3;

    if (session->state != COPY_SERVING)
        return COPY_OK;
    copy_session_pump(session, now_ms); /* has it ended meanwhile? */
    if (session->server.dead)
        return give_up(session, COPY_SERVER_ENDED);
    kill_server(session, SIGTERM);
    while (!session->server.dead && clock_boot_ms() < kill_ms)
        copy_session_pump(session, kill_ms);
    return give_up(session, ended_well(&session->server) ? COPY_OK : COPY_SERVER_ENDED);
}

int copy_server_open_folder(const struct copy_session *session)
{
    return open(session->tree ? COPY_TREE SOCKET_FOLDER : SOCKET_FOLDER,
                O_PATH | O_DIRECTORY | O_CLOEXEC);
}
