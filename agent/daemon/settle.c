/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/settle.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/point.h"
#include "agent/daemon/work_journal.h"

enum { LOOK_FOR_LOST_MS = 300000 }; /* aws-notes: absence counts only after minutes of look-ups */

int64_t settle_lost_ms(void)
{
    return point_setting("STILLPOINT_LOST_MS", LOOK_FOR_LOST_MS);
}

bool settle_end(struct verdict *verdict, int exit_code, const char *now)
{
    verdict->exit_code = exit_code;
    (void)snprintf(verdict->now, sizeof(verdict->now), "%s", now);
    return false;
}

bool settle_end_released(const struct work *work, struct verdict *verdict, int exit_code,
                         const char *rest)
{
    (void)settle_end(verdict, exit_code,
                     work->release_failed ? "what is still held, `stillpoint thaw -n` shows"
                                          : "nothing is held by Stillpoint");
    size_t said = strlen(verdict->now);
    (void)snprintf(verdict->now + said, sizeof(verdict->now) - said, "%.200s", rest);
    return false;
}

bool settle_end_open(struct work *work, struct verdict *verdict, int exit_code, const char *rest)
{
    work->journal.stays = true;
    return settle_end_released(work, verdict, exit_code, rest);
}

/* Not all of the set was found, and there is no time to look on: what was found goes. */
static bool end_unknown(struct work *work, struct cut *cut, struct verdict *verdict,
                        struct err *err)
{
    size_t found = cut->set.count, left = 0;
    bool tagged = true;
    struct err why = ERR_INIT;
    char now[SETTLE_NOW_BYTES];

    if (!cut_discard(work, cut, &left, &tagged, &why))
        job_warn(work->job, why.text, why.remedy);
    if (found > 0)
        (void)snprintf(now, sizeof(now),
                       "; %zu of the %zu snapshots that EC2 shows were deleted, whether it made "
                       "more is not known: `stillpoint list`, tag stillpoint:id=%s",
                       found - left, found, work->backup->id);
    else
        (void)snprintf(now, sizeof(now),
                       "; whether EC2 made snapshots is not known: "
                       "`stillpoint list`, tag stillpoint:id=%s",
                       work->backup->id);
    err->remedy[0] = '\0'; /* to try again at once is not what to do now */
    (void)err_suggest(err,
                      "nothing: stillpointd looks on, and removes what EC2 made or keeps it as "
                      "a crash consistent set; `stillpoint status` says which");
    return settle_end_open(work, verdict, 6, now);
}

/* What nobody has named a remedy for passes by itself, as far as we know. */
static void suggest_again(struct err *err)
{
    if (err->kind == ERR_DEADLINE)
        (void)err_suggest(err, "start the backup again; if it stays so, see what is slow "
                               "(`stillpoint doctor`), or raise hold_deadline or request_timeout");
    else if (err->kind != ERR_CANCELLED)
        (void)err_suggest(err, "start the backup again; if it stays so, see `stillpoint doctor`");
}

bool settle_cut(struct work *work, struct cut *cut, const struct err *cause,
                struct verdict *verdict, struct err *err)
{
    size_t found = 0;
    struct err why = ERR_INIT;
    char text[ERR_TEXT_BYTES + 80];
    bool touched = work->held || cut->sent;

    *err = *cause;
    if (touched)
        suggest_again(err);
    if (!cut->sent || cut->answered)
        return settle_end_released(work, verdict, touched ? 1 : work_exit_code(cause),
                                   ", no snapshot was made");
    job_set_step(work->job, "release");
    (void)snprintf(text, sizeof(text), "%s; everything is let go, looking in EC2 for what it made",
                   cause->text);
    job_warn(work->job, text, "wait: it takes five minutes at most");
    if (!cut_find(work, cut, clock_boot_ms() + settle_lost_ms(), &found, &why))
        return end_unknown(work, cut, verdict, err);
    if (found == 0) {
        work_journal_try(work, JOURNAL_ABSENT); /* for a last look at the next starts */
        return settle_end_open(work, verdict, 1, ", EC2 made no snapshot");
    }
    if (found == work->plan->volume_count && cause->kind != ERR_CANCELLED &&
        work->config->backup.on_shortfall == CONFIG_SHORTFALL_KEEP) {
        (void)snprintf(text, sizeof(text), "EC2's answer was lost: %s", cause->text);
        job_warn(work->job, text, "nothing: every snapshot was found by its tag and is kept");
        *err = (struct err)ERR_INIT;
        cut->ok = cut->adopted = true;
        return true;
    }
    return settle_discard(work, cut, verdict);
}

bool settle_discard(struct work *work, struct cut *cut, struct verdict *verdict)
{
    struct err why = ERR_INIT;
    size_t left = 0, made = cut->set.count;
    bool tagged = true;
    char now[SETTLE_NOW_BYTES];

    work->backup->state = BACKUP_FAILED;
    work_journal_try(work, JOURNAL_DISCARD);
    if (cut_discard(work, cut, &left, &tagged, &why)) {
        (void)snprintf(now, sizeof(now), ", the %zu snapshot%s deleted", made,
                       made == 1 ? " was" : "s were");
        return settle_end_released(work, verdict, 1, now);
    }
    job_warn(work->job, why.text, why.remedy);
    work->journal.stays = !tagged;
    (void)snprintf(now, sizeof(now),
                   "; %zu snapshot%s left in EC2%s: delete what has the "
                   "tag stillpoint:id=%s",
                   left, left == 1 ? " is" : "s are", tagged ? ", tagged failed" : "",
                   work->backup->id);
    return settle_end_released(work, verdict, 1, now);
}
