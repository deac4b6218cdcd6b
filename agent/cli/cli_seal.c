/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_seal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/control_wire.h"
#include "agent/base/fileio.h"
#include "agent/cli/cli_ask.h"
#include "agent/cli/cli_seal_places.h"
#include "agent/cli/cli_sweep.h"
#include "agent/cli/cli_thaw.h"
#include "agent/daemon/journal_step.h"
#include "agent/daemon/static_keys.h"

enum { NAMES_BYTES = 200 };

/* --- what is in the way ----------------------------------------------------------------------- */

static bool check_frozen(const struct config *config, struct err *err)
{
    switch (cli_thaw_look(config->paths.run)) {
    case CLI_HELD_NOTHING:
        return true;
    case CLI_HELD_SOMETHING:
        (void)err_set(err, ERR_BUSY, 0, "this node is being held: filesystems are frozen");
        return err_suggest(err, "wait for its end (stillpoint status), or see stillpoint thaw -n");
    default:
        (void)err_set(err, ERR_PRECONDITION, 0,
                      "%s/guard.lease can't be judged: what a guard may have left frozen is not "
                      "known",
                      config->paths.run);
        return err_suggest(err, "in a chroot mount /proc; else stillpoint thaw --force, and remove "
                                "the file");
    }
}

/* Whether somebody listens. */
static bool is_daemon_there(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return false; /* a daemon could not listen there either */
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool there = fd >= 0 && (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
                             errno == EAGAIN);
    if (fd >= 0)
        (void)close(fd);
    return there;
}

static const char *job_of(const json_t *status)
{
    static const char *const keys[] = {"job", "removing"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const json_t *job = json_object_get(status, keys[i]);
        if (json_is_object(job))
            return cli_str(job, "id");
    }
    const json_t *first = json_array_get(json_object_get(status, "finishing"), 0);
    return first != NULL ? cli_str(first, "id") : NULL;
}

/* It would write down again who it is. */
static bool check_daemon(const struct config *config, struct err *err)
{
    struct err ignored = ERR_INIT;

    if (!is_daemon_there(config->control_socket))
        return true;
    json_t *status = cli_ask_status(config->control_socket, &ignored);
    const char *job = job_of(status);
    if (job != NULL) {
        (void)err_set(err, ERR_BUSY, 0, "stillpointd is at work%s%s", job[0] ? ": " : "", job);
        (void)err_suggest(err, "wait for its end (stillpoint status), then systemctl stop "
                               "stillpointd");
    } else {
        (void)err_set(err, ERR_PRECONDITION, 0,
                      "stillpointd runs, and would write down again which instance this is");
        (void)err_suggest(err,
                          "systemctl stop stillpointd; in a chroot that shares the host's %s, "
                          "unmount that",
                          config->paths.run);
    }
    json_decref(status);
    return false;
}

/* The entry was looked for long enough, and nothing of it is in EC2. Read without its module: that
 * follows links, which root must not in a folder of the daemon's user. */
static bool is_over(int folder_fd, const char *name)
{
    AUTO_BUF struct buf text = BUF_INIT(JOURNAL_BYTES_MAX);
    struct err ignored = ERR_INIT; /* one that can't be read is none that is settled */
    AUTO_CLOSE int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0 || !fileio_read_fd(fd, name, &text, &ignored))
        return false;
    json_t *entry = json_loadb(buf_text(&text), text.len, 0, NULL);
    const char *step = json_string_value(json_object_get(entry, "step"));
    bool over = step != NULL && strcmp(step, journal_step_name(JOURNAL_ABSENT)) == 0;
    json_decref(entry);
    return over;
}

/* Adds the ids that STATE/FOLDER has an open entry of. */
static void name_open(int state_fd, const char *folder, char names[NAMES_BYTES])
{
    int fd = openat(state_fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *item;

    if (fd >= 0 && dir == NULL)
        (void)close(fd);
    while (dir != NULL && (item = readdir(dir)) != NULL) {
        size_t len = strlen(item->d_name), used = strlen(names);
        if (len <= 5 || strcmp(item->d_name + len - 5, ".json") != 0 || is_over(fd, item->d_name))
            continue;
        (void)snprintf(names + used, NAMES_BYTES - used, "%s%.*s", used > 0 ? ", " : "",
                       (int)(len - 5), item->d_name);
    }
    if (dir != NULL)
        (void)closedir(dir);
}

/* What EC2 still has to be asked about: forgotten it would stay there. */
static bool check_unsettled(const struct cli *cli, const struct config *config, struct err *err)
{
    char names[NAMES_BYTES] = "";
    struct err ignored = ERR_INIT; /* not there, or told where it is removed */
    AUTO_CLOSE int fd = -1;

    if (cli->options->force || !cli_sweep_open(config->paths.state, &fd, &ignored))
        return true;
    name_open(fd, "journal", names);
    name_open(fd, "loans", names);
    if (names[0] == '\0')
        return true;
    (void)err_set(err, ERR_PRECONDITION, 0,
                  "what this machine left in EC2 is not settled, and would be forgotten: %s",
                  names);
    return err_suggest(err, "systemctl start stillpointd, wait until stillpoint status has none of "
                            "it, and stop it again; or give it up with --force");
}

static bool check(const struct cli *cli, const struct config *config, struct err *err)
{
    if (geteuid() != 0) {
        (void)err_set(err, ERR_PRECONDITION, 0, "seal needs root");
        return err_suggest(err, "sudo stillpoint seal%s", cli->options->dry_run ? " -n" : "");
    }
    return check_frozen(config, err) && check_daemon(config, err) &&
           check_unsettled(cli, config, err);
}

/* --- telling ---------------------------------------------------------------------------------- */

static bool find_keys(const struct cli_seal_places *place, json_t *warnings, struct err *err)
{
    struct strs places = {NULL, 0};
    char home[PATH_MAX];
    bool ok = static_keys_find(place->machine->root, place->config->path,
                               static_keys_home(home) ? home : NULL, &places, err);

    for (size_t i = 0; ok && i < places.count; i++) {
        json_t *item = json_pack("{s:o,s:s,s:s}", "path", control_text(places.items[i]), "why",
                                 "a secret access key of AWS: every instance of the image has it",
                                 "remedy", "give the instances a role, and remove the key");
        ok = (item != NULL && json_array_append_new(warnings, item) == 0) ||
             err_set(err, ERR_INTERNAL, 0, "out of memory");
    }
    strs_free(&places);
    return ok;
}

static void show_lines(struct cli_page *page, const char *ours, enum cli_style style,
                       const json_t *list, const char *key)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const char *remedy = cli_str(item, "remedy");
        cli_page_style(page, style);
        cli_page_text(page, ours);
        cli_page_style(page, CLI_PLAIN);
        cli_page_clean(page, cli_str(item, "path"));
        cli_page_text(page, ": ");
        cli_page_clean_lines(page, cli_str(item, key), 2);
        if (remedy != NULL) {
            cli_page_text(page, "\n  do:  ");
            cli_page_clean_lines(page, remedy, 7);
        }
        cli_page_text(page, "\n");
    }
}

