/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/job.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/base/log.h"
#include "agent/daemon/agent.h"
#include "agent/daemon/loan_gate.h"

/* Sanitizers make large frames; what is not touched weighs nothing. */
enum { JOB_STACK_BYTES = 4 * 1024 * 1024, TURN_LOOK_MS = 50 };

static void *thread_main(void *arg)
{
    struct job *job = arg;

    job->run(job);
    (void)pthread_mutex_lock(&job->mutex);
    job->ended = true;
    (void)pthread_mutex_unlock(&job->mutex);
    job->agent->wake(job->agent);
    return NULL;
}

/* Signals are the loop's business: the thread is born with all of them blocked. */
static bool start_thread(struct job *job, struct err *err)
{
    pthread_attr_t attr;
    sigset_t all, old;

    (void)sigfillset(&all);
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, JOB_STACK_BYTES);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&job->thread, &attr, thread_main, job);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void)pthread_attr_destroy(&attr);
    return failed == 0 || err_set(err, ERR_SYS, failed, "start a thread");
}

static void job_free(struct job *job)
{
    if (job == NULL)
        return;
    json_decref(job->args);
    buf_free(&job->events);
    cancel_close(&job->cancel);
    (void)pthread_cond_destroy(&job->room);
    (void)pthread_mutex_destroy(&job->mutex);
    free(job);
}

bool job_start(struct agent *agent, const char *cmd, void (*run)(struct job *), json_t *take_args,
               void *client, size_t places, struct job **ret_job, struct err *err)
{
    if (agent->job_count >= places) {
        json_decref(take_args);
        (void)err_set(err, ERR_BUSY, 0, "%zu requests are running already", places);
        return err_suggest(err, "wait for one to end: `stillpoint status`");
    }
    struct job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        json_decref(take_args);
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    }
    *job = (struct job){.agent = agent,
                        .cmd = cmd,
                        .run = run,
                        .args = take_args ? take_args : json_object(),
                        .cancel = CANCEL_INIT,
                        .client = client,
                        .deaf = client == NULL,
                        .events = BUF_INIT(JOB_EVENTS_BYTES_MAX),
                        .step = "start"};
    (void)pthread_mutex_init(&job->mutex, NULL);
    (void)pthread_cond_init(&job->room, NULL);
    job->step_since_utc_us = clock_utc_us();
    /* Under the mutex: whoever looks for those at work finds it from its first step on. */
    (void)pthread_mutex_lock(&agent->mutex);
    bool ok = cancel_open(&job->cancel, err) && start_thread(job, err);
    if (ok) {
        job->next = agent->jobs;
        agent->jobs = job;
        agent->job_count++;
        *ret_job = job;
    }
    (void)pthread_mutex_unlock(&agent->mutex);
    if (!ok)
        job_free(job);
    return ok;
}

void job_end(struct job *job)
{
    struct agent *agent = job->agent;

    (void)pthread_join(job->thread, NULL);
    (void)pthread_mutex_lock(&agent->mutex);
    agent->resume_wanted = agent->resume_wanted || job->leaves_open;
    for (struct job **at = &agent->jobs; *at != NULL; at = &(*at)->next) {
        if (*at == job) {
            *at = job->next;
            agent->job_count--;
            break;
        }
    }
    (void)pthread_mutex_unlock(&agent->mutex);
    job_free(job);
}

void job_take_events(struct job *job, struct buf *ret_lines, bool *ret_ended)
{
    (void)pthread_mutex_lock(&job->mutex);
    *ret_lines = job->events;
    job->events = (struct buf)BUF_INIT(JOB_EVENTS_BYTES_MAX);
    *ret_ended = job->ended;
    (void)pthread_cond_broadcast(&job->room);
    (void)pthread_mutex_unlock(&job->mutex);
}

void job_detach(struct job *job)
{
    job->client = NULL;
    (void)pthread_mutex_lock(&job->mutex);
    job->deaf = true;
    if (job->bound)
        cancel_ask(&job->cancel);
    buf_clear(&job->events);
    (void)pthread_cond_broadcast(&job->room);
    (void)pthread_mutex_unlock(&job->mutex);
}

