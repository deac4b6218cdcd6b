/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/attest.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct judge {
    const struct attest_input *input;
    struct attest_result *result;
    struct err *err;
};

static bool lower(struct judge *judge, enum label at_most, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A fact that is missing. It gets a sentence where it takes away something that was asked for. */
static bool lower(struct judge *judge, enum label at_most, const char *fmt, ...)
{
    char *why = NULL;
    va_list args;

    judge->result->label = label_lower(judge->result->label, at_most);
    if (at_most >= judge->input->asked)
        return true;
    va_start(args, fmt);
    int len = vasprintf(&why, fmt, args);
    va_end(args);
    if (len < 0)
        return err_set(judge->err, ERR_INTERNAL, 0, "out of memory");
    bool ok = strs_add_once(&judge->result->shortfall, why, judge->err);
    free(why);
    return ok;
}

static const char *colon(const char *why)
{
    return why != NULL && *why != '\0' ? ": " : "";
}

static const char *words(const char *why)
{
    return why != NULL ? why : "";
}

/* Still from before the first byte left until after the last came back: only then the instant,
 * wherever EC2 took it in between, lies in the time that nothing moved. */
static bool judge_frozen(struct judge *judge, const struct attest_mount *mount)
{
    const struct attest_input *input = judge->input;

    if (mount->freeze_end_boot_us <= 0)
        return lower(judge, LABEL_CRASH, "%s was not frozen%s%s", mount->path, colon(mount->why),
                     words(mount->why));
    if (mount->freeze_end_boot_us > input->sent_boot_us)
        return lower(judge, LABEL_CRASH, "%s was frozen only after the request was sent",
                     mount->path);
    if (!mount->until_thaw || mount->thaw_begin_boot_us <= 0)
        return lower(judge, LABEL_CRASH, "%s is not proved to have stayed frozen%s%s", mount->path,
                     colon(mount->why), words(mount->why));
    if (mount->thaw_begin_boot_us < input->answered_boot_us)
        return lower(judge, LABEL_CRASH, "%s was let go %" PRId64 " ms before %s", mount->path,
                     (input->answered_boot_us - mount->thaw_begin_boot_us + 999) / 1000,
                     input->lent ? "its release was asked for" : "EC2 answered");
    return true;
}

static bool judge_mount(struct judge *judge, const struct attest_mount *mount)
{
    switch (mount->use) {
    case PLAN_FREEZE:
        return judge_frozen(judge, mount);
    case PLAN_SYNC_ONLY:
        if (!mount->counted)
            return lower(judge, LABEL_CRASH,
                         "%s can't be frozen, and its writes could not be counted%s%s", mount->path,
                         colon(mount->why), words(mount->why));
        if (mount->moved)
            return lower(judge, LABEL_CRASH, "%s can't be frozen, and it was written to",
                         mount->path);
        return true;
    case PLAN_STILL:
        return true;
    }
    /* not reached: all uses are above */
    return lower(judge, LABEL_CRASH, "%s: not known what became of it", mount->path);
}

static bool judge_mounts(struct judge *judge)
{
    const struct attest_input *input = judge->input;
    bool any_frozen = false;

    if (input->sent_boot_us <= 0 || input->answered_boot_us < input->sent_boot_us)
        return lower(judge, LABEL_CRASH, "the times of request and answer are not known");
    for (size_t i = 0; i < input->mount_count; i++) {
        any_frozen = any_frozen || input->mounts[i].use == PLAN_FREEZE;
        if (!judge_mount(judge, &input->mounts[i]))
            return false; /* not reached: no memory */
    }
    if (any_frozen && !input->lease_whole)
        return lower(judge, LABEL_CRASH, "the freeze had a gap%s%s", colon(input->lease_why),
                     words(input->lease_why));
    return true;
}

static bool judge_hooks(struct judge *judge)
{
    for (size_t i = 0; i < judge->input->hook_count; i++) {
        const struct attest_hook *hook = &judge->input->hooks[i];
        bool ok = true;
        if (!hook->held)
            ok = lower(judge, LABEL_FILESYSTEM, "%s was not held%s%s", hook->name, colon(hook->why),
                       words(hook->why));
        else if (!hook->kept)
            ok = lower(judge, LABEL_FILESYSTEM,
                       "%s was held, but not proved to be until the end%s%s", hook->name,
                       colon(hook->why), words(hook->why));
        if (!ok)
            return false; /* not reached: no memory */
    }
    return true;
}

static bool judge_clock(struct judge *judge)
{
    const struct attest_input *input = judge->input;
    int64_t step_us = input->clock_step_us < 0 ? -input->clock_step_us : input->clock_step_us;

    judge->result->clock_error_us = input->clock_error_us;
    if (step_us <= ATTEST_CLOCK_STEP_US)
        return true;
    if (input->clock_error_us >= 0)
        judge->result->clock_error_us = input->clock_error_us + step_us;
    return strs_printf(&judge->result->notes, judge->err,
                       "the clock was set by %s%" PRId64
                       " ms during the hold: the window is off by "
                       "as much",
                       input->clock_step_us < 0 ? "-" : "+", step_us / 1000);
}

static bool judge_all(struct judge *judge)
{
    const struct attest_input *input = judge->input;

    if (!input->hold_tried && !lower(judge, LABEL_CRASH, "nothing was held or frozen"))
        return false; /* not reached: no memory */
    for (size_t i = 0; i < input->shortfall_count; i++) {
        if (!lower(judge, input->shortfalls[i].at_most, "%s", input->shortfalls[i].why))
            return false; /* not reached: no memory */
    }
    return !input->hold_tried || (judge_mounts(judge) && judge_hooks(judge) && judge_clock(judge));
}

bool attest_judge(const struct attest_input *input, struct attest_result *ret_result,
                  struct err *err)
{
    struct attest_result result = {.label = LABEL_UNCONFIRMED, .clock_error_us = -1};
    struct judge judge = {input, &result, err};

    if (input->cut) {
        /* What nobody asked for was not looked at either. */
        result.label = input->asked == LABEL_UNCONFIRMED ? LABEL_CRASH : input->asked;
        if (!judge_all(&judge)) { /* not reached: no memory */
            attest_result_free(&result);
            return false;
        }
    }
    result.as_asked = input->cut && result.label >= input->asked;
    *ret_result = result;
    return true;
}

void attest_result_free(struct attest_result *result)
{
    strs_free(&result->shortfall);
    strs_free(&result->notes);
}
