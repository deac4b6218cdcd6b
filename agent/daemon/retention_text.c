/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>

#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/daemon/retention.h"

#define FAILED " (its verify failed: it takes no one's place)"

static const char *const rules[RETENTION_RULE_COUNT] = {
    [RETENTION_LAST] = "last",     [RETENTION_HOURLY] = "hourly",   [RETENTION_DAILY] = "daily",
    [RETENTION_WEEKLY] = "weekly", [RETENTION_MONTHLY] = "monthly", [RETENTION_YEARLY] = "yearly",
};

static const struct {
    const char *name, *text;
} whys[] = {
    [RETENTION_KEPT_FOREIGN] = {"foreign", "kept: of another node"},
    [RETENTION_KEPT_BUSY] = {"busy", "kept: a job works on it"},
    [RETENTION_KEPT_ROLLBACK] = {"rollback",
                                 "kept: a rollback of its node needs it (where that node "
                                 "is gone: stillpoint delete --force)"},
    [RETENTION_KEPT_LOCKED] = {"locked", "kept: EC2 has it locked"},
    [RETENTION_KEPT_IN_USE] = {"in-use", "kept: an image that is not of it is made of it"},
    [RETENTION_KEPT_PINNED] = {"pinned", "kept: pinned"},
    [RETENTION_KEPT_PINNED_SINCE] = {"pinned", "kept: pinned meanwhile"},
    [RETENTION_KEPT_PENDING] = {"unfinished", "kept: unfinished"},
    [RETENTION_KEPT_DISPUTED] = {"disputed", "kept: something in it does not belong there"},
    [RETENTION_KEPT_NO_TIME] = {"unknown", "kept: EC2 does not say when it was taken, or of what"},
    [RETENTION_KEPT_YOUNG] = {"young", "kept: broken, but for less than a day"},
    [RETENTION_KEPT_NONE_GOOD] = {"none-good", "kept: of a volume of it there is no good set"},
    [RETENTION_KEPT_NEWEST] = {"newest", "kept: newest good"},
    [RETENTION_KEPT_VERIFIED] = {"verified", "kept: newest that verify found good"},
    [RETENTION_KEPT_FAILED] = {"newest-failed", "kept: newest" FAILED},
    [RETENTION_KEPT_RULE] = {"slot", NULL},
    [RETENTION_KEPT_WITHIN] = {"within", NULL},
    [RETENTION_KEPT_EXPIRES] = {"expires", NULL},
    [RETENTION_GOES_POLICY] = {"policy", "goes: in no slot of the policy"},
    [RETENTION_GOES_BROKEN] = {"broken", "goes: broken and older than a day"},
    [RETENTION_GOES_ASKED] = {"asked", "goes: it was asked for"},
    [RETENTION_GOES_BEGUN] = {"begun", "goes: its removal was begun before"},
};

const char *retention_rule_name(enum retention_rule rule)
{
    return rules[rule];
}

const char *retention_why_name(enum retention_why why)
{
    return whys[why].name;
}

char *retention_text(const struct retention_verdict *verdict, char *text)
{
    const char *failed = verdict->failed ? FAILED : "";
    char value[CLOCK_TEXT_BYTES];

    if (verdict->why == RETENTION_KEPT_RULE)
        (void)snprintf(text, RETENTION_TEXT_BYTES, "kept: %s %" PRId64 " of %" PRId64 "%s",
                       rules[verdict->rule], verdict->nth, verdict->of, failed);
    else if (verdict->why == RETENTION_KEPT_WITHIN)
        (void)snprintf(text, RETENTION_TEXT_BYTES, "kept: within %s of the newest%s",
                       parse_duration_text(verdict->within_ms, value),
                       verdict->failed ? failed : " good");
    else if (verdict->why == RETENTION_KEPT_EXPIRES)
        (void)snprintf(text, RETENTION_TEXT_BYTES,
                       "kept: expires %.10s, later than the policy says",
                       clock_utc_text(verdict->until_utc_us, value));
    else
        (void)snprintf(text, RETENTION_TEXT_BYTES, "%s", whys[verdict->why].text);
    return text;
}