bool job_cancel(struct job *job)
{
    /* Under the mutex: a cancel is in time for job_set_past_cut, or it is not asked for at all. */
    (void)pthread_mutex_lock(&job->mutex);
    bool in_time = !job->past_cut;
    if (in_time)
        cancel_ask(&job->cancel);
    (void)pthread_mutex_unlock(&job->mutex);
    return in_time;
}

char *job_copy_id(struct job *job, char *text)
{
    (void)pthread_mutex_lock(&job->mutex);
    memcpy(text, job->id, sizeof(job->id));
    (void)pthread_mutex_unlock(&job->mutex);
    return text;
}

bool job_keep(struct job *job)
{
    (void)pthread_mutex_lock(&job->mutex);
    bool was_bound = job->bound && !job->ended;
    job->bound = false;
    (void)pthread_mutex_unlock(&job->mutex);
    return was_bound;
}

bool job_was_stopped(struct job *job)
{
    (void)pthread_mutex_lock(&job->mutex);
    bool stopped = job->stopped;
    (void)pthread_mutex_unlock(&job->mutex);
    return stopped;
}

void job_bind_client(struct job *job)
{
    (void)pthread_mutex_lock(&job->mutex);
    job->bound = true;
    if (job->deaf)
        cancel_ask(&job->cancel);
    (void)pthread_mutex_unlock(&job->mutex);
}

void job_unbind_client(struct job *job)
{
    (void)pthread_mutex_lock(&job->mutex);
    job->bound = false;
    (void)pthread_mutex_unlock(&job->mutex);
}

bool job_works_on(struct agent *agent, const char *id)
{
    bool found = false;

    (void)pthread_mutex_lock(&agent->mutex);
    for (struct job *job = agent->jobs; job != NULL && !found; job = job->next) {
        (void)pthread_mutex_lock(&job->mutex);
        found = !job->ended && strcmp(job->id, id) == 0;
        (void)pthread_mutex_unlock(&job->mutex);
    }
    (void)pthread_mutex_unlock(&agent->mutex);
    return found;
}

void job_stop(struct job *job)
{
    (void)pthread_mutex_lock(&job->mutex);
    job->stopped = true;
    (void)pthread_mutex_unlock(&job->mutex);
    cancel_ask(&job->cancel);
}

/* What the job that has the node is at, in words. */
static bool busy(const char *cmd, const char *id, const char *step, struct err *err)
{
    const char *which = id[0] ? id : "(starting)";

    if (strcmp(step, JOB_STEP_SETTLE) == 0) {
        (void)err_set(err, ERR_BUSY, 0, "hooks of an earlier backup are being let go of");
        return err_suggest(err, "wait until they are (`stillpoint status`) and try again");
    }
    if (strcmp(cmd, "rollback") == 0) {
        (void)err_set(err, ERR_BUSY, 0, "a rollback has the node: %s, at step %s", which, step);
        return err_suggest(err, "wait until it is done: `stillpoint status` shows it");
    }
    if (strcmp(cmd, "doctor") == 0) {
        (void)err_set(err, ERR_BUSY, 0, "doctor has the node: it asks databases and guard");
        return err_suggest(err, "try again when it is done, in less than a minute most often");
    }
    if (strcmp(cmd, "hold") == 0) {
        (void)err_set(err, ERR_BUSY, 0, "a hold has the node: %s, at step %s", which, step);
        return err_suggest(err, "wait for its release, or the end of its lease: `stillpoint "
                                "status` shows it");
    }
    (void)err_set(err, ERR_BUSY, 0, "another backup has the node: %s, at step %s", which, step);
    return err_suggest(err, "wait until it is past its cut (`stillpoint status`) and try again");
}

/*   taker  NULL: only looks
 *   false  ERR_BUSY: another has it */
static bool take_or_look(struct agent *agent, struct job *taker, struct err *err)
{
    char id[JOB_ID_BYTES] = "", step[24] = "";
    const char *cmd = "";

    (void)pthread_mutex_lock(&agent->mutex);
    struct job *holder = agent->node_holder;
    if (holder == NULL) {
        agent->node_holder = taker;
    } else {
        (void)pthread_mutex_lock(&holder->mutex);
        (void)snprintf(id, sizeof(id), "%s", holder->id);
        (void)snprintf(step, sizeof(step), "%s", holder->step);
        cmd = holder->cmd;
        (void)pthread_mutex_unlock(&holder->mutex);
    }
    (void)pthread_mutex_unlock(&agent->mutex);
    return holder == NULL || busy(cmd, id, step, err);
}

