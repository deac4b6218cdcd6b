/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_JOB_H
#define STILLPOINT_JOB_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/deadline.h"
#include "agent/base/err.h"

/* One request being worked on: straight-line code on a thread of its own, so that the loop stays
 * free. The loop makes and frees jobs; the thread runs job->run and tells what happens as events
 * (control_wire.h), which the loop passes on to the client while there is one.
 *
 * Only one job at a time may change the node: job_take_node. */

enum {
    JOB_COUNT_MAX = 16,                     /* running at once, of all commands */
    JOB_COUNT_SPARE = 4,                    /* more, for those of struct command's "spare" */
    JOB_EVENTS_BYTES_MAX = 4 * 1024 * 1024, /* told and not yet taken by the loop */
    JOB_ID_BYTES = 48,
    JOB_TIMES_MAX = 12,
};

struct agent;

struct job_time {
    const char *step; /* static */
    int64_t took_ms;  /* each time that it was taken, together */
};

struct job {
    struct agent *agent;
    const char *cmd;              /* static */
    void (*run)(struct job *job); /* returns when all is done; ends with job_result or job_fail */
    json_t *args;                 /* the thread's own */
    struct cancel cancel;
    pthread_t thread;
    struct job *next;                     /* agent->jobs */
    void *client;                         /* loop only; NULL once it has gone */
    struct job_time times[JOB_TIMES_MAX]; /* the thread's own: how long its steps took so far */
    size_t time_count, time_last;
    int64_t timed_boot_ms;  /* times[time_last] has been going on since then; 0: none does */
    char set[JOB_ID_BYTES]; /* that it works on, "": none; agent->mutex: set_use.h */

    pthread_mutex_t mutex; /* guards all below; taken after agent->mutex where both are */
    pthread_cond_t room;   /* events were taken, or nobody listens any more */
    struct buf events;     /* JSON lines */
    bool ended;            /* run has returned */
    bool deaf;             /* no client: events are dropped */
    bool node;             /* it has the node */
    bool bound;            /* it ends with its client: a hold that nobody was told of */
    bool past_cut;         /* a cancel can't undo it any more */
    bool stopped;          /* by the daemon's end, not by its client */
    bool leaves_open;      /* its outcome is to be settled once it has ended: resume.h */
    unsigned dropped;      /* events that found no room */
    char id[JOB_ID_BYTES]; /* the backup's, "" before there is one */
    const char *step;      /* static */
    int64_t step_since_utc_us;
};

/* Makes the job and starts its thread. Loop thread.
 *   take_args  swallowed; NULL: none
 *   client     NULL: nobody listens
 *   places     JOB_COUNT_MAX, with JOB_COUNT_SPARE more or without
 *   false      ERR_BUSY as many are running; ERR_SYS */
bool job_start(struct agent *agent, const char *cmd, void (*run)(struct job *), json_t *take_args,
               void *client, size_t places, struct job **ret_job, struct err *err);
/* Joins the thread and frees; only once job->ended. Loop thread. */
void job_end(struct job *job);
/* What was told and not taken yet. Loop thread.
 *   ret_lines  given to the caller (buf_free)
 *   ret_ended  the thread has told all */
void job_take_events(struct job *job, struct buf *ret_lines, bool *ret_ended);
/* The client has gone: the job goes on, nobody listens. Loop thread. */
void job_detach(struct job *job);
/* Asks it to undo what it does. Any thread.
 *   false  the cut was made: the backup goes on, whoever has stopped waiting for it */
bool job_cancel(struct job *job);
/* Its id into TEXT, which has room for JOB_ID_BYTES; returns TEXT. Any thread. */
char *job_copy_id(struct job *job, char *text);
/* Its client knows what it was to know: from here the job does without it. Loop thread.
 *   false  it is no job that waits for that */
bool job_keep(struct job *job);
/* Whether it was the daemon's end that stopped it. Any thread. */
bool job_was_stopped(struct job *job);
/* Whether a job is at work on the backup ID. Any thread. */
bool job_works_on(struct agent *agent, const char *id);
/* The daemon ends: the job too, wherever it is. Any thread. */
void job_stop(struct job *job);

/* --- for the job's own thread ------------------------------------------------------------------
 */

/* The node for this job alone, until job_leave_node.
 * Waits for volumes that come or go just then (loan_gate.h).
 *   false  ERR_BUSY: names the job that has it; ERR_CANCELLED */
bool job_take_node(struct job *job, struct err *err);
void job_leave_node(struct job *job);
/* Whether nobody has the node; takes nothing.
 *   false  ERR_BUSY, as job_take_node */
bool job_node_is_free(struct agent *agent, struct err *err);

/* From here until job_keep the end of its client cancels it. */
void job_bind_client(struct job *job);
/* From here job_keep comes too late. */
void job_unbind_client(struct job *job);

/* The turn of those of whom one may be at it at a time, until job_leave_turn.
 *   slot   in the agent, under its mutex: who has it
 *   false  another has it */
bool job_take_turn(struct job *job, struct job **slot);
/* The same, waited for.
 *   false  ERR_BUSY: it is still another's at the deadline, WHAT says which ("another doctor");
 *          ERR_CANCELLED */
bool job_wait_turn(struct job *job, struct job **slot, const char *what, int64_t deadline_ms,
                   struct err *err);
void job_leave_turn(struct job *job, struct job **slot); /* nothing where it is another's */

void job_set_id(struct job *job, const char *id); /* tells "accepted" */
/* While the hooks of an earlier backup are let go of; by a job that is no backup itself. */
#define JOB_STEP_SETTLE "settle"
void job_set_step(struct job *job, const char *step); /* static text; tells "step" */
/* The step that goes on ends here, and none begins: what follows is not on the clock. */
void job_time_end(struct job *job);
void job_tell_step(struct job *job, const char *step,
                   int64_t at_utc_us); /* of a hold, afterwards */
void job_progress(struct job *job, const char *step, int64_t done, int64_t total, const char *text);
void job_warn(struct job *job, const char *text, const char *remedy);
void job_check(struct job *job, const char *name, const char *result, const char *text,
               const char *remedy);
void job_released(struct job *job, double hold_ms);
/* One row of a long answer; waits for a client that reads slowly, drops it where there is none. */
void job_item(struct job *job, json_t *take_data);
/* From here a cancel comes too late. Idempotent: what is past stays so.
 *   false  one came before: undo what the cut made */
bool job_set_past_cut(struct job *job);
/* It was the cut of a backup within this job, which may be cancelled again. */
void job_clear_past_cut(struct job *job);

/* Once this job has ended, what it left is to be settled: agent->resume_wanted. */
void job_leave_open(struct job *job);

/* The last word, one of the two. */
void job_result(struct job *job, int exit_code, json_t *take_data);
void job_fail(struct job *job, int exit_code, const struct err *why, const char *now);

#endif
