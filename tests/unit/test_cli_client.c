/* SPDX-License-Identifier: BSD-2-Clause */
/* The whole command line but main, against a daemon that follows a script. */
#include "agent/cli/cli_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/cli/cli_run.h"

enum act {
    END,
    HEAR,   /* takes one line */
    SAY,    /* sends the text, ' for " */
    FLOOD,  /* sends 'x' for ever, until nobody takes it */
    SIGNAL, /* as if Ctrl-C were pressed at the client */
    HANG,   /* waits until the client closes */
};

struct step {
    enum act act;
    const char *text;
};

struct world {
    char folder[64], socket[96], config[96];
    int listener;
    int signals[2]; /* what the client takes for a signalfd, and its other end */
    const struct step *script;
    int64_t time_ms;        /* until the client's deadline; 0: it has none */
    char heard[200 * 1024]; /* all lines that the daemon took */
    size_t heard_len;
    char *out, *err;
    size_t out_len, err_len;
};

/* --- the daemon ------------------------------------------------------------------------------- */

static void hear(struct world *world, int fd)
{
    char c;

    while (world->heard_len + 1 < sizeof(world->heard) && recv(fd, &c, 1, 0) == 1) {
        world->heard[world->heard_len++] = c;
        if (c == '\n')
            break;
    }
    world->heard[world->heard_len] = '\0';
}

static bool send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t put = send(fd, bytes, len, MSG_NOSIGNAL);
        if (put <= 0)
            return false;
        bytes += put;
        len -= (size_t)put;
    }
    return true;
}

static void say(int fd, const char *text)
{
    char line[4096];
    size_t len = strlen(text);

    assert_true(len < sizeof(line));
    for (size_t i = 0; i < len; i++)
        line[i] = text[i] == '\'' ? '"' : text[i];
    (void)send_all(fd, line, len);
}

static void flood(int fd)
{
    static char bytes[16384];

    memset(bytes, 'x', sizeof(bytes));
    while (send_all(fd, bytes, sizeof(bytes)))
        ;
}

static void press_ctrl_c(int fd)
{
    struct signalfd_siginfo info;

    memset(&info, 0, sizeof(info));
    info.ssi_signo = SIGINT;
    (void)!write(fd, &info, sizeof(info));
}

static void *daemon_main(void *data)
{
    struct world *world = data;
    char byte;
    int fd = accept(world->listener, NULL, NULL);

    for (const struct step *step = world->script; fd >= 0 && step->act != END; step++) {
        switch (step->act) {
        case HEAR:
            hear(world, fd);
            break;
        case SAY:
            say(fd, step->text);
            break;
        case FLOOD:
            flood(fd);
            break;
        case SIGNAL:
            press_ctrl_c(world->signals[1]);
            break;
        case HANG:
            while (recv(fd, &byte, 1, 0) > 0)
                ;
            break;
        case END:
            break;
        }
    }
    if (fd >= 0)
        (void)close(fd);
    return NULL;
}

/* --- the world -------------------------------------------------------------------------------- */

static void write_config(const struct world *world, const char *more)
{
    FILE *file = fopen(world->config, "w");

    assert_non_null(file);
    (void)fprintf(file, "[paths]\nrun = %s\n%s", world->folder, more);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(world->config, 0644), 0);
}

static void listen_at(struct world *world)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", world->socket);
    world->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(world->listener >= 0);
    assert_int_equal(bind(world->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(world->listener, 4), 0);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    strcpy(world->folder, "/tmp/stillpoint-cli.XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    (void)snprintf(world->socket, sizeof(world->socket), "%s/control.sock", world->folder);
    (void)snprintf(world->config, sizeof(world->config), "%s/x.conf", world->folder);
    write_config(world, "");
    listen_at(world);
    assert_int_equal(pipe2(world->signals, O_CLOEXEC | O_NONBLOCK), 0);
    *state = world;
    return 0;
}

static int take_down(void **state)
{
    struct world *world = *state;

    if (world->listener >= 0)
        (void)close(world->listener);
    (void)close(world->signals[0]);
    (void)close(world->signals[1]);
    (void)unlink(world->socket);
    (void)unlink(world->config);
    assert_int_equal(rmdir(world->folder), 0);
    free(world->out);
    free(world->err);
    free(world);
    return 0;
}

static const char *no_env(const char *name)
{
    (void)name;
    return NULL;
}

static int run_cli(struct world *world, const char *words, FILE *out, FILE *err)
{
    static char room[80 * 1024];
    char *argv[32] = {(char *)(uintptr_t) "stillpoint"};
    struct cli_options options;
    struct err why = ERR_INIT;
    int argc = 1;

    (void)snprintf(room, sizeof(room), "--config %s %s", world->config, words);
    for (char *word = strtok(room, " "); word != NULL && argc < 32; word = strtok(NULL, " "))
        argv[argc++] = word;
    assert_true(cli_options_read(argc, argv, &options, &why));
    struct cli cli = {.options = &options,
                      .out = out,
                      .err = err,
                      .look = {.columns = 80},
                      .err_look = {.columns = 80},
                      .deadline_ms = world->time_ms ? clock_boot_ms() + world->time_ms : 0,
                      .signal_fd = world->signals[0],
                      .env = no_env};
    int exit_code = cli_run(&cli);
    cli_options_free(&options);
    return exit_code;
}

/* Runs `stillpoint WORDS` against a daemon that does what SCRIPT says (NULL: nobody accepts). */
static int run(struct world *world, const char *words, const struct step *script)
{
    pthread_t daemon;

    free(world->out);
    free(world->err);
    world->out = world->err = NULL;
    world->heard_len = 0;
    world->heard[0] = '\0';
    world->script = script;
    FILE *out = open_memstream(&world->out, &world->out_len);
    FILE *err = open_memstream(&world->err, &world->err_len);
    assert_non_null(out);
    assert_non_null(err);
    if (script != NULL)
        assert_int_equal(pthread_create(&daemon, NULL, daemon_main, world), 0);

    int exit_code = run_cli(world, words, out, err);

    if (script != NULL)
        assert_int_equal(pthread_join(daemon, NULL), 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(fclose(err), 0);
    return exit_code;
}

#define ACCEPTED                                                                                   \
    {                                                                                              \
        SAY, "{'event':'accepted','id':'sp-1'}\n"                                                  \
    }
#define BACKUP_JSON                                                                                \
    "{'id':'sp-1','state':'complete','asked':'application','consistency':'application',"           \
    "'snapshots':[{'id':'snap-1','size_gib':8}],'image':null}"

/* --- a backup that goes well ------------------------------------------------------------------ */

static void a_backup_tells_its_story_and_ends_with_what_was_made(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL},
        ACCEPTED,
        {SAY, "{'event':'step','step':'plan','at':'2026-11-24T08:15:30Z'}\n"},
        {SAY, "{'event':'warning','text':'a slow\\u001b query','remedy':'end it'}\n"},
        {SAY, "{'event':'released','id':'sp-1','hold_ms':303.25}\n"},
        {SAY, "{'event':'progress','step':'finish','done':1,'total':2,'text':'1 of 2'}\n"},
        {SAY, "{'event':'result','exit':0,'data':" BACKUP_JSON "}\n"},
        {END, NULL},
    };
    struct world *world = *state;

    assert_int_equal(run(world, "backup", script), 0);

    assert_string_equal(world->heard, "{\"v\":1,\"cmd\":\"backup\",\"args\":{}}\n");
    assert_string_equal(world->out,
                        "backup sp-1 started\n"
                        "  the instant is fixed, everything runs again; held for 303.2 ms\n"
                        "backup sp-1 complete: application consistent; 1 snapshot, 8 GiB\n"
                        "  more: stillpoint show sp-1\n");
    assert_string_equal(world->err, "stillpoint: warning: a slow\\x1b query\n"
                                    "  do:  end it\n");
}

