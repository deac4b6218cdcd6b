/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_thaw.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/cli/cli_table.h"
#include "agent/guard/guard_record.h"
#include "agent/guard/guard_wire.h"

#ifndef STILLPOINT_LIBEXEC
#define STILLPOINT_LIBEXEC "/usr/libexec/stillpoint"
#endif

enum { GUARD_TIMEOUT_MS = 15000 }; /* a thaw of many mounts; one that hangs is left to --thaw */

/* One mount of the lease, from whoever told. */
struct held {
    char path[GUARD_MOUNT_PATH_BYTES];
    uint32_t state; /* enum guard_mount_state */
    int32_t os_errno;
    int64_t frozen_boot_us, thawed_boot_us; /* 0: has not happened */
};

struct held_list {
    struct held items[GUARD_MOUNTS_MAX];
    unsigned count;
    bool by_guard; /* a living one told; else the record an earlier one left */
};

static unsigned count_frozen(const struct held_list *list)
{
    unsigned count = 0;

    for (unsigned i = 0; i < list->count; i++)
        count += guard_mount_is_held(list->items[i].state);
    return count;
}

/* --- the record ------------------------------------------------------------------------------- */

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

static bool boot_id_is(const char *boot_id)
{
    char now[GUARD_BOOT_ID_BYTES] = "";
    AUTO_CLOSE int fd = open(BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || read(fd, now, sizeof(now) - 1) <= 0)
        return false;
    now[strcspn(now, "\n")] = '\0';
    return strncmp(now, boot_id, sizeof(now)) == 0;
}

static void take_record(const struct guard_record *record, struct held_list *list)
{
    for (uint32_t i = 0; i < record->mount_count; i++) {
        const struct guard_record_mount *mount = &record->mounts[i];
        struct held *held = &list->items[list->count++];
        (void)snprintf(held->path, sizeof(held->path), "%.*s", GUARD_MOUNT_PATH_BYTES - 1,
                       mount->path);
        held->state = mount->state;
        held->os_errno = mount->thaw_errno ? mount->thaw_errno : mount->freeze_errno;
        held->frozen_boot_us = mount->freeze_end_boot_us;
        held->thawed_boot_us = mount->thaw_end_boot_us;
    }
}

/* What the record says, which has the paths that the guard's answers lack. One that is missing or
 * of another boot says that nothing is held. False where there is one that can't be believed: then
 * nobody knows what is held. */
static bool read_record(const char *path, struct held_list *list)
{
    AUTO_FREE struct guard_record *record = calloc(1, sizeof(*record));
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT;
    if (record == NULL || read(fd, record, sizeof(*record)) != (ssize_t)sizeof(*record) ||
        memcmp(record->magic, GUARD_RECORD_MAGIC, sizeof(record->magic)) != 0 ||
        record->version != GUARD_RECORD_VERSION || record->bytes != sizeof(*record) ||
        record->mount_count > GUARD_MOUNTS_MAX)
        return false;
    if (boot_id_is(record->boot_id))
        take_record(record, list);
    return true;
}

/* --- the guard -------------------------------------------------------------------------------- */

