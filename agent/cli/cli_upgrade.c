/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/fileio.h"
#include "agent/base/parse.h"
#include "agent/cli/cli_first.h"
#include "agent/cli/cli_lenient.h"
#include "agent/cli/upgrade_list.h"
#include "agent/daemon/mounts.h"

#define SKIP_VARIABLE "STILLPOINT_SKIP_BACKUP"

enum { AFTER_BYTES = 4096, MOUNTINFO_BYTES_MAX = 16 * 1024 * 1024 };

struct upgrade {
    const struct cli *cli;
    const struct config *config;
    const struct err *fault;
    int64_t deadline_ms;
    struct upgrade_list list;
    char reason[UPGRADE_REASON_BYTES];
};

/* --- what is said once more when all is over -------------------------------------------------- */

/* Beside the folder of the daemon, not in it: what is there is not root's alone. */
static void name_record(const struct config *config, char path[PATH_MAX])
{
    (void)snprintf(path, PATH_MAX, "%s" CLI_UPGRADE_RECORD, config->paths.run);
}

static void forget(const struct config *config)
{
    char path[PATH_MAX];

    name_record(config, path);
    (void)unlink(path); /* mostly there is none */
}

/* Without it the words are only said before the upgrade. */
static void keep_for_after(const struct upgrade *upgrade, const struct cli_page *page)
{
    char path[PATH_MAX];
    struct err passed_over = ERR_INIT;

    forget(upgrade->config);
    name_record(upgrade->config, path);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)fileio_write_all(fd, buf_text(&page->text), page->text.len, &passed_over);
}

static int say_after(const struct cli *cli, const struct config *config)
{
    AUTO_BUF struct buf text = BUF_INIT(AFTER_BYTES);
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(cli->err_look);
    struct err passed_over = ERR_INIT;
    char path[PATH_MAX];
    struct stat st;

    name_record(config, path);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
        return CLI_EXIT_DONE;
    forget(config);
    if (fileio_read_fd(fd, path, &text, &passed_over) && text.len > 0) {
        cli_page_clean_lines(&page, buf_text(&text), 0);
        cli_page_text(&page, "\n"); /* the last of theirs is not shown */
        (void)cli_page_write(&page, cli->err, &passed_over);
    }
    return CLI_EXIT_DONE;
}

/* --- whether anything is to be done ----------------------------------------------------------- */

static bool is_skipped(const struct cli *cli)
{
    const char *value = cli->env(SKIP_VARIABLE);

    static const char *const no[] = {"", "0", "no", "false", "off"};

    for (size_t i = 0; value != NULL && i < sizeof(no) / sizeof(no[0]); i++) {
        if (strcasecmp(value, no[i]) == 0)
            return false;
    }
    return value != NULL;
}

/* The mounts that can be seen from here don't begin at "/". False: they do, or it is not known. */
static bool root_is_no_mount(void)
{
    AUTO_BUF struct buf text = BUF_INIT(MOUNTINFO_BYTES_MAX);
    struct mounts mounts = {NULL, 0};
    struct err passed_over = ERR_INIT;
    bool found = !fileio_read("/proc/self/mountinfo", &text, &passed_over) ||
                 !mounts_parse(buf_text(&text), text.len, &mounts, &passed_over);

    for (size_t i = 0; !found && i < mounts.count; i++)
        found = strcmp(mounts.items[i].path, "/") == 0;
    mounts_free(&mounts);
    return !found;
}

/* As systemd-detect-virt --chroot sees it; in a container that may not look at init, by the mounts.
 */
static bool is_chroot(void)
{
    struct stat ours, of_init;

    if (stat("/", &ours) != 0)
        return false;
    if (stat("/proc/1/root", &of_init) != 0)
        return errno != EACCES || root_is_no_mount(); /* without /proc there is no node either */
    return ours.st_dev != of_init.st_dev || ours.st_ino != of_init.st_ino;
}

/* Why this is not the running system of a node, or NULL. */
static const char *not_a_node(void)
{
    if (is_chroot())
        return "this is a chroot";
    if (access("/run/systemd/system", F_OK) != 0)
        return "systemd does not run here: a container, or an image being built";
    return NULL;
}

static void say(const struct upgrade *upgrade, const char *text, const char *theirs)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(upgrade->cli->err_look);
    struct err passed_over = ERR_INIT;

    if (upgrade->cli->options->quiet)
        return;
    cli_page_text(&page, "stillpoint: ");
    cli_page_text(&page, text);
    if (theirs != NULL)
        cli_page_clean(&page, theirs);
    cli_page_text(&page, "\n");
    (void)cli_page_write(&page, upgrade->cli->err, &passed_over);
}