static void what_was_given_is_what_is_asked_for(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL},
        {SAY, "{'event':'result','exit':0,'data':" BACKUP_JSON "}\n"},
        {END, NULL},
    };
    struct world *world = *state;

    assert_int_equal(run(world,
                         "backup --reason x --consistency crash --wait cut --no-image --keep 1m "
                         "--tag A=1",
                         script),
                     0);
    assert_string_equal(world->heard,
                        "{\"v\":1,\"cmd\":\"backup\",\"args\":{\"reason\":\"x\",\"consistency\":"
                        "\"crash\",\"wait\":\"cut\",\"image\":false,\"keep_ms\":60000,"
                        "\"tags\":{\"A\":\"1\"}}}\n");
    assert_int_equal(run(world, "backup --pin --image", script), 0);
    assert_string_equal(world->heard,
                        "{\"v\":1,\"cmd\":\"backup\",\"args\":{\"image\":true,\"pin\":true}}\n");
}

static void a_kind_is_a_command_of_its_own_for_the_daemon(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL},
        {SAY, "{'event':'accepted','id':'sp-1'}\n"},
        {SAY, "{'event':'result','exit':3,'data':{'backup':'sp-1','instance':'i-1','state':"
              "'running','less':['no\\u001bdata']}}\n"},
        {END, NULL},
    };
    struct world *world = *state;

    assert_int_equal(run(world, "restore instance sp-1 --wait none --tag A=1 --name n", script), 3);
    assert_string_equal(world->heard,
                        "{\"v\":1,\"cmd\":\"restore-instance\",\"args\":{\"wait\":\"none\","
                        "\"tags\":{\"A\":\"1\"},\"id\":\"sp-1\",\"name\":\"n\"}}\n");
    assert_memory_equal(world->out, "restore instance sp-1 started\ni-1 is running\n", 45);
    assert_string_equal(world->err, "stillpoint: restore instance sp-1: less than the original\n"
                                    "  why: no\\x1bdata\n");
}

static void a_restore_whose_daemon_goes_away_is_unknown_and_can_be_given_again(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL}, {SAY, "{'event':'accepted','id':'sp-1'}\n"}, {END, NULL}};
    struct world *world = *state;

    assert_int_equal(run(world, "restore instance latest", script), 6);
    assert_string_equal(world->err,
                        "stillpoint: restore instance latest: stillpointd closed the connection\n"
                        "  do:  give the same command again: it goes on with what this one made, "
                        "or says what became of it\n"
                        "  now: stillpointd goes on with it if it still runs\n");
}

static void what_a_verify_made_is_removed_by_the_next_daemon_and_not_gone_on_with(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL}, {SAY, "{'event':'accepted','id':'sp-1'}\n"}, {END, NULL}};
    static const char *const taken_back =
        "  do:  see in `stillpoint status' that nothing of it is left, then give the same command "
        "again: it begins anew\n"
        "  now: stillpointd goes on with it if it still runs, and else removes what was made at "
        "its next start\n";
    struct world *world = *state;

    assert_int_equal(run(world, "verify latest", script), 6);
    assert_non_null(strstr(world->err, taken_back));
    assert_int_equal(run(world, "restore volumes latest", script), 6);
    assert_non_null(strstr(world->err, taken_back));
    assert_int_equal(run(world, "prune", script), 6);
    assert_string_equal(world->err,
                        "stillpoint: prune: stillpointd closed the connection\n"
                        "  do:  give the same command again: it goes on with what is begun\n"
                        "  now: stillpointd goes on with it if it still runs\n");
}

