/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/hook_chain.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/point.h"

const char *hook_step_name(enum hook_step step)
{
    static const char *const names[HOOK_STEP_COUNT] = {
        [HOOK_STEP_PREPARE] = "prepare", [HOOK_STEP_HOLD] = "hold",
        [HOOK_STEP_ATTEST] = "attest",   [HOOK_STEP_RELEASE] = "release",
        [HOOK_STEP_FINISH] = "finish",
    };

    return (unsigned)step < HOOK_STEP_COUNT ? names[step] : "unknown";
}

static void run_begin(struct hook_run *run)
{
    *run = (struct hook_run){.begin_us = clock_boot_us()};
}

/* The hook's name goes in front of what went wrong; the link keeps a copy, ERR the one to show. */
static bool run_end(struct hook_link *link, enum hook_step step, bool ok, struct err *err)
{
    struct hook_run *run = &link->runs[step];

    run->end_us = clock_boot_us();
    run->ok = ok;
    if (!ok) {
        err_wrap(err, "%s", link->hook.name);
        run->err = *err;
    }
    return ok;
}

bool hook_chain_add(struct hook_chain *chain, struct hook take_hook, struct err *err)
{
    const char *fault = chain->count == HOOK_CHAIN_MAX ? "too many hooks" : NULL;

    for (size_t i = 0; i < chain->count && fault == NULL; i++)
        if (strcmp(chain->links[i].hook.name, take_hook.name) == 0)
            fault = "two hooks of that name";
    if (fault != NULL) {
        err_set(err, ERR_CONFIG, 0, "hook %s: %s", take_hook.name, fault);
        if (take_hook.free != NULL)
            take_hook.free(take_hook.self);
        return false;
    }
    chain->links[chain->count] = (struct hook_link){.hook = take_hook};
    chain->count++;
    return true;
}

static bool prepare_link(struct hook_link *link, const struct hook_job *job, int64_t deadline_ms,
                         const struct cancel *cancel, struct err *err)
{
    const struct hook *hook = &link->hook;
    int left_ms = 0;

    run_begin(&link->runs[HOOK_STEP_PREPARE]);
    link->prepared =
        deadline_left_ms(deadline_ms, &left_ms, err) &&
        (hook->prepare == NULL || hook->prepare(hook->self, job, deadline_ms, cancel, err));
    return run_end(link, HOOK_STEP_PREPARE, link->prepared, err);
}

bool hook_chain_prepare(struct hook_chain *chain, const struct hook_job *job, int64_t deadline_ms,
                        const struct cancel *cancel, struct err *err)
{
    for (size_t i = 0; i < chain->count; i++) {
        struct hook_link *link = &chain->links[i];
        struct err link_err = ERR_INIT;
        int left_ms = 0;

        if (cancel_asked(cancel))
            return err_set(err, ERR_CANCELLED, 0, "cancelled before %s was prepared",
                           link->hook.name);
        if (!deadline_left_ms(deadline_ms, &left_ms, err))
            return err_wrap(err, "before %s was prepared", link->hook.name);
        if (prepare_link(link, job, deadline_ms, cancel, &link_err))
            continue;
        if (link->hook.prepare_required || link_err.kind == ERR_CANCELLED) {
            *err = link_err;
            return false;
        }
    }
    return true;
}

static bool hold_link(struct hook_link *link, int64_t deadline_ms, const struct cancel *cancel,
                      struct err *err)
{
    const struct hook *hook = &link->hook;

    run_begin(&link->runs[HOOK_STEP_HOLD]);
    link->hold_called = true;
    point_reach_of("hold", hook->name);
    link->held = hook->hold == NULL || hook->hold(hook->self, deadline_ms, cancel, err);
    return run_end(link, HOOK_STEP_HOLD, link->held, err);
}

