/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/work_journal.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "hooks/hook_exec.h"

/* Before the first is prepared all of them: one is called right after. */
static bool put_hooks(const struct work *work, enum journal_step step, struct strs *hooks,
                      struct err *err)
{
    for (size_t i = 0; i < work->hooks.count; i++) {
        const struct hook_link *link = &work->hooks.links[i];
        bool begun = step == JOURNAL_PREPARE || link->runs[HOOK_STEP_PREPARE].begin_us != 0;
        if (hook_is_exec(&link->hook) && begun && link->runs[HOOK_STEP_FINISH].begin_us == 0 &&
            !strs_add(hooks, link->hook.name, err))
            return false;
    }
    return true;
}

/* Before there is a plan: who, and nothing of what. */
static struct backup *head_of(const struct work *work, struct err *err)
{
    struct backup *backup = backup_new();

    if (backup == NULL) {
        (void)err_set(err, ERR_INTERNAL, 0, "out of memory");
        return NULL;
    }
    backup->asked = work->options.asked;
    if (strs_dup(&backup->id, work->job->id, err) &&
        strs_dup(&backup->instance, work->identity.document.instance_id, err))
        return backup;
    backup_free(backup);
    return NULL;
}

bool work_journal_note(struct work *work, enum journal_step step, struct err *err)
{
    struct work_journal *journal = &work->journal;
    struct backup *head = work->backup ? NULL : head_of(work, err);
    struct journal_entry entry = {
        .step = step,
        .image = work->options.image,
        .keep = work->config->backup.on_shortfall == CONFIG_SHORTFALL_KEEP,
        .backup = work->backup ? work->backup : head,
    };

    if (entry.backup == NULL)
        return false;
    if (step == JOURNAL_PREPARE || step == JOURNAL_HOLD || step == JOURNAL_LENT) {
        journal->begun_boot_ms = clock_boot_ms();
        journal->begun_utc_us = clock_utc_us();
    }
    entry.written_boot_ms = journal->begun_boot_ms;
    entry.written_utc_us = journal->begun_utc_us;
    journal_boot_id(entry.boot_id);
    bool ok = put_hooks(work, step, &entry.hooks, err) &&
              journal_write(work->config->paths.state, &entry, err);
    if (ok) {
        journal->written = true;
        journal->step = step;
    }
    strs_free(&entry.hooks);
    backup_free(head);
    return ok;
}

void work_journal_try(struct work *work, enum journal_step step)
{
    struct err err = ERR_INIT;

    if (work->journal.written && !work_journal_note(work, step, &err))
        log_err(LOG_LEVEL_WARNING, "journal_not_written", &err);
}

void work_journal_end(struct work *work)
{
    struct err err = ERR_INIT;

    if (!work->journal.written)
        return;
    work->journal.written = false;
    if (work->journal.stays)
        job_leave_open(work->job);
    else if (!journal_remove(work->config->paths.state, work->job->id, &err))
        log_err(LOG_LEVEL_WARNING, "journal_not_removed", &err);
}