static void with_json_every_event_is_a_line_and_the_backup_the_last(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL},
        ACCEPTED,
        {SAY, "{'event':'warning','text':'slow','remedy':null}\n"},
        {SAY, "{'event':'result','exit':0,'data':{'id':'sp-1','timing_ms':{'hold':303.2}}}\n"},
        {END, NULL},
    };
    struct world *world = *state;

    assert_int_equal(run(world, "backup --json", script), 0);
    assert_string_equal(world->out, "{\"event\":\"accepted\",\"id\":\"sp-1\"}\n"
                                    "{\"event\":\"warning\",\"text\":\"slow\",\"remedy\":null}\n"
                                    "{\"id\":\"sp-1\",\"timing_ms\":{\"hold\":303.2}}\n");
    assert_string_equal(world->err, "");

    assert_int_equal(run(world, "backup --json --quiet", script), 0);
    assert_string_equal(world->out, "{\"id\":\"sp-1\",\"timing_ms\":{\"hold\":303.2}}\n");
}

static void quiet_says_nothing_when_all_is_well(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL},
        ACCEPTED,
        {SAY, "{'event':'warning','text':'slow','remedy':null}\n"},
        {SAY, "{'event':'released','id':'sp-1','hold_ms':303.2}\n"},
        {SAY, "{'event':'result','exit':0,'data':" BACKUP_JSON "}\n"},
        {END, NULL},
    };
    struct world *world = *state;

    assert_int_equal(run(world, "backup --quiet", script), 0);
    assert_string_equal(world->out, "");
    assert_string_equal(world->err, "");
}

#define LESS                                                                                       \
    {                                                                                              \
        SAY, "{'event':'result','exit':3,'data':{'id':'sp-1','state':'complete',"                  \
             "'asked':'application','consistency':'filesystem','shortfall':['mysql: away']}}\n"    \
    }

static void a_backup_after_which_not_all_was_let_go_says_where_to_look(void **state)
{
    static const struct step script[] = {{HEAR, NULL}, LESS, {END, NULL}};
    struct world *world = *state;

    assert_int_equal(run(world, "backup --quiet", script), 3);
    assert_non_null(strstr(world->err,
                           "labelled as what it is; what may still be held, `stillpoint "
                           "thaw -n` shows\n"));
}

static void less_consistency_than_asked_is_said_even_with_quiet(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL},
        {SAY, "{'event':'released','id':'sp-1','hold_ms':303.2}\n"},
        LESS,
        {END, NULL},
    };
    struct world *world = *state;

    assert_int_equal(run(world, "backup --quiet", script), 3);
    assert_string_equal(world->out, "");
    assert_string_equal(
        world->err, "stillpoint: backup sp-1: filesystem consistent, application was asked for\n"
                    "  why: mysql: away\n"
                    "  now: the backup is kept, and labelled as what it is\n");
}

static void a_request_that_is_too_long_is_wrong_usage(void **state)
{
    static const struct step script[] = {{HANG, NULL}, {END, NULL}};
    static char words[CONTROL_REQUEST_BYTES_MAX + 32] = "backup --reason ";
    struct world *world = *state;

    memset(words + strlen(words), 'x', CONTROL_REQUEST_BYTES_MAX);
    assert_int_equal(run(world, words, script), 2);
    assert_string_equal(world->err,
                        "stillpoint: reason and tags are longer than 65536 bytes together\n"
                        "  do:  shorten --reason: a tag has room for its first 256 characters\n");
    strcpy(words, "show ");
    memset(words + strlen(words), 'x', CONTROL_REQUEST_BYTES_MAX);
    assert_int_equal(run(world, words, script), 2);
    assert_string_equal(world->err, "stillpoint: the id is longer than 65536 bytes\n"
                                    "  do:  stillpoint list shows the backups and their ids\n");
}

static void a_dry_run_shows_the_plan(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL},
        ACCEPTED,
        {SAY, "{'event':'result','exit':0,'data':{'plan':{'volumes':[{'id':'vol-1'}]}}}\n"},
        {END, NULL},
    };
    struct world *world = *state;

    assert_int_equal(run(world, "backup -n", script), 0);
    assert_non_null(strstr(world->heard, "\"dry_run\":true"));
    assert_int_equal(strncmp(world->out, "Dry run: nothing was held, nothing was made\n", 43), 0);
    assert_non_null(strstr(world->out, "vol-1"));
}

static void what_would_be_done_is_one_document_in_json(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL},
        ACCEPTED,
        {SAY, "{'event':'step','step':'find'}\n"
              "{'event':'warning','text':'slow','remedy':null}\n"
              "{'event':'result','exit':0,'data':{'id':'sp-1','x':[1]}}\n"},
        {END, NULL},
    };
    static const char *const questions[] = {
        "backup -n --json",   "verify latest -n --json", "restore volumes sp-1 -n --json",
        "pin sp-1 -n --json", "rollback sp-1 -n --json", "rollback --json"};
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        assert_int_equal(run(world, questions[i], script), 0);
        assert_string_equal(world->out, "{\"id\":\"sp-1\",\"x\":[1]}\n");
        assert_string_equal(world->err, "stillpoint: warning: slow\n");
    }
}

/* --- a rollback, where nobody can be asked ---------------------------------------------------- */