bool hook_chain_hold(struct hook_chain *chain, bool last_try, int64_t deadline_ms,
                     const struct cancel *cancel, struct err *err)
{
    for (size_t i = 0; i < chain->count; i++)
        chain->links[i].proof = (struct proof){.held = false}; /* of an earlier hold */
    for (size_t i = 0; i < chain->count; i++) {
        struct hook_link *link = &chain->links[i];
        struct err link_err = ERR_INIT;
        int left_ms = 0;

        if (!link->prepared)
            continue;
        if (cancel_asked(cancel))
            return err_set(err, ERR_CANCELLED, 0, "cancelled before %s was held", link->hook.name);
        if (!deadline_left_ms(deadline_ms, &left_ms, err))
            return err_wrap(err, "before %s was held", link->hook.name);
        if (hold_link(link, deadline_ms, cancel, &link_err))
            continue;
        if (link->hook.required || link_err.kind == ERR_CANCELLED ||
            (!last_try && link_err.kind == ERR_DB_LOCK)) {
            *err = link_err;
            return false;
        }
    }
    return true;
}

bool hook_chain_attest(struct hook_chain *chain, int64_t deadline_ms)
{
    bool all = true;

    for (size_t i = 0; i < chain->count; i++) {
        struct hook_link *link = &chain->links[i];
        const struct hook *hook = &link->hook;
        struct err err = ERR_INIT;

        if (!link->held)
            continue;
        run_begin(&link->runs[HOOK_STEP_ATTEST]);
        link->proof = (struct proof){.held = hook->attest == NULL};
        bool asked =
            hook->attest == NULL || hook->attest(hook->self, deadline_ms, &link->proof, &err);
        if (!run_end(link, HOOK_STEP_ATTEST, asked, &err)) {
            link->proof.held = false;
            (void)snprintf(link->proof.reason, sizeof(link->proof.reason), "%.*s",
                           (int)sizeof(link->proof.reason) - 1, err.text);
        }
        all = all && link->proof.held;
    }
    return all;
}

/* True where nothing failed. */
static bool tell_first(const struct err *first, unsigned failed, struct err *err)
{
    if (failed == 0)
        return true;
    *err = *first;
    if (failed > 1)
        err_wrap(err, "%u hooks failed, the first", failed);
    return false;
}

bool hook_chain_release(struct hook_chain *chain, const char *outcome, int64_t deadline_ms,
                        struct err *err)
{
    struct err first = ERR_INIT;
    unsigned failed = 0;

    for (size_t i = chain->count; i-- > 0;) {
        struct hook_link *link = &chain->links[i];
        const struct hook *hook = &link->hook;
        struct err link_err = ERR_INIT;

        if (!link->hold_called)
            continue;
        run_begin(&link->runs[HOOK_STEP_RELEASE]);
        point_reach_of("release", hook->name);
        bool ok =
            hook->release == NULL || hook->release(hook->self, outcome, deadline_ms, &link_err);
        link->hold_called = link->held = false;
        if (!run_end(link, HOOK_STEP_RELEASE, ok, &link_err) && failed++ == 0)
            first = link_err;
    }
    return tell_first(&first, failed, err);
}

bool hook_chain_finish(struct hook_chain *chain, const char *outcome, int64_t deadline_ms,
                       struct err *err)
{
    struct err first = ERR_INIT;
    unsigned failed = 0;

    if (!hook_chain_release(chain, outcome, deadline_ms, &first))
        failed++;
    for (size_t i = 0; i < chain->count; i++) {
        struct hook_link *link = &chain->links[i];
        const struct hook *hook = &link->hook;
        struct err link_err = ERR_INIT;

        if (link->runs[HOOK_STEP_PREPARE].begin_us == 0)
            continue; /* it knows nothing of this job */
        run_begin(&link->runs[HOOK_STEP_FINISH]);
        bool ok = hook->finish == NULL || hook->finish(hook->self, outcome, deadline_ms, &link_err);
        if (!run_end(link, HOOK_STEP_FINISH, ok, &link_err) && failed++ == 0)
            first = link_err;
    }
    return tell_first(&first, failed, err);
}

bool hook_chain_all_held(const struct hook_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        if (!chain->links[i].held)
            return false;
    return true;
}

bool hook_chain_all_proved(const struct hook_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        if (!chain->links[i].proof.held)
            return false;
    return true;
}

void hook_chain_free(struct hook_chain *chain)
{
    for (size_t i = chain->count; i-- > 0;)
        if (chain->links[i].hook.free != NULL)
            chain->links[i].hook.free(chain->links[i].hook.self);
    chain->count = 0;
}
