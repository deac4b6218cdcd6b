/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/verify_verdict.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"

static const char *const names[] = {"ok", "partly", "failed"};

enum { NAME_COUNT = sizeof(names) / sizeof(names[0]), MOMENT_CHARS = 19 };

const char *verify_result_name(enum verify_result result)
{
    return names[result];
}

char *verify_verdict_text(const struct verify_verdict *verdict, char *text)
{
    char moment[CLOCK_TEXT_BYTES];

    (void)clock_utc_text(verdict->at_utc_us, moment);
    (void)snprintf(text, VERIFY_VERDICT_BYTES, "%s %.*sZ%s%s%s", names[verdict->result],
                   MOMENT_CHARS, moment, verdict->deep ? " deep" : "", verdict->why[0] ? ": " : "",
                   verdict->why);
    return text;
}

bool verify_verdict_parse(const char *text, struct verify_verdict *ret_verdict)
{
    struct verify_verdict verdict = {.result = VERIFY_OK};
    char moment[CLOCK_TEXT_BYTES];
    size_t index = 0;

    if (text == NULL)
        return false;
    size_t len = strcspn(text, " ");
    while (index < NAME_COUNT &&
           (strlen(names[index]) != len || strncmp(names[index], text, len) != 0))
        index++;
    if (index == NAME_COUNT || text[len] == '\0')
        return false;
    verdict.result = (enum verify_result)index;
    text += len + 1;
    len = strcspn(text, " :Z");
    while (text[len] == ':') /* those of the hour and the minute */
        len += 1 + strcspn(text + len + 1, " :Z");
    if (text[len] != 'Z' || len + 2 > sizeof(moment))
        return false;
    (void)snprintf(moment, sizeof(moment), "%.*sZ", (int)len, text);
    if (!clock_utc_parse(moment, &verdict.at_utc_us))
        return false;
    text += len + 1;
    verdict.deep = strncmp(text, " deep", 5) == 0;
    text += verdict.deep ? 5 : 0;
    if (strncmp(text, ": ", 2) == 0)
        (void)snprintf(verdict.why, sizeof(verdict.why), "%s", text + 2);
    *ret_verdict = verdict;
    return true;
}

bool verify_verdict_stands(const struct verify_verdict *verdict, bool deep)
{
    return verdict->result != VERIFY_PARTLY && (verdict->deep || !deep);
}