static void a_rollback_in_json_is_refused_without_yes_in_one_result(void **state)
{
    static const struct step could[] = {
        {HEAR, NULL},
        ACCEPTED,
        {SAY, "{'event':'warning','text':'slow','remedy':null}\n"
              "{'event':'result','exit':3,'data':{'id':'sp-1','lost':{}}}\n"},
        {END, NULL},
    };
    struct world *world = *state;

    assert_int_equal(run(world, "rollback sp-1 --json", could), 2);
    assert_non_null(strstr(world->heard, "\"dry_run\":true"));
    assert_string_equal(world->out,
                        "{\"event\":\"error\",\"exit\":2,\"kind\":\"usage\",\"text\":\"rollback: "
                        "with --json nobody is asked to confirm it\",\"remedy\":\"look at it with "
                        "-n first, then give --yes\",\"now\":\"nothing was done\"}\n");
    assert_string_equal(world->err, "stillpoint: rollback: with --json nobody is asked to confirm "
                                    "it\n"
                                    "  do:  look at it with -n first, then give --yes\n"
                                    "  now: nothing was done\n");
}

static void what_a_rollback_is_refused_for_comes_before_the_question(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL},
        {SAY, "{'event':'error','exit':5,'kind':'not_found','text':'no such backup',"
              "'remedy':'stillpoint list','now':'nothing was done'}\n"},
        {END, NULL}};
    struct world *world = *state;

    assert_int_equal(run(world, "rollback sp-9 --json", script), 5);
    assert_non_null(strstr(world->out, "no such backup"));
    assert_null(strchr(world->out, '\n')[1] ? world->out : NULL); /* one line */
    assert_string_equal(world->err, "stillpoint: no such backup\n"
                                    "  do:  stillpoint list\n"
                                    "  now: nothing was done\n");
}

static void of_a_rollback_only_what_begins_is_said_to_be_started(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL},
        {SAY, "{'event':'accepted','id':'rb-1'}\n"
              "{'event':'result','exit':0,'data':{'id':'rb-1','step':'committed','deleted':1}}\n"},
        {END, NULL}};
    struct world *world = *state;

    assert_int_equal(run(world, "rollback --commit --yes", script), 0);
    assert_null(strstr(world->out, "started"));
    assert_non_null(strstr(world->out, "1 volume\n"));
    assert_int_equal(run(world, "rollback --undo --yes", script), 0);
    assert_non_null(strstr(world->out, "undo of rollback rb-1 started\n"));
    assert_int_equal(run(world, "rollback sp-1 --yes", script), 0);
    assert_int_equal(strncmp(world->out, "rollback rb-1 started\n", 22), 0);
}

/* --- what short answers say ------------------------------------------------------------------- */

static void says(struct world *world, const char *words, const char *data, const char *want)
{
    char line[512];
    const struct step script[] = {{HEAR, NULL}, {SAY, line}, {END, NULL}};

    (void)snprintf(line, sizeof(line), "{'event':'result','exit':0,'data':%s}\n", data);
    assert_int_equal(run(world, words, script), 0);
    assert_string_equal(world->out, want);
}

static void a_pin_that_changes_nothing_is_said_to_change_nothing(void **state)
{
    struct world *world = *state;

    says(world, "pin sp-1", "{'id':'sp-1','pinned':true,'was':false}", "sp-1 is pinned\n");
    says(world, "pin sp-1", "{'id':'sp-1','pinned':true,'was':true}",
         "sp-1 is pinned, as it was before\n");
    says(world, "pin sp-1 -n", "{'id':'sp-1','pinned':true,'was':true,'dry_run':true}",
         "sp-1 is pinned: nothing would change\n");
    says(world, "unpin sp-1", "{'id':'sp-1','pinned':false,'was':true}",
         "sp-1 is no longer pinned\n");
    says(world, "unpin sp-1", "{'id':'sp-1','pinned':false,'was':false}",
         "sp-1 is not pinned, and was not before\n");
    says(world, "unpin sp-1 -n", "{'id':'sp-1','pinned':false,'was':false,'dry_run':true}",
         "sp-1 is not pinned: nothing would change\n");
}

static void of_one_there_is_no_plural(void **state)
{
    struct world *world = *state;

    says(world, "restore files sp-1 /x --to /nowhere/to -n",
         "{'id':'sp-1','to':'/nowhere/to','volumes':1}",
         "would make, attach and remove again 1 volume of sp-1, and copy files into /nowhere/to\n");
    says(
        world, "restore files sp-1 /x --to /nowhere/to -n",
        "{'id':'sp-1','to':'/nowhere/to','volumes':2}",
        "would make, attach and remove again 2 volumes of sp-1, and copy files into /nowhere/to\n");
}

static void a_place_for_files_that_is_none_says_what_would_be_one(void **state)
{
    struct world *world = *state;
    char words[160], want[240];

    (void)snprintf(words, sizeof(words), "restore files sp-1 /x -n --to %s", world->config);
    (void)snprintf(want, sizeof(want),
                   "stillpoint: --to %s: not a folder\n"
                   "  do:  name a folder that is not there yet, or is empty\n"
                   "  now: nothing was made\n",
                   world->config);
    assert_int_equal(run(world, words, NULL), 5);
    assert_string_equal(world->err, want);
}

static void a_policy_is_printed_even_with_quiet(void **state)
{
    struct world *world = *state;

    write_config(world, "[aws]\nidentity = none\nregion = eu-west-1\n");
    assert_int_equal(run(world, "iam-policy --role pruner --quiet", NULL), 0);
    assert_non_null(strstr(world->out, "\"Statement\""));
    assert_string_equal(world->err, "");
}

static void a_policy_that_can_t_be_is_refused_before_the_daemon_is_missed(void **state)
{
    struct world *world = *state;

    (void)close(world->listener);
    world->listener = -1;
    assert_int_equal(
        run(world, "iam-policy --role node --pass-role arn:aws:iam::123456789012:role/a", NULL), 2);
    assert_non_null(strstr(world->err, "stillpoint: --pass-role"));
    assert_null(strstr(world->err, "are not known"));
}

/* --- failures that the daemon tells ----------------------------------------------------------- */