/* A package matches: is there anything that stands against a backup? */
static bool is_wanted(const struct upgrade *upgrade)
{
    const char *why;

    if (upgrade->config->upgrade.policy == CONFIG_UPGRADE_OFF)
        return false;
    if (upgrade->list.root != NULL) {
        say(upgrade, "no backup: the packages go into another tree, ", upgrade->list.root);
        return false;
    }
    if ((why = not_a_node()) != NULL) {
        say(upgrade, "no backup: ", why);
        return false;
    }
    if (is_skipped(upgrade->cli)) {
        say(upgrade, "no backup: " SKIP_VARIABLE " is set", NULL);
        return false;
    }
    return true;
}

/* apt names another descriptor than stdin in the environment. */
static bool choose_fd(const struct cli *cli, int *ret_fd, struct err *err)
{
    const char *named = cli->options->apt ? cli->env("APT_HOOK_INFO_FD") : NULL;
    int64_t fd = STDIN_FILENO;
    struct err bad = ERR_INIT;

    if (named != NULL && !parse_int64(named, 0, 65535, &fd, &bad)) {
        (void)err_set(err, ERR_PROTOCOL, 0, "APT_HOOK_INFO_FD: %s", bad.text);
        return err_suggest(err, "it is apt that sets it, to the descriptor of its list");
    }
    *ret_fd = (int)fd;
    if (isatty(*ret_fd) == 0)
        return true;
    (void)err_set(err, ERR_USAGE, 0, "pre-upgrade reads a list of packages, not a terminal");
    return err_suggest(err, "apt and dnf call it by themselves; for anything else there is "
                            "stillpoint run");
}

static bool read_list(struct upgrade *upgrade, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(UPGRADE_BYTES_MAX);
    int fd = -1;

    return choose_fd(upgrade->cli, &fd, err) &&
           upgrade_list_read(fd, upgrade->deadline_ms, &text, err) &&
           upgrade_list_parse(buf_text(&text), text.len, &upgrade->config->upgrade.packages,
                              &upgrade->list, err);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* What was the matter is said. */
static int stop(const struct upgrade *upgrade, const char *cause, int exit_code)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(upgrade->cli->err_look);
    struct err passed_over = ERR_INIT;

    cli_page_text(&page, "stillpoint: ");
    cli_page_styled(&page, CLI_BAD, "the upgrade is stopped");
    cli_page_text(&page, ": ");
    cli_page_text(&page, cause);
    cli_page_text(&page, "; nothing of it was done\n  do:  mend what is said above and give the "
                         "same command again; to go on without a backup, give\n       it with ");
    cli_page_text(&page,
                  SKIP_VARIABLE "=1 in front (behind sudo: sudo " SKIP_VARIABLE "=1 ...), or "
                                "set policy =\n       best-effort under [upgrade] in the "
                                "configuration\n");
    (void)cli_page_write(&page, upgrade->cli->err, &passed_over);
    return exit_code == CLI_EXIT_DONE ? CLI_EXIT_FAILED : exit_code;
}

static int go_on(const struct upgrade *upgrade, const char *but, const struct cli_first *first)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(upgrade->cli->err_look);
    AUTO_PAGE struct cli_page plain = CLI_PAGE_INIT(((struct cli_look){.unicode = true}));
    struct err passed_over = ERR_INIT;

    if (but != NULL) {
        cli_page_text(&page, "stillpoint: ");
        cli_page_styled(&page, CLI_WARN, "WARNING: the upgrade goes on with ");
        cli_page_styled(&page, CLI_WARN, but);
        cli_page_text(&page, " ([upgrade] policy = best-effort)\n");
    }
    bool would_be = upgrade->cli->options->dry_run && first->id[0] == '\0';
    if (!would_be && (but != NULL || !upgrade->cli->options->quiet)) {
        cli_first_way_back(&page, first, "the upgrade");
        (void)cli_page_write(&page, upgrade->cli->err, &passed_over);
    }
    if (!upgrade->cli->options->dry_run) {
        cli_first_way_back(&plain, first, "the upgrade");
        keep_for_after(upgrade, &plain);
    }
    return CLI_EXIT_DONE;
}

static int end(const struct upgrade *upgrade, const struct cli_first *first)
{
    bool required = upgrade->config->upgrade.policy == CONFIG_UPGRADE_REQUIRED;
    bool less = first->exit_code == CLI_EXIT_LESS;
    const char *but = less               ? "a backup that is less than asked for"
                      : first->timed_out ? "no backup: there was none in the time of [upgrade] wait"
                                         : "no backup";

    if (first->interrupted) {
        say(upgrade, "the upgrade is stopped: interrupted", NULL);
        return first->exit_code == CLI_EXIT_DONE ? CLI_EXIT_FAILED : first->exit_code;
    }
    if (first->exit_code == CLI_EXIT_DONE)
        return go_on(upgrade, NULL, first);
    if (!required)
        return go_on(upgrade, but, first);
    return stop(upgrade,
                less               ? "the backup is less than asked for, which is not enough "
                                     "([upgrade] policy = required; [backup] consistency)"
                : first->timed_out ? "no backup in the time of [upgrade] wait ([upgrade] policy = "
                                     "required)"
                : upgrade->fault   ? "no backup ([upgrade] policy is required, or is taken for it "
                                     "since it can't be read)"
                                   : "no backup ([upgrade] policy = required)",
                first->exit_code);
}

