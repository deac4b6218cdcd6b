/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/cli/cli_first.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* What is passed on; of the rest, each does to us what it does to COMMAND, or is nobody's business.
 */
static const int passed_on[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

enum { HEAD_BYTES = 256 }; /* as much of a file as the kernel looks at */

struct program {
    char path[PATH_MAX];
    char interpreter[HEAD_BYTES]; /* of a script; "" */
    bool is_text;                 /* a script without its "#!": the shell's, as for env(1) */
    bool lacks_interpreter;
};

/* --- is there such a program ------------------------------------------------------------------ */

/* The errno with which it can't be run; 0 where it can, as far as one sees. */
static int look_at(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return errno;
    if (!S_ISREG(st.st_mode))
        return EACCES;
    return access(path, X_OK) != 0 ? errno : 0;
}

/* As execvp finds it. */
static int look_for(const struct cli *cli, const char *name, char path[PATH_MAX])
{
    const char *at = cli->env("PATH");
    int found = ENOENT;

    if (strchr(name, '/') != NULL) {
        bool fits = snprintf(path, PATH_MAX, "%s", name) < PATH_MAX;
        return fits ? look_at(name) : ENAMETOOLONG;
    }
    for (at = at != NULL ? at : DEFAULT_PATH; at != NULL;
         at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL) {
        int len = (int)strcspn(at, ":");
        if (snprintf(path, PATH_MAX, "%.*s%s%s", len, at, len > 0 ? "/" : "", name) >= PATH_MAX)
            continue;
        int os_errno = look_at(path);
        if (os_errno == 0)
            return 0;
        if (os_errno == EACCES)
            found = EACCES;
    }
    return found;
}

/* What it begins with; one that can't be read is not judged. The errno with which its interpreter
 * can't be run, or 0. */
static int look_into(struct program *program)
{
    AUTO_CLOSE int fd = open(program->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char head[HEAD_BYTES] = "";
    ssize_t len = fd >= 0 ? read(fd, head, sizeof(head) - 1) : -1;

    if (len >= 2 && memcmp(head, "#!", 2) == 0) {
        const char *at = head + 2 + strspn(head + 2, " \t");
        (void)snprintf(program->interpreter, HEAD_BYTES, "%.*s", (int)strcspn(at, " \t\n"), at);
        int os_errno = program->interpreter[0] != '\0' ? look_at(program->interpreter) : 0;
        program->lacks_interpreter = os_errno != 0;
        return os_errno;
    }
    program->is_text =
        len >= 0 && memchr(head, '\0', (size_t)len) == NULL && strncmp(head, "\177ELF", 4) != 0;
    return 0;
}

/* A typing error should not cost a backup. The errno; 0: it can be run, as far as one sees. */
static int find_program(const struct cli *cli, struct program *ret_program)
{
    int os_errno = look_for(cli, cli->options->words[0], ret_program->path);

    return os_errno != 0 ? os_errno : look_into(ret_program);
}

static int say_not_run(const struct cli *cli, const struct program *program, int os_errno,
                       const char *now)
{
    bool lacks = program->lacks_interpreter;
    struct err why = ERR_INIT;
    bool missing = os_errno == ENOENT || os_errno == ENOTDIR;

    (void)err_set(&why, ERR_USAGE, os_errno, "run: %.200s%s%.200s", cli->options->words[0],
                  lacks ? ": its interpreter " : "", lacks ? program->interpreter : "");
    (void)err_suggest(&why, lacks     ? "see what its first line names"
                            : missing ? "see whether it is written right, and in PATH"
                                      : "see whether it is a program, and yours to run");
    return cli_fail(cli, missing ? CLI_EXIT_NO_PROGRAM : CLI_EXIT_NOT_EXECUTABLE, &why, now);
}

/* --- running it ------------------------------------------------------------------------------- */

static void forwarded(sigset_t *ret_set)
{
    (void)sigemptyset(ret_set);
    for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
        (void)sigaddset(ret_set, passed_on[i]);
    (void)sigaddset(ret_set, SIGCHLD);
}

/* The kernel sends what a terminal says to the whole group, COMMAND with it. */
static void pass_on(pid_t child, const siginfo_t *info)
{
    if (info->si_code <= 0)
        (void)kill(child, info->si_signo);
}

/* The status as waitpid has it; waits for nobody else. */
static int wait_for(pid_t child, const sigset_t *signals)
{
    int status = 0;

    for (;;) {
        siginfo_t info;
        pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child || (ended < 0 && errno != EINTR))
            return status;
        if (sigwaitinfo(signals, &info) > 0 && info.si_signo != SIGCHLD)
            pass_on(child, &info);
    }
}

/* The shell with the script and its words. */
static int spawn_shell(const struct program *program, char *const *words,
                       const posix_spawnattr_t *attributes, pid_t *ret_child)
{
    size_t count = 0;

    while (words[count] != NULL)
        count++;
    const char **whole = calloc(count + 2, sizeof(*whole));
    if (whole == NULL)
        return ENOMEM;
    whole[0] = "sh";
    whole[1] = program->path;
    for (size_t i = 1; i < count; i++)
        whole[i + 1] = words[i];
    int os_errno =
        posix_spawn(ret_child, "/bin/sh", NULL, attributes, (char *const *)whole, environ);
    free(whole);
    return os_errno;
}

/* With the mask and the SIGPIPE that we were started with. The errno; 0: *ret_child runs. */
static int spawn(const struct cli *cli, const struct program *program, pid_t *ret_child)
{
    char *const *words = cli->options->words;
    posix_spawnattr_t attributes;
    sigset_t as_ever;
    short flags = POSIX_SPAWN_SETSIGMASK | (cli->pipe_ignored ? 0 : POSIX_SPAWN_SETSIGDEF);

    (void)sigemptyset(&as_ever);
    (void)sigaddset(&as_ever, SIGPIPE);
    int os_errno = posix_spawnattr_init(&attributes);
    if (os_errno != 0)
        return os_errno;
    (void)posix_spawnattr_setflags(&attributes, flags);
    (void)posix_spawnattr_setsigmask(&attributes, &cli->own_mask);
    (void)posix_spawnattr_setsigdefault(&attributes, &as_ever);
    os_errno = posix_spawn(ret_child, program->path, NULL, &attributes, words, environ);
    if (os_errno == ENOEXEC && program->is_text)
        os_errno = spawn_shell(program, words, &attributes, ret_child);
    (void)posix_spawnattr_destroy(&attributes);
    return os_errno;
}

/* RET_EXIT_CODE is set where it ran. The errno else. */
static int run_command(const struct cli *cli, const struct program *program, int *ret_exit_code)
{
    sigset_t signals, before;
    pid_t child = -1;

    forwarded(&signals);
    (void)fflush(cli->err);
    (void)signal(SIGCHLD, SIG_DFL); /* whoever has it ignored gets no exit codes */
    (void)sigprocmask(SIG_BLOCK, &signals, &before);
    int os_errno = spawn(cli, program, &child);
    if (os_errno == 0) {
        int status = wait_for(child, &signals);
        *ret_exit_code =
            WIFSIGNALED(status) ? CLI_EXIT_SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return os_errno;
}

/* --- before and after it ---------------------------------------------------------------------- */

/* Whether COMMAND runs after such a backup. What went wrong with it was said. */
static bool goes_on(const struct cli *cli, const struct cli_first *first)
{
    const char *why = first->exit_code == CLI_EXIT_LESS ? "a backup that is less than asked for"
                      : first->timed_out                ? "no backup in the time of [upgrade] wait"
                                                        : "no backup";

    if (first->interrupted)
        (void)fputs("stillpoint: the command is not run: interrupted\n", cli->err);
    else if (first->exit_code != CLI_EXIT_DONE && !cli->options->best_effort)
        (void)fprintf(
            cli->err,
            "stillpoint: the command is not run, since there is %s; --best-effort runs it "
            "all the same\n",
            why);
    else if (first->exit_code != CLI_EXIT_DONE)
        (void)fprintf(cli->err,
                      "stillpoint: WARNING: the command is run with %s, as --best-effort has it\n",
                      why);
    return !first->interrupted && (first->exit_code == CLI_EXIT_DONE || cli->options->best_effort);
}

static void say_way_back(const struct cli *cli, const struct cli_first *first, int exit_code)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(cli->err_look);
    struct err passed_over = ERR_INIT;
    bool known = first->id[0] != '\0';
    char rollback[CLI_ID_BYTES + 32];

    if (!cli->options->json) {
        cli_first_way_back(&page, first, "the command");
        if (!known || !cli->options->quiet)
            (void)cli_page_write(&page, cli->err, &passed_over);
        return;
    }
    (void)snprintf(rollback, sizeof(rollback), "stillpoint rollback %s", first->id);
    json_t *event = json_pack("{s:s, s:s?, s:s?, s:s?, s:i}", "event", "way_back", "id",
                              known ? first->id : NULL, "consistency", known ? first->label : NULL,
                              "command", known ? rollback : NULL, "exit", exit_code);
    char *line = event != NULL ? json_dumps(event, JSON_COMPACT) : NULL;
    if (line != NULL)
        (void)fprintf(cli->err, "%s\n", line);
    free(line);
    json_decref(event);
}

/* Who takes a recent backup gets that of another, once it is there. */
static void take_backup(struct cli *cli, const struct config *config, const struct err *fault,
                        struct cli_first *ret_first)
{
    *ret_first = (struct cli_first){.exit_code = CLI_EXIT_USAGE, .age_s = -1};
    if (fault != NULL) {
        (void)cli_fail(cli, CLI_EXIT_USAGE, fault, NULL);
        return;
    }
    if (cli->options->max_age_ms != 0)
        cli->busy_until_ms = clock_boot_ms() + config->upgrade.wait_ms;
    cli_first_take(cli, config->control_socket, ret_first);
}

int cli_command(const struct cli *cli, const struct config *config, const struct err *fault)
{
    struct cli on_stderr = *cli; /* where failures as JSON go, too */
    struct program program = {.path = ""};
    struct cli_first first;
    int exit_code = CLI_EXIT_NOT_RUN;

    on_stderr.out = cli->err;
    int os_errno = find_program(cli, &program);
    if (os_errno != 0)
        return say_not_run(&on_stderr, &program, os_errno, "no backup was taken");
    take_backup(&on_stderr, config, fault, &first);
    if (!goes_on(&on_stderr, &first))
        return CLI_EXIT_NOT_RUN;
    if (cli->options->dry_run)
        return CLI_EXIT_DONE;
    os_errno = run_command(&on_stderr, &program, &exit_code);
    if (os_errno != 0)
        return say_not_run(&on_stderr, &program, os_errno,
                           first.id[0] ? "the backup is kept" : NULL);
    say_way_back(&on_stderr, &first, exit_code);
    return exit_code;
}