#define REFUSED                                                                                    \
    "{'event':'error','exit':5,'kind':'precondition','text':'no guard','remedy':'start it',"       \
    "'now':'nothing was touched'}\n"

static void an_error_is_said_in_three_parts_with_its_exit_code(void **state)
{
    static const struct step script[] = {{HEAR, NULL}, {SAY, REFUSED}, {END, NULL}};
    struct world *world = *state;

    assert_int_equal(run(world, "backup", script), 5);
    assert_string_equal(world->out, "");
    assert_string_equal(world->err, "stillpoint: no guard\n"
                                    "  do:  start it\n"
                                    "  now: nothing was touched\n");

    assert_int_equal(run(world, "show x --json", script), 5);
    assert_string_equal(world->out,
                        "{\"event\":\"error\",\"exit\":5,\"kind\":\"precondition\",\"text\":"
                        "\"no guard\",\"remedy\":\"start it\",\"now\":\"nothing was touched\"}\n");
}

static void a_daemon_that_refuses_without_reading_is_still_heard(void **state)
{
    static const struct step script[] = {{SAY, REFUSED}, {END, NULL}};
    struct world *world = *state;

    for (int i = 0; i < 50; i++) { /* whether our request or its close comes first is chance */
        assert_int_equal(run(world, "backup", script), 5);
        assert_non_null(strstr(world->err, "no guard"));
    }
}

static void an_error_that_claims_success_is_a_failure(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL}, {SAY, "{'event':'error','exit':0,'text':7}\n"}, {END, NULL}};
    struct world *world = *state;

    assert_int_equal(run(world, "status", script), 1);
    assert_string_equal(world->err, "stillpoint: stillpointd gave no reason\n");
}

/* --- a daemon that is not there --------------------------------------------------------------- */

static void a_missing_socket_is_exit_5_and_says_how_to_start_the_daemon(void **state)
{
    struct world *world = *state;
    static const char *const lines[] = {"backup", "list", "status"};

    assert_int_equal(unlink(world->socket), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run(world, lines[i], NULL), 5);
        assert_non_null(strstr(world->err, "stillpoint: stillpointd does not run: no /tmp/"));
        assert_non_null(strstr(world->err, "systemctl status stillpointd"));
        assert_int_equal(strstr(world->err, "nothing was asked for") != NULL, i == 0);
    }
}

static void a_socket_that_nobody_listens_on_is_exit_5(void **state)
{
    struct world *world = *state;

    (void)close(world->listener);
    world->listener = -1;
    assert_int_equal(run(world, "backup --json", NULL), 5);
    assert_non_null(strstr(world->err, "nobody listens at"));
    assert_non_null(
        strstr(world->out, "{\"event\":\"error\",\"exit\":5,\"kind\":\"precondition\""));
}