static bool guard_connect(const char *path, int *ret_fd, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return err_set(err, ERR_GUARD, 0, "the guard's socket path is too long: %s", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(err, ERR_SYS, errno, "socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        return err_set(err, ERR_GUARD, errno, "no guard at %s", path);
    *ret_fd = auto_take_fd(&fd);
    return true;
}

static bool guard_ask(int fd, enum guard_op op, struct guard_reply_lease *ret_story,
                      struct err *err)
{
    struct guard_msg_plain request = {{GUARD_WIRE_VERSION, (uint32_t)op, 1}};
    struct pollfd polled = {.fd = fd, .events = POLLIN};

    if (send(fd, &request, sizeof(request), MSG_NOSIGNAL) != (ssize_t)sizeof(request))
        return err_set(err, ERR_GUARD, errno, "the guard can't be asked");
    int ready = poll(&polled, 1, GUARD_TIMEOUT_MS);
    if (ready == 0)
        return err_set(err, ERR_GUARD, 0, "the guard did not answer within %d s",
                       GUARD_TIMEOUT_MS / 1000);
    ssize_t got = ready > 0 ? recv(fd, ret_story, sizeof(*ret_story), 0) : -1;
    if (got < 0)
        return err_set(err, ERR_GUARD, errno, "the guard can't be heard");
    if (got != (ssize_t)sizeof(*ret_story) || ret_story->head.version != GUARD_WIRE_VERSION ||
        ret_story->head.op != (uint32_t)op || ret_story->mount_count > GUARD_MOUNTS_MAX)
        return err_set(err, ERR_GUARD, 0, "the guard's answer is of another version, or none");
    if (ret_story->head.status != GUARD_OK && ret_story->head.status != GUARD_SYSCALL_FAILED)
        return err_set(err, ERR_GUARD, 0, "the guard refused (status %" PRIu32 ")",
                       ret_story->head.status);
    return true;
}

/* The story's states over the record's paths; they are in the same order. */
static void take_story(const struct guard_reply_lease *story, struct held_list *list)
{
    bool named = list->count == story->mount_count;

    list->by_guard = true;
    list->count = story->mount_count;
    for (unsigned i = 0; i < list->count; i++) {
        const struct guard_mount_story *mount = &story->mounts[i];
        struct held *held = &list->items[i];
        if (!named)
            (void)snprintf(held->path, sizeof(held->path), "mount %u of the lease", i + 1);
        held->state = mount->state;
        held->os_errno = mount->thaw_errno ? mount->thaw_errno : mount->freeze_errno;
        held->frozen_boot_us = mount->freeze_end_boot_us;
        held->thawed_boot_us = mount->thaw_end_boot_us;
    }
}

/* --- stillpoint-guard --thaw ------------------------------------------------------------------ */

/* Beside ourselves first: a build's tree has its own. */
static bool find_guard(const struct cli *cli, char path[PATH_MAX], struct err *err)
{
    if (cli->self_folder != NULL &&
        snprintf(path, PATH_MAX, "%s/stillpoint-guard", cli->self_folder) < PATH_MAX &&
        access(path, X_OK) == 0)
        return true;
    (void)snprintf(path, PATH_MAX, "%s/stillpoint-guard", STILLPOINT_LIBEXEC);
    if (access(path, X_OK) == 0)
        return true;
    (void)err_set(err, ERR_GUARD, errno, "no guard answers, and %s can't be run", path);
    return err_suggest(err, "thaw by hand what is frozen: fsfreeze -u MOUNTPOINT");
}

static bool run_guard(const struct cli *cli, const char *record, struct err *err)
{
    char path[PATH_MAX], said[1024] = "", *const environment[] = {NULL};
    char *argv[] = {
        "stillpoint-guard", "--thaw", "--record", (char *)(uintptr_t)record, NULL, NULL, NULL};
    posix_spawn_file_actions_t actions;
    int status = 0;
    pid_t pid;

    if (!find_guard(cli, path, err))
        return false;
    /* Its log is for the journal: kept (in memory, where a write never blocks) for what fails. */
    AUTO_CLOSE int log_fd = memfd_create("stillpoint-thaw", MFD_CLOEXEC);
    if (log_fd < 0)
        return err_set(err, ERR_SYS, errno, "memory for the guard's log");
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, log_fd, STDERR_FILENO);
    if (cli->options->config != NULL) {
        argv[4] = "--config";
        argv[5] = (char *)(uintptr_t)cli->options->config; /* posix_spawn does not write to it */
    }
    int failed = posix_spawn(&pid, path, &actions, NULL, argv, environment);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (failed != 0)
        return err_set(err, ERR_SYS, failed, "run %s", path);
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return err_set(err, ERR_SYS, errno, "wait for %s", path);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    ssize_t len = pread(log_fd, said, sizeof(said) - 1, 0);
    said[len > 0 ? len : 0] = '\0';
    said[strcspn(said, "\n")] = '\0';
    (void)err_set(err, ERR_GUARD, 0, "%s --thaw ended with %s %d: %.400s", path,
                  WIFEXITED(status) ? "exit code" : "signal",
                  WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
                  said[0] ? said : "it said nothing");
    return err_suggest(err, "thaw by hand what is still frozen: fsfreeze -u MOUNTPOINT");
}

/* --- telling ---------------------------------------------------------------------------------- */

static const char *state_words(uint32_t state)
{
    static const char *const words[] = {
        [GUARD_MOUNT_ADDED] = "not frozen",
        [GUARD_MOUNT_FREEZING] = "being frozen, thaws as soon as the kernel returns",
        [GUARD_MOUNT_FROZEN] = "frozen",
        [GUARD_MOUNT_THAWING] = "being thawed",
        [GUARD_MOUNT_THAWED] = "thawed",
        [GUARD_MOUNT_LET_GO] = "was thawed before",
        [GUARD_MOUNT_FAILED] = "not frozen by the guard",
        [GUARD_MOUNT_SYNC_ONLY] = "never frozen",
        [GUARD_MOUNT_THAW_FAILED] = "can't be thawed",
    };

    return state < sizeof(words) / sizeof(words[0]) ? words[state] : "unknown";
}

/* A lease that is over has its story still; it is told only where this command ended it. */
static json_t *to_json(const struct held_list *list, unsigned held_count, bool dry_run)
{
    json_t *mounts = json_array();
    bool ok = mounts != NULL;

    for (unsigned i = 0; ok && held_count > 0 && i < list->count; i++) {
        const struct held *held = &list->items[i];
        ok = json_array_append_new(
                 mounts, json_pack("{s:o,s:s,s:b,s:i}", "path", control_text(held->path), "state",
                                   state_words(held->state), "frozen",
                                   guard_mount_is_held(held->state), "errno", held->os_errno)) == 0;
    }
    if (!ok) {
        json_decref(mounts);
        return NULL;
    }
    return json_pack("{s:b,s:b,s:o}", "dry_run", dry_run, "guard", list->by_guard, "mounts",
                     mounts);
}

static void to_page(const struct held_list *list, unsigned held_count, struct cli_page *page)
{
    static const char *const titles[] = {"MOUNT", "STATE", ">FROZEN FOR", "ERROR", NULL};
    struct cli_table table;

    if (held_count == 0 && !list->by_guard) {
        cli_page_text(page, "no guard answers, and no record says that one holds anything; what is "
                            "frozen all the same lets go with fsfreeze -u MOUNTPOINT\n");
        return;
    }
    if (held_count == 0) {
        cli_page_text(page, "nothing is held by this node's guard; what somebody else froze lets "
                            "go with fsfreeze -u MOUNTPOINT\n");
        return;
    }
    cli_table_begin(&table, page, titles);
    for (unsigned i = 0; i < list->count; i++) {
        const struct held *held = &list->items[i];
        int64_t end_us = held->thawed_boot_us ? held->thawed_boot_us : clock_boot_us();
        cli_table_add(&table, held->path);
        cli_table_add_styled(&table, state_words(held->state),
                             guard_mount_is_held(held->state) ? CLI_BAD : CLI_PLAIN);
        if (held->frozen_boot_us > 0 && end_us > held->frozen_boot_us)
            cli_table_printf(&table, "%.1f ms", (double)(end_us - held->frozen_boot_us) / 1000);
        else
            cli_table_add(&table, NULL);
        cli_table_add(&table, held->os_errno ? strerror(held->os_errno) : NULL);
    }
    cli_table_end(&table, 0);
}

static bool tell(const struct cli *cli, const struct held_list *list, unsigned held_count)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(cli->look);

    if (cli->options->json) {
        json_t *whole = to_json(list, held_count, cli->options->dry_run);
        bool ok = whole != NULL && cli_print_json(cli, whole);
        json_decref(whole);
        return ok;
    }
    to_page(list, held_count, &page);
    return cli_print_page(cli, &page);
}

