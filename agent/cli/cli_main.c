/* SPDX-License-Identifier: BSD-2-Clause */
/* stillpoint: the command line. Talks to the daemon, shows what it says, and does no work itself.
 */
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/cli/cli_complete_run.h"
#include "agent/cli/cli_run.h"

static const char *get_env(const char *name)
{
    return getenv(name);
}

/* Where our executable lies, for a build's tree. False: /proc is not there. */
static bool find_self(char folder[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", folder, PATH_MAX - 1);

    if (len <= 0)
        return false;
    folder[len] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

/* Without them the control socket could become standard output. Opened for reading, so that writing
 * to one that was closed stays the error that it is. Where all are open none is needed: a chroot
 * need not have it. */
static bool fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
            return false;
    }
    return true;
}

static bool is_ignored(int number)
{
    struct sigaction now;

    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* Unless whoever started us has it ignored, as a shell does for what runs behind its back. */
static void add_signal(sigset_t *set, int number)
{
    if (!is_ignored(number))
        (void)sigaddset(set, number);
}

/* What can be undone in the middle, or stopped between two, or, once an instance is launched, left
 * with the word that it is there. */
static bool can_be_cancelled(const struct cli_options *options)
{
    return options->command == CLI_BACKUP || options->command == CLI_HOLD ||
           options->command == CLI_RUN || options->command == CLI_PRE_UPGRADE ||
           options->command == CLI_VERIFY || options->command == CLI_ROLLBACK ||
           options->command == CLI_PRUNE || options->command == CLI_DELETE ||
           options->command == CLI_RESTORE;
}

/* These ask the daemon to cancel where others just end. -1: they end. */
static int catch_signals(const struct cli_options *options)
{
    sigset_t set;

    if (options->help || options->version || !can_be_cancelled(options) ||
        !cli_options_change(options))
        return -1;
    (void)sigemptyset(&set);
    add_signal(&set, SIGINT);
    add_signal(&set, SIGTERM);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd >= 0)
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return fd;
}

int main(int argc, char **argv)
{
    struct cli_options options;
    char self_folder[PATH_MAX];
    struct err err = ERR_INIT;
    int exit_code;

    if (!fill_standard_descriptors())
        return CLI_EXIT_FAILED;
    (void)setlocale(LC_CTYPE, "");
    tzset();
    bool pipe_ignored = is_ignored(SIGPIPE);
    (void)signal(SIGPIPE, SIG_IGN); /* a reader that has gone must not end a backup's report */
    if (argc > 1 && strcmp(argv[1], "--complete") == 0) /* a shell asks, no person: in no help */
        return cli_complete_run(argc - 2, argv + 2, get_env);
    struct cli cli = {.options = &options,
                      .out = stdout,
                      .err = stderr,
                      .look = cli_look_of(STDOUT_FILENO, get_env),
                      .err_look = cli_look_of(STDERR_FILENO, get_env),
                      .signal_fd = -1,
                      .env = get_env,
                      .self_folder = find_self(self_folder) ? self_folder : NULL,
                      .pipe_ignored = pipe_ignored};
    (void)sigprocmask(SIG_SETMASK, NULL, &cli.own_mask);
    if (cli_options_read(argc, argv, &options, &err)) {
        cli.signal_fd = catch_signals(&options);
        exit_code = cli_run(&cli);
    } else {
        exit_code =
            cli_fail(&cli, options.command == CLI_RUN ? CLI_EXIT_NOT_RUN : cli_exit_of(err.kind),
                     &err, NULL);
    }
    cli_options_free(&options);
    if (cli.signal_fd >= 0)
        (void)close(cli.signal_fd);
    return exit_code;
}