/* What pre-upgrade waits is what it was told to. */
static void a_daemon_that_takes_nothing_is_waited_for_until_the_deadline(void **state)
{
    enum { QUEUE_MAX = 64, SHORT_MS = 300, LONG_MS = 5000 };
    struct world *world = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fds[QUEUE_MAX], count = 0;
    bool full = false;

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", world->socket);
    while (!full && count < QUEUE_MAX) {
        fds[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        full = connect(fds[count], (struct sockaddr *)&address, sizeof(address)) != 0;
        count++;
    }
    assert_true(full);
    world->time_ms = SHORT_MS;
    int64_t begin_ms = clock_boot_ms();

    assert_int_equal(run(world, "backup", NULL), 5);

    assert_true(clock_boot_ms() - begin_ms < LONG_MS);
    assert_non_null(strstr(world->err, "takes no connections"));
    while (count > 0)
        (void)close(fds[--count]);
}

static void a_socket_that_is_not_for_us_is_exit_5_and_names_the_group(void **state)
{
    struct world *world = *state;
    struct cli_client client = CLI_CLIENT_INIT;
    struct err err = ERR_INIT;
    int status;

    assert_int_equal(chmod(world->folder, 0755), 0);
    assert_int_equal(chmod(world->socket, 0), 0);
    client.group = "operators";
    pid_t pid = fork();
    if (pid == 0) { /* root may open everything */
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(9);
        bool ok = cli_client_open(&client, world->socket, &err);
        _exit(ok                                               ? 1
              : cli_exit_of(err.kind) != CLI_EXIT_PRECONDITION ? 2
              : strstr(err.remedy, "group operators") == NULL  ? 3
                                                               : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- a daemon that goes away or talks nonsense ------------------------------------------------ */

static void a_backup_whose_daemon_goes_away_is_unknown_and_says_how_to_look(void **state)
{
    static const struct step early[] = {{HEAR, NULL}, {END, NULL}};
    static const struct step later[] = {{HEAR, NULL}, ACCEPTED, {END, NULL}};
    static const struct step cut_off[] = {
        {HEAR, NULL}, ACCEPTED, {SAY, "{'event':'resu"}, {END, NULL}};
    struct world *world = *state;

    assert_int_equal(run(world, "backup", early), 6);
    assert_non_null(strstr(world->err, "stillpoint: stillpointd closed the connection\n"
                                       "  do:  see what became of it: stillpoint status"));
    assert_int_equal(run(world, "backup", later), 6);
    assert_non_null(strstr(
        world->err, "stillpoint: backup sp-1: stillpointd closed the connection\n"
                    "  do:  see what becomes of it: stillpoint status, stillpoint show sp-1; "
                    "show finds nothing where all of it was undone\n"
                    "  now: the guard lets go at its deadline whatever happens; "));
    assert_int_equal(run(world, "backup --json", cut_off), 6);
    assert_non_null(strstr(world->err, "in the middle of a line"));
    assert_non_null(strstr(world->out, "{\"event\":\"error\",\"exit\":6,\"kind\":\"network\""));
}

static void once_all_runs_again_no_end_says_that_something_may_be_held(void **state)
{
    static const struct step lost[] = {
        {HEAR, NULL},
        ACCEPTED,
        {SAY, "{'event':'released','id':'sp-1','hold_ms':303.25}\n"},
        {END, NULL},
    };
    static const struct step left[] = {
        {HEAR, NULL},   ACCEPTED,     {SAY, "{'event':'released','id':'sp-1','hold_ms':303.25}\n"},
        {SIGNAL, NULL}, {HEAR, NULL}, {SIGNAL, NULL},
        {HANG, NULL},   {END, NULL},
    };
    struct world *world = *state;

    assert_int_equal(run(world, "backup", lost), 6);
    assert_non_null(strstr(world->err,
                           "\n  now: nothing is held; stillpointd goes on "
                           "with it if it still runs, and else settles it at its next start\n"));
    assert_int_equal(run(world, "backup", left), 6);
    assert_non_null(strstr(world->err, "\n  now: nothing is held; the backup goes on\n"));
}

static void a_question_whose_daemon_goes_away_has_failed(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL}, {SAY, "{'event':'item','data':{'id':'sp-1'}}\n"}, {END, NULL}};
    struct world *world = *state;

    assert_int_equal(run(world, "list", script), 1);
    assert_string_equal(world->out, "");
    assert_non_null(strstr(world->err, "stillpointd closed the connection"));
    assert_int_equal(run(world, "backup -n", script), 1);
}

static void nonsense_from_the_daemon_is_told_and_never_repeated(void **state)
{
    static const char *const nonsense[] = {
        "hello\n",
        "[]\n",
        "{}\n",
        "{'event':7}\n",
        "{'event':'unheard'}\n",
        "\n",
        "{'event':'result'}\n",
        "{'event':'result','exit':0}\n",
        "{'event':'result','exit':0,'data':[]}\n",
        "{'event':'result','exit':77,'data':{}}\n",
        "{'event':'error','exit':-1,'text':'x'}\n",
        "{'event':'item'}\n",
        "{'event':'x','event':'y'}\n",
        "\033]0;owned\007\n",
        "{'a':[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]}\n",
    };
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        const struct step script[] = {{HEAR, NULL}, {SAY, nonsense[i]}, {END, NULL}};
        assert_int_equal(run(world, "status", script), 1);
        assert_string_equal(world->out, "");
        assert_non_null(strstr(world->err, "stillpoint: stillpointd"));
        assert_non_null(strstr(world->err, "journalctl -u stillpointd"));
        assert_null(strchr(world->err, '\033'));
        assert_int_equal(run(world, "backup", script), 6);
    }
}

static void a_line_without_end_is_given_up(void **state)
{
    static const struct step script[] = {{HEAR, NULL}, {FLOOD, NULL}, {END, NULL}};
    struct world *world = *state;

    assert_int_equal(run(world, "status", script), 1);
    assert_non_null(strstr(world->err, "a line of more than 1048576 bytes"));
}

static void silence_ends_with_the_deadline_not_before(void **state)
{
    struct world *world = *state;
    struct cli_client client = CLI_CLIENT_INIT;
    struct err err = ERR_INIT;
    json_t *event = NULL;

    assert_true(cli_client_open(&client, world->socket, &err));
    assert_false(cli_client_next(&client, -1, 50, &event, &err));
    assert_int_equal(err.kind, ERR_DEADLINE);
    assert_null(event);
    cli_client_close(&client);
}

/* --- Ctrl-C ----------------------------------------------------------------------------------- */

static void ctrl_c_before_the_cut_cancels_and_waits_for_the_end(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL},
        ACCEPTED,
        {SIGNAL, NULL},
        {HEAR, NULL},
        {SAY, "{'event':'cancelling','text':'letting go'}\n"},
        {SAY, "{'event':'error','exit':1,'kind':'cancelled','text':'backup sp-1: cancelled',"
              "'remedy':null,'now':'nothing is held'}\n"},
        {END, NULL},
    };
    struct world *world = *state;

    assert_int_equal(run(world, "backup", script), 1);
    assert_non_null(strstr(world->heard, "\n{\"v\":1,\"cmd\":\"cancel\"}\n"));
    assert_string_equal(world->err,
                        "stillpoint: asking the daemon to cancel; once more leaves it alone\n"
                        "stillpoint: cancelling: letting go\n"
                        "stillpoint: backup sp-1: cancelled\n"
                        "  now: nothing is held\n");
}

static void ctrl_c_after_the_cut_leaves_the_job_to_the_daemon(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL},
        ACCEPTED,
        {SIGNAL, NULL},
        {HEAR, NULL},
        {SAY, "{'event':'goes_on','text':'the cut was made; the backup sp-1 goes on'}\n"},
        {HANG, NULL},
        {END, NULL},
    };
    struct world *world = *state;

    assert_int_equal(run(world, "backup", script), 6);
    assert_non_null(strstr(world->err, "stillpoint: the cut was made; the backup sp-1 goes on\n"
                                       "  do:  see what becomes of it: stillpoint show sp-1\n"));
    assert_int_equal(run(world, "backup --json", script), 6);
    assert_non_null(strstr(world->out, "{\"event\":\"goes_on\""));
    assert_non_null(strstr(world->out, "{\"event\":\"error\",\"exit\":6,\"kind\":\"cancelled\""));
}

static void a_second_ctrl_c_leaves_at_once(void **state)
{
    static const struct step script[] = {{HEAR, NULL},   ACCEPTED,     {SIGNAL, NULL},
                                         {SIGNAL, NULL}, {HANG, NULL}, {END, NULL}};
    struct world *world = *state;

    assert_int_equal(run(world, "backup", script), 6);
    assert_non_null(strstr(world->err, "backup sp-1: left alone before the daemon had answered"));
    assert_non_null(strstr(world->err, "stillpoint show sp-1"));
}