/* No backup was even asked for. */
static int end_unasked(const struct upgrade *upgrade, const struct err *why)
{
    const struct cli_first none = {.exit_code = cli_exit_of(why->kind), .age_s = -1};

    (void)cli_fail(upgrade->cli, none.exit_code, why, NULL);
    return end(upgrade, &none);
}

static int take_backup(struct upgrade *upgrade)
{
    struct cli_options options = *upgrade->cli->options;
    struct cli asking = *upgrade->cli;
    struct cli_first first;

    say(upgrade, upgrade_list_reason(&upgrade->list, upgrade->reason), NULL);
    options.reason = upgrade->reason;
    options.max_age_ms = upgrade->config->upgrade.max_age_ms;
    options.or_less = upgrade->config->upgrade.policy == CONFIG_UPGRADE_BEST_EFFORT;
    asking.options = &options;
    asking.deadline_ms = upgrade->deadline_ms - CLI_CANCEL_GRACE_MS;
    cli_first_take(&asking, upgrade->config->control_socket, &first);
    return end(upgrade, &first);
}

int cli_upgrade(const struct cli *cli, const struct config *config, const struct err *fault)
{
    struct cli on_stderr = *cli; /* what the package manager's stdout is for, it says itself */
    struct upgrade upgrade = {.cli = &on_stderr, .config = config, .fault = fault};
    struct err err = ERR_INIT;
    int exit_code = CLI_EXIT_DONE;

    on_stderr.out = cli->err;
    on_stderr.look = cli->err_look;
    if (cli->options->after)
        return say_after(cli, config);
    if (!cli->options->dry_run)
        forget(config);
    upgrade.deadline_ms = clock_boot_ms() + config->upgrade.wait_ms;
    bool read = read_list(&upgrade, &err);
    if (!read && err.kind == ERR_USAGE)
        exit_code = cli_fail(&on_stderr, CLI_EXIT_USAGE, &err, NULL);
    else if ((!read || upgrade.list.count > 0) && is_wanted(&upgrade))
        exit_code = !read           ? end_unasked(&upgrade, &err)
                    : fault != NULL ? end_unasked(&upgrade, fault)
                                    : take_backup(&upgrade);
    else if (fault != NULL) /* it may be why none is wanted */
        say(&upgrade, "no backup; the configuration has a fault: ", fault->text);
    upgrade_list_free(&upgrade.list);
    return exit_code;
}

/* --- a configuration with a fault ------------------------------------------------------------- */

/* NULL: a fault is in these, too. */
static struct config *try_lines(const char *path, const char *run, const char *policy,
                                const char *packages)
{
    AUTO_BUF struct buf text = BUF_INIT(64 * 1024);
    struct config *config = NULL;
    struct err passed_over = ERR_INIT;

    if (buf_printf(&text, &passed_over, "%s%s\n[upgrade]\n%s%s\n%s%s\n",
                   run ? "[paths]\nrun = " : "", run ? run : "", policy ? "policy = " : "",
                   policy ? policy : "", packages ? "packages = " : "", packages ? packages : ""))
        (void)config_from_text(path, buf_text(&text), text.len, &config, &passed_over);
    return config;
}

struct config *cli_upgrade_salvage(const char *path)
{
    char policy[64] = "", packages[8192] = "", run[PATH_MAX] = "";
    bool chosen = cli_lenient_get(path, true, "upgrade", "policy", policy, sizeof(policy));
    bool listed = cli_lenient_get(path, true, "upgrade", "packages", packages, sizeof(packages));
    bool placed = cli_lenient_get(path, true, "paths", "run", run, sizeof(run));
    struct config *config = NULL;

    /* Whoever chose a policy that can't be read meant another than the default: the one that loses
     * nothing. */
    struct config *alone = try_lines(path, NULL, chosen ? policy : NULL, NULL);
    const char *kept = !chosen ? NULL : alone != NULL ? policy : "required";
    config_free(alone);
    /* All that was found, then without what may be the fault. */
    for (int without = 0; config == NULL && without < 4; without++)
        config = try_lines(path, placed && (without & 2) == 0 ? run : NULL, kept,
                           listed && (without & 1) == 0 ? packages : NULL);
    return config;
}