bool job_node_is_free(struct agent *agent, struct err *err)
{
    return take_or_look(agent, NULL, err);
}

bool job_take_node(struct job *job, struct err *err)
{
    if (!take_or_look(job->agent, job, err))
        return false;
    job->node = true;
    if (loan_gate_settle(job->agent, clock_boot_ms() + LOAN_GATE_SETTLE_MS, &job->cancel, err))
        return true;
    job_leave_node(job);
    return false;
}

void job_leave_node(struct job *job)
{
    struct agent *agent = job->agent;

    (void)pthread_mutex_lock(&agent->mutex);
    if (agent->node_holder == job)
        agent->node_holder = NULL;
    (void)pthread_mutex_unlock(&agent->mutex);
    job->node = false;
}

bool job_take_turn(struct job *job, struct job **slot)
{
    struct agent *agent = job->agent;

    (void)pthread_mutex_lock(&agent->mutex);
    bool mine = *slot == NULL || *slot == job;
    if (mine)
        *slot = job;
    (void)pthread_mutex_unlock(&agent->mutex);
    return mine;
}

bool job_wait_turn(struct job *job, struct job **slot, const char *what, int64_t deadline_ms,
                   struct err *err)
{
    while (!job_take_turn(job, slot)) {
        struct err why = ERR_INIT;
        if (deadline_sleep(clock_boot_ms() + TURN_LOOK_MS, deadline_ms, &job->cancel, &why))
            continue;
        *err = why;
        if (why.kind != ERR_DEADLINE)
            return err_wrap(err, "waiting for %s", what);
        (void)err_set(err, ERR_BUSY, 0, "%s runs, and is not done yet", what);
        return err_suggest(err, "try again when it is over");
    }
    return true;
}

void job_leave_turn(struct job *job, struct job **slot)
{
    struct agent *agent = job->agent;

    (void)pthread_mutex_lock(&agent->mutex);
    if (*slot == job)
        *slot = NULL;
    (void)pthread_mutex_unlock(&agent->mutex);
}

/* --- telling ----------------------------------------------------------------------------- */

/* Called with the lines of one event, or a failure to make it: an event that can't be told is
 * counted, never a reason to fail the work. */
static void tell(struct job *job, bool made, const struct buf *line, bool wait, bool last)
{
    struct err ignored = ERR_INIT;

    (void)pthread_mutex_lock(&job->mutex);
    /* The last word always has room: what is queued may not fill the cap. */
    size_t cap = last ? JOB_EVENTS_BYTES_MAX : JOB_EVENTS_BYTES_MAX / 2;
    while (wait && !job->deaf && job->events.len + line->len > cap)
        (void)pthread_cond_wait(&job->room, &job->mutex);
    if (!job->deaf && (!made || job->events.len + line->len > cap ||
                       !buf_add(&job->events, line->data, line->len, &ignored)))
        job->dropped++;
    (void)pthread_mutex_unlock(&job->mutex);
    job->agent->wake(job->agent);
}

#define TELL(job, wait, last, call)                                                                \
    do {                                                                                           \
        struct err tell_err = ERR_INIT;                                                            \
        AUTO_BUF struct buf line = BUF_INIT(CONTROL_ANSWER_BYTES_MAX + 1);                         \
        bool made = (call);                                                                        \
        tell((job), made, &line, (wait), (last));                                                  \
    } while (0)

void job_set_id(struct job *job, const char *id)
{
    (void)pthread_mutex_lock(&job->mutex);
    (void)snprintf(job->id, sizeof(job->id), "%s", id);
    (void)pthread_mutex_unlock(&job->mutex);
    TELL(job, false, false, control_add_accepted(&line, id, &tell_err));
}

void job_time_end(struct job *job)
{
    if (job->timed_boot_ms != 0)
        job->times[job->time_last].took_ms += clock_boot_ms() - job->timed_boot_ms;
    job->timed_boot_ms = 0;
}

