/* SPDX-License-Identifier: BSD-2-Clause */
/* stillpointd: the loop, its signals, and what all jobs share. */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <mysql.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <uv.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/daemon/agent.h"
#include "agent/daemon/control.h"
#include "agent/daemon/held.h"
#include "agent/daemon/journal.h"
#include "agent/daemon/metrics.h"
#include "agent/daemon/resume.h"
#include "agent/daemon/rollback_resume.h"

enum { LARGE_BYTES = 128 * 1024 };

/* What lives as long as the loop. */
struct daemon {
    struct agent agent;
    uv_loop_t loop;
    uv_async_t wake;
    uv_signal_t on_term, on_int, on_hup;
    struct control *control;
};

static const char usage[] =
    "usage: stillpointd [--config FILE]\n"
    "\n"
    "The daemon behind `stillpoint`: runs in the foreground, logs to stderr.\n"
    "\n"
    "  --config FILE  default " CONFIG_DEFAULT_PATH "\n"
    "  --version      print the version and leave\n"
    "  --help         this text\n";

/* READY=1 and STOPPING=1 for systemd, without its library (sd_notify(3)). */
static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        strlen(path) >= sizeof(address.sun_path))
        return;
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (fd >= 0)
        (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
                     (const struct sockaddr *)&address, size);
}

static void wake_loop(struct agent *agent)
{
    (void)uv_async_send(agent->loop);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* The loop ends when the last job has and every handle is closed. */
static void stop_if_done(struct daemon *daemon)
{
    if (!daemon->agent.stopping || daemon->agent.jobs != NULL)
        return;
    control_close(daemon->control);
    close_handle((uv_handle_t *)&daemon->wake, NULL);
    close_handle((uv_handle_t *)&daemon->on_term, NULL);
    close_handle((uv_handle_t *)&daemon->on_int, NULL);
    close_handle((uv_handle_t *)&daemon->on_hup, NULL);
}

/* What an earlier backup or rollback left is gone on with in the background, by one job of each
 * kind at a time.
 *   wanted  in the agent, guarded by its mutex */
static void start_if_wanted(struct agent *agent, bool *wanted, const char *cmd,
                            void (*run)(struct job *))
{
    struct job *job = agent->jobs;
    struct err err = ERR_INIT;

    while (job != NULL && job->run != run)
        job = job->next;
    (void)pthread_mutex_lock(&agent->mutex);
    bool start = *wanted && job == NULL && !agent->stopping;
    if (start)
        *wanted = false;
    (void)pthread_mutex_unlock(&agent->mutex);
    if (start && !job_start(agent, cmd, run, NULL, NULL, JOB_COUNT_MAX, &job, &err))
        log_err(LOG_LEVEL_WARNING, "not_settled", &err); /* the next start does it */
}

static void on_wake(uv_async_t *async)
{
    struct daemon *daemon = async->data;
    bool worked = daemon->agent.jobs != NULL;

    control_pump(daemon->control);
    start_if_wanted(&daemon->agent, &daemon->agent.resume_wanted, "resume", resume_command);
    start_if_wanted(&daemon->agent, &daemon->agent.rollback_wanted, "rollback", rollback_resume);
    if (worked && daemon->agent.jobs == NULL)
        (void)malloc_trim(0); /* idle we weigh what we weighed before */
    stop_if_done(daemon);
}

static void on_stop(uv_signal_t *handle, int signal)
{
    struct daemon *daemon = handle->data;

    log_event(LOG_LEVEL_NOTICE, "stopping", "signal=%d jobs=%u", signal, daemon->agent.job_count);
    notify("STOPPING=1");
    daemon->agent.stopping = true;
    for (struct job *job = daemon->agent.jobs; job != NULL; job = job->next)
        job_stop(job);
    stop_if_done(daemon);
}

static void watch(struct daemon *daemon, uv_signal_t *handle, int signal)
{
    (void)uv_signal_init(&daemon->loop, handle);
    handle->data = daemon;
    (void)uv_signal_start(handle, on_stop, signal);
}

static bool open_credentials(struct agent *agent, struct err *err)
{
    struct credentials_options options = {.profile = agent->config->aws.profile,
                                          .use_environment = true};

    if (agent->config->aws.identity == CONFIG_IDENTITY_IMDS &&
        !imds_open(agent->config->aws.endpoint_imds, &options.take_imds, err))
        return false;
    return credentials_open(&options, &agent->credentials, err);
}

/* Once the control socket is ours: a second daemon must not write in the first one's name. */
static void open_metrics(struct agent *agent)
{
    struct err err = ERR_INIT;

    if (!metrics_open(agent->config, &agent->metrics, &err))
        log_err(LOG_LEVEL_WARNING, "metrics", &err); /* backups go on without */
}

static bool run_loop(struct daemon *daemon, struct err *err)
{
    if (uv_loop_init(&daemon->loop) < 0)
        return err_set(err, ERR_INTERNAL, 0, "cannot make an event loop");
    (void)uv_async_init(&daemon->loop, &daemon->wake, on_wake);
    daemon->wake.data = daemon;
    daemon->agent.loop = &daemon->wake;
    daemon->agent.wake = wake_loop;
    if (!control_open(&daemon->loop, &daemon->agent, &daemon->control, err)) {
        uv_walk(&daemon->loop, close_handle, NULL);
        (void)uv_run(&daemon->loop, UV_RUN_DEFAULT);
        return false;
    }
    open_metrics(&daemon->agent);
    watch(daemon, &daemon->on_term, SIGTERM);
    watch(daemon, &daemon->on_int, SIGINT);
    watch(daemon, &daemon->on_hup, SIGHUP);
    log_event(LOG_LEVEL_INFO, "ready", "version=%s config=%s socket=%s", STILLPOINT_VERSION,
              daemon->agent.config_source->path, daemon->agent.config->control_socket);
    notify("READY=1");
    resume_want(&daemon->agent);
    rollback_want(&daemon->agent);
    (void)uv_run(&daemon->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&daemon->loop);
    control_free(daemon->control);
    log_event(LOG_LEVEL_INFO, "stopped", "version=%s", STILLPOINT_VERSION);
    return true;
}

/* Secrets live in this process: no core, no ptrace by others of our user. */
static void close_dumps(void)
{
    struct rlimit none = {0, 0};

    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)signal(SIGPIPE, SIG_IGN);
}

