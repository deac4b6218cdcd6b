/* SPDX-License-Identifier: BSD-2-Clause */
/* Judges what comes on stdin, for a model that knows nothing of our code (retention_model.py).
 * Lines of numbers, any number of histories:
 *
 *   policy NOW_US WITHIN_MS LAST HOURLY DAILY WEEKLY MONTHLY YEARLY
 *   set NODE KIND START_US EXPIRES_US|- FLAGS VOLUME...      FLAGS: letters of PfbBplv, or -
 *   judge
 *
 * answers each judge with a line a set, in order: "stays newest", "stays daily 3 7", "goes policy";
 * "failed" behind a slot of one whose verify failed, "far" where the expiry is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"
#include "agent/daemon/retention.h"

enum { VOLUMES_MAX = 16 };

struct history {
    struct retention_policy policy;
    int64_t now_utc_us;
    struct retention_set *sets;
    uint32_t (*volumes)[VOLUMES_MAX];
    size_t count, volumes_count;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "retention_feed: %s\n", what);
    exit(2);
}

static int64_t number(char **rest)
{
    char *word = strsep(rest, " "), *end = NULL;

    if (word == NULL || *word == '\0')
        die("a number is missing");
    long long value = strtoll(word, &end, 10);
    if (*end != '\0')
        die(word);
    return value;
}

static void read_policy(struct history *history, char *rest)
{
    history->count = history->volumes_count = 0;
    history->now_utc_us = number(&rest);
    history->policy.within_ms = number(&rest);
    for (int rule = 0; rule < RETENTION_RULE_COUNT; rule++)
        history->policy.keep[rule] = number(&rest);
}

static void read_set(struct history *history, char *rest)
{
    struct retention_set *set = grow_by_one(&history->sets, &history->count, sizeof(*set));
    uint32_t(*volumes)[VOLUMES_MAX] =
        grow_by_one(&history->volumes, &history->volumes_count, sizeof(*volumes));

    if (set == NULL || volumes == NULL)
        die("no memory");
    set->node = (uint32_t)number(&rest);
    set->kind = (enum retention_class)number(&rest);
    set->start_utc_us = number(&rest);
    set->expires_utc_us = BACKUP_UNKNOWN;
    if (rest != NULL && rest[0] == '-' && rest[1] == ' ')
        (void)strsep(&rest, " ");
    else
        set->expires_utc_us = number(&rest);
    const char *flags = strsep(&rest, " ");
    if (flags == NULL)
        die("flags are missing");
    set->proved = strchr(flags, 'P') != NULL;
    set->foreign = strchr(flags, 'f') != NULL;
    set->busy = strchr(flags, 'b') != NULL;
    set->begun = strchr(flags, 'B') != NULL;
    set->pinned = strchr(flags, 'p') != NULL;
    set->locked = strchr(flags, 'l') != NULL;
    set->verified = strchr(flags, 'v') != NULL;
    while (rest != NULL && set->volume_count < VOLUMES_MAX)
        (*volumes)[set->volume_count++] = (uint32_t)number(&rest);
}

static void print(const struct retention_verdict *verdict)
{
    (void)printf("%s ", verdict->goes ? "goes" : "stays");
    if (verdict->why == RETENTION_KEPT_RULE)
        (void)printf("%s %" PRId64 " %" PRId64, retention_rule_name(verdict->rule), verdict->nth,
                     verdict->of);
    else
        (void)printf("%s", retention_why_name(verdict->why));
    (void)printf("%s%s\n", verdict->failed ? " failed" : "", verdict->far ? " far" : "");
}

static void judge(struct history *history)
{
    struct retention_verdict *verdicts = calloc(history->count + 1, sizeof(*verdicts));
    struct err err = ERR_INIT;

    for (size_t i = 0; i < history->count; i++)
        history->sets[i].volumes = history->volumes[i];
    if (verdicts == NULL || !retention_judge(history->sets, history->count, &history->policy,
                                             history->now_utc_us, verdicts, &err))
        die(err.text);
    for (size_t i = 0; i < history->count; i++)
        print(&verdicts[i]);
    free(verdicts);
}

int main(void)
{
    struct history history = {.count = 0};
    char line[1024];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *rest = line;
        const char *word = strsep(&rest, " ");
        if (strcmp(word, "policy") == 0)
            read_policy(&history, rest);
        else if (strcmp(word, "set") == 0)
            read_set(&history, rest);
        else if (strcmp(word, "judge") == 0)
            judge(&history);
        else
            die(word);
    }
    free(history.sets);
    free(history.volumes);
    return 0;
}