static void ctrl_c_is_heard_through_a_flood_of_events(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL},
        ACCEPTED,
        {SAY, "{'event':'warning','text':'a'}\n{'event':'warning'}\n"},
        {SIGNAL, NULL},
        {SIGNAL, NULL},
        {SAY, "{'event':'warning','text':'b'}\n{'event':'warning','text':'c'}\n"},
        {HANG, NULL},
        {END, NULL}};
    struct world *world = *state;

    assert_int_equal(run(world, "backup", script), 6);
}

/* --- questions -------------------------------------------------------------------------------- */

static void a_list_is_one_array_in_json_and_a_table_for_people(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL},
        {SAY, "{'event':'item','data':{'id':'sp-2','state':'complete'}}\n"
              "{'event':'item','data':{'id':'sp-1'}}\n"},
        {SAY, "{'event':'result','exit':0,'data':{'count':2}}\n"},
        {END, NULL},
    };
    struct world *world = *state;

    assert_int_equal(run(world, "list --json --all-nodes --group g", script), 0);
    assert_string_equal(world->heard, "{\"v\":1,\"cmd\":\"list\",\"args\":{\"all_nodes\":true,"
                                      "\"group\":\"g\"}}\n");
    assert_string_equal(world->out,
                        "[{\"id\":\"sp-2\",\"state\":\"complete\"},{\"id\":\"sp-1\"}]\n");
    assert_int_equal(run(world, "list", script), 0);
    assert_non_null(strstr(world->out, "sp-2"));
    assert_non_null(strstr(world->out, "2 backups\n"));
}

static void an_empty_list_is_no_failure(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL}, {SAY, "{'event':'result','exit':0,'data':{'count':0}}\n"}, {END, NULL}};
    struct world *world = *state;

    assert_int_equal(run(world, "list", script), 0);
    assert_string_equal(world->out, "no backups; `stillpoint backup' takes one\n");
    assert_int_equal(run(world, "list --json", script), 0);
    assert_string_equal(world->out, "[]\n");
}

static void show_prints_the_backup_as_the_daemon_gave_it(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL},
        {SAY, "{'event':'result','exit':0,'data':{'id':'sp-1','x':[1]}}\n"},
        {END, NULL}};
    struct world *world = *state;

    assert_int_equal(run(world, "show latest --json", script), 0);
    assert_string_equal(world->heard, "{\"v\":1,\"cmd\":\"show\",\"args\":{\"id\":\"latest\"}}\n");
    assert_string_equal(world->out, "{\"id\":\"sp-1\",\"x\":[1]}\n");
}

static void the_doctor_tells_each_check_and_fails_with_5(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL},
        {SAY, "{'event':'check','name':'clock','result':'ok','text':'right'}\n"},
        {SAY,
         "{'event':'check','name':'guard','result':'failed','text':'away','remedy':'start'}\n"},
        {SAY, "{'event':'result','exit':5,'data':{'failed':1,'warnings':0}}\n"},
        {END, NULL},
    };
    struct world *world = *state;

    assert_int_equal(run(world, "doctor", script), 5);
    assert_string_equal(world->out, "ok       clock           right\n"
                                    "failed   guard           away\n"
                                    "                         do: start\n"
                                    "2 checks: 1 ok, 0 warnings, 1 failed, 0 skipped\n");
    assert_int_equal(run(world, "doctor --quiet", script), 5);
    assert_string_equal(world->out, "");
    assert_string_equal(world->err, "failed   guard           away\n"
                                    "                         do: start\n");
    assert_int_equal(run(world, "doctor --json", script), 5);
    assert_non_null(strstr(world->out, "{\"checks\":[{\"event\":\"check\",\"name\":\"clock\""));
    assert_non_null(strstr(world->out, "\"failed\":1,\"warnings\":0}\n"));
}

/* --- output that nobody takes ----------------------------------------------------------------- */

static int run_into(struct world *world, const char *words, const struct step *script, FILE *out)
{
    pthread_t daemon;

    world->script = script;
    free(world->err);
    FILE *err = open_memstream(&world->err, &world->err_len);
    assert_int_equal(pthread_create(&daemon, NULL, daemon_main, world), 0);
    int exit_code = run_cli(world, words, out, err);
    assert_int_equal(pthread_join(daemon, NULL), 0);
    assert_int_equal(fclose(err), 0);
    return exit_code;
}

static void output_that_cannot_be_written_fails_a_question_but_not_a_backup(void **state)
{
    static const struct step show[] = {
        {HEAR, NULL}, {SAY, "{'event':'result','exit':0,'data':{'id':'sp-1'}}\n"}, {END, NULL}};
    static const struct step made[] = {{HEAR, NULL},
                                       {SAY, "{'event':'accepted','id':'sp-1'}\n"},
                                       {SAY, "{'event':'released','id':'sp-1','hold_ms':1.5}\n"},
                                       {SAY, "{'event':'result','exit':0,'data':{'id':'sp-1'}}\n"},
                                       {END, NULL}};
    struct world *world = *state;
    FILE *full = fopen("/dev/full", "w");

    assert_non_null(full);
    assert_int_equal(run_into(world, "show sp-1", show, full), 1);
    assert_non_null(strstr(world->err, "cannot write the output: No space left on device"));
    rewind(full); /* as a new one: the stream has forgotten its error */
    assert_int_equal(run_into(world, "backup", made, full), 0);
    const char *first = strstr(world->err, "cannot write the output: No space left on device");
    assert_non_null(first);
    assert_null(strstr(first + 1, "cannot write")); /* said once, not for every line */
    (void)fclose(full);
}