/* A daemon without a place for it still tells what is in EC2; a backup says what is wrong. */
static void open_journal(const char *state_dir)
{
    struct err err = ERR_INIT;

    if (!journal_open(state_dir, &err))
        log_err(LOG_LEVEL_WARNING, "journal", &err);
}

static bool daemon_run(const struct config_source *source, struct err *err)
{
    struct daemon daemon;
    struct config *config = NULL;

    memset(&daemon, 0, sizeof(daemon));
    if (!config_load(source, &config, err))
        return false;
    (void)pthread_mutex_init(&daemon.agent.mutex, NULL);
    daemon.agent.config = config;
    daemon.agent.config_source = source;
    daemon.agent.started_boot_ms = clock_boot_ms();
    open_journal(config->paths.state);
    held_open(&daemon.agent);
    (void)pthread_mutex_init(&daemon.agent.resume_mutex, NULL);
    bool ok = open_credentials(&daemon.agent, err) && run_loop(&daemon, err);
    if (!metrics_close(daemon.agent.metrics)) { /* what hangs in it uses what is freed below */
        log_event(LOG_LEVEL_WARNING, "metrics_hang", "textfile=%s", config->metrics.textfile);
        _exit(ok ? 0 : 1);
    }
    credentials_free(daemon.agent.credentials);
    free(daemon.agent.last_backup);
    strs_free(&daemon.agent.on_loan);
    free(daemon.agent.loan_names);
    json_decref(daemon.agent.held.last);
    json_decref(daemon.agent.held.missed);
    json_decref(daemon.agent.settled);
    json_decref(daemon.agent.rollback);
    json_decref(daemon.agent.unsettled_whys);
    json_decref(daemon.agent.loan_troubles);
    (void)pthread_mutex_destroy(&daemon.agent.resume_mutex);
    (void)pthread_mutex_destroy(&daemon.agent.mutex);
    config_free(config);
    return ok;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct config_source source = {.path = CONFIG_DEFAULT_PATH, .env = config_getenv};
    struct err err = ERR_INIT;

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'c') {
            source.path = optarg;
            source.path_named = true;
        } else if (option == 'V') {
            (void)printf("stillpointd %s\n", STILLPOINT_VERSION);
            return 0;
        } else {
            (void)fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? 0 : 2;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "stillpointd: '%s' is one word too many\n%s", argv[optind], usage);
        return 2;
    }
    close_dumps();
    (void)mallopt(M_ARENA_MAX, 2); /* threads are few: an arena each would only weigh */
    /* Fixed, else it rises with what is freed, and the next long answer lies among small things: it
     * grows by copying and leaves a hole. Apart it grows in place, and goes at once. */
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    log_start(NULL, LOG_LEVEL_INFO);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || mysql_library_init(0, NULL, NULL) != 0) {
        log_event(LOG_LEVEL_ERROR, "failed", "error=\"libraries could not be initialised\"");
        return 1;
    }
    bool ok = daemon_run(&source, &err);
    if (!ok)
        log_err(LOG_LEVEL_ERROR, "failed", &err);
    mysql_library_end();
    curl_global_cleanup();
    return ok ? 0 : err.kind == ERR_CONFIG || err.kind == ERR_USAGE ? 2 : 1;
}