static bool tell(const struct cli *cli, const struct cli_seal_places *places,
                 const json_t *warnings)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(cli->look);
    bool dry_run = cli->options->dry_run;
    size_t removed = json_array_size(places->removed), left = json_array_size(places->left);

    if (cli->options->json) {
        json_t *whole = json_pack("{s:b,s:b,s:O,s:O,s:O}", "dry_run", dry_run, "sealed",
                                  left == 0 && (!dry_run || removed == 0), "removed",
                                  places->removed, "left", places->left, "warnings", warnings);
        bool ok = whole != NULL && cli_print_json(cli, whole);
        json_decref(whole);
        return ok;
    }
    show_lines(&page, dry_run ? "would remove " : "removed ", CLI_PLAIN, places->removed, "what");
    show_lines(&page, "stays: ", CLI_BAD, places->left, "why");
    show_lines(&page, "warning: ", CLI_WARN, warnings, "why");
    if (left > 0)
        cli_page_text(&page, "not sealed: something stays\n");
    else if (dry_run && removed > 0)
        cli_page_text(&page, "not sealed yet\n");
    else
        cli_page_text(&page, "sealed: nothing of this machine is kept\n");
    return cli_print_page(cli, &page);
}

/* --- the command ------------------------------------------------------------------------------ */

/* With --quiet what stays is an error all the same, and a key in a file a warning. */
static void tell_quietly(const struct cli *cli, const char *ours, const json_t *list)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(cli->err_look);
    struct err passed_over = ERR_INIT; /* stderr that can't be written: nowhere to say so */

    if (!cli->options->quiet || cli->options->json)
        return;
    show_lines(&page, ours, CLI_BAD, list, "why");
    (void)cli_page_write(&page, cli->err, &passed_over);
}

static int seal(const struct cli *cli, struct cli_seal_places *places, json_t *warnings)
{
    const struct config *config = places->config;
    struct err err = ERR_INIT;
    bool told = true;

    if (places->removed == NULL || places->left == NULL || warnings == NULL)
        (void)err_set(&err, ERR_INTERNAL, 0, "out of memory");
    else if (cli_seal_places(places, &err) && find_keys(places, warnings, &err))
        told = tell(cli, places, warnings);
    if (err.kind != ERR_NONE)
        return cli_fail(cli, CLI_EXIT_FAILED, &err, "some of it may be removed: run it again");
    tell_quietly(cli, "stillpoint: stays: ", places->left);
    tell_quietly(cli, "stillpoint: warning: ", warnings);
    if (!cli->options->dry_run && is_daemon_there(config->control_socket)) {
        (void)err_set(&err, ERR_BUSY, 0, "stillpointd was started meanwhile");
        (void)err_suggest(&err, "systemctl stop stillpointd, and run it again");
        return cli_fail(cli, CLI_EXIT_FAILED, &err,
                        "it may have written down which instance this is");
    }
    if (!told && cli->options->dry_run) /* else the work is done, whoever heard of it */
        return CLI_EXIT_FAILED;
    return json_array_size(places->left) > 0 ? CLI_EXIT_LESS : CLI_EXIT_DONE;
}

int cli_seal(const struct cli *cli, const struct config *config,
             const struct cli_seal_machine *machine)
{
    struct cli_seal_places places = {
        .config = config, .machine = machine, .dry_run = cli->options->dry_run};
    struct err err = ERR_INIT;

    if (!check(cli, config, &err))
        return cli_fail(cli, err.kind == ERR_BUSY ? CLI_EXIT_BUSY : CLI_EXIT_PRECONDITION, &err,
                        "nothing was removed");
    places.removed = json_array();
    places.left = json_array();
    json_t *warnings = json_array();
    int exit_code = seal(cli, &places, warnings);
    json_decref(places.removed);
    json_decref(places.left);
    json_decref(warnings);
    return exit_code;
}
