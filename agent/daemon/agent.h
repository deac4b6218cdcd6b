/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_AGENT_H
#define STILLPOINT_AGENT_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/config.h"
#include "agent/daemon/held.h"
#include "agent/daemon/identity.h"
#include "agent/daemon/job.h"
#include "agent/daemon/strs.h"
#include "aws/credentials.h"

/* What the daemon's threads share. main makes it; jobs borrow it. */
struct agent {
    const struct config *config;               /* constant once loaded */
    const struct config_source *config_source; /* where it was read from */
    struct credentials *credentials;           /* has a lock of its own */
    int64_t started_boot_ms;
    struct metrics *metrics;      /* has locks of its own; NULL: nothing is configured */
    void (*wake)(struct agent *); /* makes the loop look at the jobs' events; any thread */
    void *loop;                   /* loop thread only */

    pthread_mutex_t mutex;   /* guards all below; before a job's mutex where both are taken */
    struct job *node_holder; /* the job that has the node, NULL */
    struct held_state held;  /* held.h: the hold for somebody else */
    json_t *rollback;        /* the rollback that is known of, for `status`; NULL */
    bool rollback_wanted; /* the loop is to start a job that looks for one, and goes on with it */
    struct identity identity; /* as last read; identity.instance[0] == 0: not yet */
    char *last_backup;        /* the last backup's JSON, for `status`; NULL: none since the start */
    int64_t last_backup_ms;   /* when it was proved, as clock_boot_ms */
    json_t *settled;          /* resume.h's notes: an array, NULL */
    json_t *unsettled_whys;   /* id: why it is not settled yet; an object, NULL */
    bool resume_looked;       /* a pass since the start has seen every entry */
    bool resume_wanted;       /* the loop is to start a resume job */
    unsigned loan_moves;      /* loan_gate.h: attaching or detaching now */
    struct strs on_loan;      /* loan_gate.h: ids of loans and volumes */
    struct loan_name *loan_names; /* loan_names.h: given out */
    size_t loan_name_count;
    json_t *loan_troubles; /* loan_status.h: loan: why it is not given back; an object, NULL */
    bool loans_swept;      /* EC2's tags were asked for loans since the start */
    struct job *verifier;  /* the one verify that runs, NULL */
    struct job *remover;   /* the one that removes sets, NULL: prune_run.h */
    struct job *launcher;  /* the one that launches an instance, NULL */
    struct job *examiner;  /* the one doctor at work, NULL; others wait */
    char removing[JOB_ID_BYTES]; /* the set that it removes right now, "": none; set_use.h */

    pthread_mutex_t resume_mutex; /* held during a resume pass; before all others */

    struct job *jobs; /* changed by the loop thread alone, which may read it without the mutex */
    unsigned job_count;
    bool stopping; /* loop thread only */
};

#endif
