/* SPDX-License-Identifier: BSD-2-Clause */
/* release: asks for the end of what `hold` holds, and says what can be said of it. */
#include "agent/base/control_wire.h"
#include "agent/daemon/catalog.h"
#include "agent/daemon/commands.h"
#include "agent/daemon/held.h"
#include "agent/daemon/hold_record.h"
#include "agent/daemon/work.h"

enum { EXIT_ENDED = 1, EXIT_NOTHING = 5 };

#define NOTHING_HELD "nothing is held"
#define SAFE_REMEDY                                                                                \
    "take them for crash consistent; hold again, with a longer --lease where it was too short"

static const char *text_of(const json_t *record, const char *key)
{
    const char *text = json_string_value(json_object_get(record, key));

    return text != NULL ? text : "-";
}

/* It had ended: whatever was snapshotted meanwhile, nobody knows whether that was within it. */
static void fail_ended(struct job *job, const json_t *last, const char *now)
{
    struct err err = ERR_INIT;

    (void)err_set(&err, ERR_LEASE, 0,
                  "hold %s had ended: %s; nothing is proved of snapshots that were taken meanwhile",
                  hold_record_id(last), text_of(last, "why"));
    (void)err_suggest(&err, SAFE_REMEDY);
    job_fail(job, EXIT_ENDED, &err, now);
}

static void fail_nothing(struct job *job, const json_t *last)
{
    struct err err = ERR_INIT;

    if (!json_is_object(last))
        (void)err_set(&err, ERR_PRECONDITION, 0, "nothing is held");
    else
        (void)err_set(&err, ERR_PRECONDITION, 0, "nothing is held; the last hold, %s, was %s%s%s",
                      hold_record_id(last), text_of(last, "state"),
                      json_is_string(json_object_get(last, "why")) ? ": " : "",
                      json_is_string(json_object_get(last, "why")) ? text_of(last, "why") : "");
    (void)err_suggest(&err, "stillpoint hold --lease DURATION holds");
    job_fail(job, EXIT_NOTHING, &err, NOTHING_HELD);
}

/* What is held is another's, and stays so. That ID has ended before is news all the same. */
static void fail_other(struct job *job, const char *id)
{
    struct err err = ERR_INIT;
    int exit_code = EXIT_NOTHING;
    bool news = false;

    json_t *last = held_take_last(job->agent, id, &exit_code, &news);
    if (news)
        fail_ended(job, last, "nothing was let go of: what is held now is another's");
    json_decref(last);
    if (news)
        return;
    (void)err_set(&err, ERR_PRECONDITION, 0, "%s is not what is held", id);
    (void)err_suggest(&err, "`stillpoint status` shows what is");
    job_fail(job, EXIT_NOTHING, &err, "nothing was let go of");
}

/* Nothing that could be asked for: it may have ended a moment ago, or never begun. */
static void tell_last(struct job *job, const char *id)
{
    struct err err = ERR_INIT;
    int exit_code = EXIT_NOTHING;
    bool news = false;

    json_t *last = held_take_last(job->agent, id, &exit_code, &news);
    if (news)
        fail_ended(job, last, NOTHING_HELD);
    else if (!job_node_is_free(job->agent, &err))
        job_fail(job, 4, &err, "nothing is held by a hold");
    else
        fail_nothing(job, last);
    json_decref(last);
}

/* Ours: what it came to is its holder's to say. */
static void tell_released(struct job *job)
{
    int exit_code = EXIT_ENDED;
    bool news = false;

    json_t *last = held_take_last(job->agent, NULL, &exit_code, &news);
    if (news || !json_is_object(last)) /* the lease's end came between */
        fail_ended(job, last, NOTHING_HELD);
    else
        job_result(job, exit_code, json_incref(last));
    json_decref(last);
}

void release_command(struct job *job)
{
    static const char *const keys[] = {"id", NULL};
    struct err err = ERR_INIT;
    const char *id = NULL;
    unsigned ended = 0;

    if (!control_only_keys(job->args, keys, &err) ||
        !control_opt_string(job->args, "id", &id, &err)) {
        job_fail(job, 2, &err, "nothing was let go of");
        return;
    }
    switch (held_ask(job->agent, id, &ended)) {
    case HELD_ASKED:
        job_set_step(job, "release");
        held_wait_end(job->agent, ended);
        tell_released(job);
        break;
    case HELD_ENDING:
        held_wait_end(job->agent, ended);
        tell_last(job, id);
        break;
    case HELD_OTHER:
        fail_other(job, id);
        break;
    case HELD_NOTHING:
        tell_last(job, id);
        break;
    }
}