static void time_step(struct job *job, const char *step)
{
    size_t i = 0;

    job_time_end(job);
    while (i < job->time_count && strcmp(job->times[i].step, step) != 0)
        i++;
    if (i == JOB_TIMES_MAX)
        return;
    if (i == job->time_count)
        job->times[job->time_count++] = (struct job_time){step, 0};
    job->time_last = i;
    job->timed_boot_ms = clock_boot_ms();
}

void job_set_step(struct job *job, const char *step)
{
    int64_t now_us = clock_utc_us();

    time_step(job, step);
    (void)pthread_mutex_lock(&job->mutex);
    job->step = step;
    job->step_since_utc_us = now_us;
    (void)pthread_mutex_unlock(&job->mutex);
    log_event(LOG_LEVEL_INFO, "step", "job=%s id=%s step=%s", job->cmd, job->id[0] ? job->id : "-",
              step);
    job_tell_step(job, step, now_us);
}

void job_tell_step(struct job *job, const char *step, int64_t at_utc_us)
{
    TELL(job, false, false, control_add_step(&line, step, at_utc_us, &tell_err));
}

void job_progress(struct job *job, const char *step, int64_t done, int64_t total, const char *text)
{
    TELL(job, false, false, control_add_progress(&line, step, done, total, text, &tell_err));
}

void job_warn(struct job *job, const char *text, const char *remedy)
{
    char quoted[LOG_QUOTE_BYTES];

    log_event(LOG_LEVEL_WARNING, "warning", "job=%s id=%s text=%s", job->cmd,
              job->id[0] ? job->id : "-", log_quote(text, quoted));
    TELL(job, false, false, control_add_warning(&line, text, remedy, &tell_err));
}

void job_check(struct job *job, const char *name, const char *result, const char *text,
               const char *remedy)
{
    TELL(job, true, false, control_add_check(&line, name, result, text, remedy, &tell_err));
}

void job_released(struct job *job, double hold_ms)
{
    TELL(job, false, false, control_add_released(&line, job->id, hold_ms, &tell_err));
}

void job_item(struct job *job, json_t *take_data)
{
    TELL(job, true, false, control_add_item(&line, take_data, &tell_err));
}

bool job_set_past_cut(struct job *job)
{
    (void)pthread_mutex_lock(&job->mutex);
    job->past_cut = job->past_cut || !cancel_asked(&job->cancel);
    bool past_cut = job->past_cut;
    if (past_cut)
        job->step = "release"; /* told with its time once all is let go */
    (void)pthread_mutex_unlock(&job->mutex);
    return past_cut;
}

void job_clear_past_cut(struct job *job)
{
    (void)pthread_mutex_lock(&job->mutex);
    job->past_cut = false;
    (void)pthread_mutex_unlock(&job->mutex);
}

void job_leave_open(struct job *job)
{
    (void)pthread_mutex_lock(&job->mutex);
    job->leaves_open = true;
    (void)pthread_mutex_unlock(&job->mutex);
}

void job_result(struct job *job, int exit_code, json_t *take_data)
{
    log_event(LOG_LEVEL_INFO, "done", "job=%s id=%s exit=%d", job->cmd, job->id[0] ? job->id : "-",
              exit_code);
    TELL(job, true, true, control_add_result(&line, exit_code, take_data, &tell_err));
}

/* Whom a cancel came from: the client, or the end of the daemon. */
static struct err name_the_stop(struct job *job, const struct err *err)
{
    struct err named = *err;

    if (job_was_stopped(job) && err->kind == ERR_CANCELLED)
        (void)err_wrap(&named, "stillpointd was told to end");
    return named;
}

void job_fail(struct job *job, int exit_code, const struct err *why, const char *now)
{
    const struct err named = name_the_stop(job, why), *err = &named;
    char text[LOG_QUOTE_BYTES], remedy[LOG_QUOTE_BYTES];

    log_event(exit_code == 4 ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERROR, "failed",
              "job=%s id=%s exit=%d kind=%s error=%s remedy=%s", job->cmd,
              job->id[0] ? job->id : "-", exit_code, err_kind_name(err->kind),
              log_quote(err->text, text), log_quote(err->remedy, remedy));
    TELL(job, true, true, control_add_error(&line, err, exit_code, now, &tell_err));
}