static void a_reader_that_has_seen_enough_is_no_failure(void **state)
{
    static const struct step script[] = {
        {HEAR, NULL}, {SAY, "{'event':'result','exit':0,'data':{'id':'sp-1'}}\n"}, {END, NULL}};
    struct world *world = *state;
    int ends[2];

    (void)signal(SIGPIPE, SIG_IGN); /* as main does */
    assert_int_equal(pipe(ends), 0);
    (void)close(ends[0]);
    FILE *out = fdopen(ends[1], "w");
    assert_int_equal(run_into(world, "show sp-1 --json", script, out), 0);
    assert_string_equal(world->err, "");
    (void)fclose(out);
    (void)signal(SIGPIPE, SIG_DFL);
}

/* --- configuration ---------------------------------------------------------------------------- */

static void a_broken_configuration_is_exit_2_and_names_the_line(void **state)
{
    struct world *world = *state;

    write_config(world, "[backup]\nhold_deadlin = 10s\n");
    assert_int_equal(run(world, "backup", NULL), 2);
    assert_non_null(strstr(world->err, "x.conf:4"));
    assert_non_null(strstr(world->err, "hold_deadline"));
    assert_non_null(strstr(world->err, "  now: nothing was done\n"));
}

static void config_prints_values_and_where_they_come_from(void **state)
{
    struct world *world = *state;

    write_config(world, "[backup]\nhold_deadline = 12s\n");
    assert_int_equal(run(world, "config", NULL), 0);
    assert_non_null(strstr(world->out, "hold_deadline = 12s"));
    assert_non_null(strstr(world->out, "x.conf:4"));
    assert_int_equal(run(world, "config --json", NULL), 0);
    assert_non_null(strstr(world->out, "\"hold_deadline\""));
    assert_null(strchr(world->out, '\n')[1] ? world->out : NULL); /* one line */
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, take_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(a_backup_tells_its_story_and_ends_with_what_was_made),
        WITH_WORLD(what_was_given_is_what_is_asked_for),
        WITH_WORLD(a_kind_is_a_command_of_its_own_for_the_daemon),
        WITH_WORLD(a_restore_whose_daemon_goes_away_is_unknown_and_can_be_given_again),
        WITH_WORLD(what_a_verify_made_is_removed_by_the_next_daemon_and_not_gone_on_with),
        WITH_WORLD(with_json_every_event_is_a_line_and_the_backup_the_last),
        WITH_WORLD(quiet_says_nothing_when_all_is_well),
        WITH_WORLD(a_backup_after_which_not_all_was_let_go_says_where_to_look),
        WITH_WORLD(less_consistency_than_asked_is_said_even_with_quiet),
        WITH_WORLD(a_request_that_is_too_long_is_wrong_usage),
        WITH_WORLD(a_dry_run_shows_the_plan),
        WITH_WORLD(what_would_be_done_is_one_document_in_json),
        WITH_WORLD(a_rollback_in_json_is_refused_without_yes_in_one_result),
        WITH_WORLD(what_a_rollback_is_refused_for_comes_before_the_question),
        WITH_WORLD(of_a_rollback_only_what_begins_is_said_to_be_started),
        WITH_WORLD(a_pin_that_changes_nothing_is_said_to_change_nothing),
        WITH_WORLD(of_one_there_is_no_plural),
        WITH_WORLD(a_place_for_files_that_is_none_says_what_would_be_one),
        WITH_WORLD(a_policy_is_printed_even_with_quiet),
        WITH_WORLD(a_policy_that_can_t_be_is_refused_before_the_daemon_is_missed),
        WITH_WORLD(an_error_is_said_in_three_parts_with_its_exit_code),
        WITH_WORLD(a_daemon_that_refuses_without_reading_is_still_heard),
        WITH_WORLD(an_error_that_claims_success_is_a_failure),
        WITH_WORLD(a_missing_socket_is_exit_5_and_says_how_to_start_the_daemon),
        WITH_WORLD(a_socket_that_nobody_listens_on_is_exit_5),
        WITH_WORLD(a_daemon_that_takes_nothing_is_waited_for_until_the_deadline),
        WITH_WORLD(a_socket_that_is_not_for_us_is_exit_5_and_names_the_group),
        WITH_WORLD(a_backup_whose_daemon_goes_away_is_unknown_and_says_how_to_look),
        WITH_WORLD(once_all_runs_again_no_end_says_that_something_may_be_held),
        WITH_WORLD(a_question_whose_daemon_goes_away_has_failed),
        WITH_WORLD(nonsense_from_the_daemon_is_told_and_never_repeated),
        WITH_WORLD(a_line_without_end_is_given_up),
        WITH_WORLD(silence_ends_with_the_deadline_not_before),
        WITH_WORLD(ctrl_c_before_the_cut_cancels_and_waits_for_the_end),
        WITH_WORLD(ctrl_c_after_the_cut_leaves_the_job_to_the_daemon),
        WITH_WORLD(a_second_ctrl_c_leaves_at_once),
        WITH_WORLD(ctrl_c_is_heard_through_a_flood_of_events),
        WITH_WORLD(a_list_is_one_array_in_json_and_a_table_for_people),
        WITH_WORLD(an_empty_list_is_no_failure),
        WITH_WORLD(show_prints_the_backup_as_the_daemon_gave_it),
        WITH_WORLD(the_doctor_tells_each_check_and_fails_with_5),
        WITH_WORLD(output_that_cannot_be_written_fails_a_question_but_not_a_backup),
        WITH_WORLD(a_reader_that_has_seen_enough_is_no_failure),
        WITH_WORLD(a_broken_configuration_is_exit_2_and_names_the_line),
        WITH_WORLD(config_prints_values_and_where_they_come_from),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