/* --- the command ------------------------------------------------------------------------------ */

static int thaw_from_record(const struct cli *cli, const char *record, struct held_list *list)
{
    unsigned held_count = count_frozen(list);
    struct err err = ERR_INIT;

    if (!cli->options->dry_run) {
        if (!run_guard(cli, record, &err))
            return cli_fail(cli, CLI_EXIT_FAILED, &err, "what was frozen may still be");
        /* It said in numbers that it thawed all that this record named. */
        for (unsigned i = 0; i < list->count; i++) {
            if (guard_mount_is_held(list->items[i].state))
                list->items[i].state = GUARD_MOUNT_THAWED;
        }
    }
    return tell(cli, list, held_count) ? CLI_EXIT_DONE : CLI_EXIT_FAILED;
}

/* What was held, then (unless it is a dry run) what became of it. */
static bool guard_thaw(const struct cli *cli, const char *socket, struct held_list *list,
                       unsigned *ret_held_count, struct err *err)
{
    AUTO_FREE struct guard_reply_lease *story = calloc(1, sizeof(*story));
    AUTO_CLOSE int fd = -1;

    if (story == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    if (!guard_connect(socket, &fd, err) || !guard_ask(fd, GUARD_OP_STATUS, story, err))
        return false;
    take_story(story, list);
    *ret_held_count = count_frozen(list);
    if (cli->options->dry_run)
        return true;
    if (!guard_ask(fd, GUARD_OP_THAW_FORCE, story, err))
        return false;
    take_story(story, list);
    return true;
}

static int thaw_at(const struct cli *cli, const char *socket, const char *record,
                   struct held_list *list)
{
    unsigned held_count = 0;
    struct err err = ERR_INIT;

    (void)read_record(record, list);
    if (!guard_thaw(cli, socket, list, &held_count, &err)) {
        if (!cli->options->quiet)
            (void)fprintf(cli->err, "stillpoint: %s: asking its record\n", err.text);
        /* Read again: the freezer may have let go while we waited for the keeper. */
        list->count = 0;
        if (!read_record(record, list) && cli->options->dry_run) {
            (void)err_set(&err, ERR_GUARD, 0,
                          "%s is no whole record: what a guard may have left frozen is not known",
                          record);
            err.remedy[0] = '\0';
            (void)err_suggest(&err, "try fsfreeze -u MOUNTPOINT on each: it says so where nothing "
                                    "was frozen");
            return cli_fail(cli, CLI_EXIT_FAILED, &err, "nothing was touched");
        }
        return thaw_from_record(cli, record, list);
    }
    if (!tell(cli, list, held_count))
        return CLI_EXIT_FAILED;
    if (cli->options->dry_run || count_frozen(list) == 0)
        return CLI_EXIT_DONE;
    (void)err_set(&err, ERR_GUARD, 0, "%u of %u mounts are not thawed yet", count_frozen(list),
                  list->count);
    (void)err_suggest(&err, "a freeze that the kernel has not finished can't be cancelled: look "
                            "again with stillpoint thaw -n; for the others fsfreeze -u MOUNTPOINT");
    return cli_fail(cli, CLI_EXIT_FAILED, &err, "the guard thaws them as soon as it can");
}

int cli_thaw(const struct cli *cli, const char *run_folder)
{
    AUTO_FREE struct held_list *list = calloc(1, sizeof(*list));
    char socket[PATH_MAX], record[PATH_MAX];
    struct err err = ERR_INIT;

    if (list == NULL)
        return cli_fail(cli, CLI_EXIT_FAILED, &(struct err){ERR_INTERNAL, 0, "out of memory", ""},
                        NULL);
    if (geteuid() != 0) {
        (void)err_set(&err, ERR_PRECONDITION, 0, "thaw needs root");
        (void)err_suggest(&err, "sudo stillpoint thaw %s",
                          cli->options->dry_run ? "-n" : "--force");
        return cli_fail(cli, CLI_EXIT_PRECONDITION, &err, "nothing was touched");
    }
    (void)snprintf(socket, sizeof(socket), "%s/%s", run_folder, GUARD_SOCKET_NAME);
    (void)snprintf(record, sizeof(record), "%s/%s", run_folder, GUARD_RECORD_NAME);
    return thaw_at(cli, socket, record, list);
}

enum cli_held cli_thaw_look(const char *run_folder)
{
    AUTO_FREE struct held_list *list = calloc(1, sizeof(*list));
    char record[PATH_MAX];

    (void)snprintf(record, sizeof(record), "%s/%s", run_folder, GUARD_RECORD_NAME);
    if (access(record, F_OK) != 0)
        return CLI_HELD_NOTHING;
    if (list == NULL || access(BOOT_ID_PATH, R_OK) != 0 || !read_record(record, list))
        return CLI_HELD_UNKNOWN;
    return count_frozen(list) > 0 ? CLI_HELD_SOMETHING : CLI_HELD_NOTHING;
}
