/* SPDX-License-Identifier: BSD-2-Clause */
/* What the doctor says of the backups that there are: the last good one, and what is left of
 * others. */
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/daemon/doctor_parts.h"
#include "agent/daemon/inventory_gather.h"
#include "agent/daemon/metrics.h"
#include "agent/daemon/resume.h"

enum { BACKUP_AGE_WARN_MS = 26 * 3600 * 1000 }; /* a nightly one and its jitter */

/* In whole hours, minutes below one, seconds below that. TEXT: CLOCK_TEXT_BYTES */
static char *age_of(const struct inventory_set *set, char *text)
{
    int64_t age_ms = (clock_utc_us() - inventory_taken_us(set)) / 1000;
    int64_t unit_ms = age_ms < 60000 ? 1000 : age_ms < 3600000 ? 60000 : 3600000;

    return parse_duration_text(age_ms / unit_ms * unit_ms, text);
}

/* How good the newest is: too old, or less than what is configured, is worth a warning. */
static void judge_last(struct doctor *doctor, const struct inventory_set *latest)
{
    bool fresh = (clock_utc_us() - inventory_taken_us(latest)) / 1000 < BACKUP_AGE_WARN_MS;
    bool as_wanted = latest->consistency >= doctor->work.options.asked;
    char text[DOCTOR_TEXT_BYTES], age[CLOCK_TEXT_BYTES];

    (void)snprintf(text, sizeof(text), "%s (%s%s), %s old", latest->id,
                   label_name(latest->consistency), as_wanted ? "" : ", less than configured",
                   age_of(latest, age));
    doctor_say(doctor, "last backup", fresh && as_wanted ? "ok" : "warning", text,
               !fresh      ? "make one: `stillpoint backup`, and see the timer"
               : as_wanted ? NULL
                           : "its reasons: `stillpoint show latest`");
}

static const struct inventory_set *newest_of(const struct inventory *inventory,
                                             bool (*is)(const struct inventory_set *))
{
    for (size_t i = 0; i < inventory->count; i++) {
        if (is(&inventory->sets[i]))
            return &inventory->sets[i];
    }
    return NULL;
}

/* Whoever restores takes the newest that is complete. True: there is nothing to say of it. */
static bool judge_verify(struct doctor *doctor, const struct inventory_set *complete)
{
    const struct inventory_set *good = newest_of(&doctor->inventory, inventory_is_good);
    char text[DOCTOR_TEXT_BYTES], age[CLOCK_TEXT_BYTES];

    if (complete == NULL || !inventory_verify_failed(complete))
        return true;
    (void)snprintf(text, sizeof(text),
                   "%s, the newest that is complete, does not restore (verify: %.200s); %s%s%s%s",
                   complete->id, complete->verified,
                   good ? "the newest good one is " : "none is good", good ? good->id : "",
                   good ? ", of an age of " : "", good ? age_of(good, age) : "");
    doctor_say(doctor, "last backup", "warning", text,
               "make one: `stillpoint backup`, and verify it; `stillpoint verify latest --again` "
               "looks at this one once more");
    return false;
}

/* What an earlier daemon left and the journal knows of. */
void doctor_check_unsettled(struct doctor *doctor)
{
    json_t *list = resume_unsettled_json(doctor->job->agent);
    char text[DOCTOR_TEXT_BYTES];
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const char *why = json_string_value(json_object_get(item, "why"));
        bool readable = json_is_string(json_object_get(item, "step"));
        (void)snprintf(text, sizeof(text), "%s is not settled: %.300s",
                       json_string_value(json_object_get(item, "id")),
                       why ? why : "it was not looked at yet");
        doctor_say(doctor, "earlier backup", readable ? "warning" : "failed", text,
                   readable ? "it is tried again; `stillpoint status` follows it" : NULL);
    }
    json_decref(list);
}

/* What nobody will bring to an end any more: its daemon died, and the journal does not have it. */
static void judge_abandoned(struct doctor *doctor)
{
    struct agent *agent = doctor->job->agent;
    const char *newest = NULL;
    char text[DOCTOR_TEXT_BYTES];
    size_t count = 0;

    for (size_t i = 0; i < doctor->inventory.count; i++) {
        const struct inventory_set *set = &doctor->inventory.sets[i];
        if (set->state == BACKUP_COMPLETE || set->state == BACKUP_FAILED ||
            job_works_on(agent, set->id) || resume_knows(agent, set->id))
            continue;
        newest = newest ? newest : set->id;
        count++;
    }
    if (count == 0)
        return;
    (void)snprintf(text, sizeof(text),
                   "%zu of this node's sets %s begun and never brought to an end, the newest: %s",
                   count, count == 1 ? "was" : "were", newest);
    doctor_say(
        doctor, "earlier backup", "warning", text,
        "`stillpoint list` has them, `stillpoint show ID` what is there: nothing works on them");
}

/* Sets that lack a member, or have one that is not theirs: they look like a backup until someone
 * needs one. */
static void judge_broken(struct doctor *doctor)
{
    const struct inventory_set *newest = NULL;
    struct strs why = {NULL, 0};
    struct err ignored = ERR_INIT; /* no memory: without the reason */
    char text[DOCTOR_TEXT_BYTES];
    size_t count = 0;

    for (size_t i = 0; i < doctor->inventory.count; i++) {
        const struct inventory_set *set = &doctor->inventory.sets[i];
        if (!inventory_is_broken(set))
            continue;
        newest = newest ? newest : set;
        count++;
    }
    if (newest == NULL)
        return;
    (void)inventory_why(&doctor->inventory, newest, &why, &ignored);
    (void)snprintf(text, sizeof(text), "%zu of this node's sets %s broken, the newest: %s, %.400s",
                   count, count == 1 ? "is" : "are", newest->id, why.count > 0 ? why.items[0] : "");
    doctor_say(doctor, "broken backup", "warning", text,
               "`stillpoint list --state broken` has them; they are nobody's backup any more");
    strs_free(&why);
}

void doctor_find_backups(struct doctor *doctor)
{
    const struct inventory_query query = {.all_nodes = false};

    doctor->inventory_err = (struct err)ERR_INIT;
    doctor->inventory_ok = inventory_gather(&doctor->work, &query, doctor_soon(),
                                            &doctor->inventory, &doctor->inventory_err);
    if (doctor->inventory_ok)
        metrics_sets(doctor->job->agent->metrics, &doctor->inventory);
}

void doctor_check_last_backup(struct doctor *doctor)
{
    const struct inventory_set *latest = NULL, *complete;
    const struct err *why = &doctor->inventory_err;
    struct err err = ERR_INIT;

    if (!doctor->inventory_ok) {
        doctor_say(doctor, "last backup", "failed", why->text, why->remedy);
        return;
    }
    complete = newest_of(&doctor->inventory, inventory_is_complete);
    bool restores = judge_verify(doctor, complete);
    if (!inventory_find(&doctor->inventory, "latest", NULL, &latest, &err))
        doctor_say(doctor, "last backup", "warning", "there is no good backup of this node",
                   "make one: `stillpoint backup`");
    else if (restores || latest != complete)
        judge_last(doctor, latest);
    judge_broken(doctor);
    judge_abandoned(doctor);
}
