/* SPDX-License-Identifier: BSD-2-Clause */
/* What the doctor asks where [aws] identity is none: whether this machine can see, and remove, the
 * backups of nodes. */
#include <stdio.h>

#include "agent/base/clock.h"
#include "agent/daemon/doctor_parts.h"
#include "agent/daemon/inventory_gather.h"

static bool check_keys(struct doctor *doctor)
{
    struct credentials *credentials = doctor->job->agent->credentials;
    struct credentials_key key = CREDENTIALS_KEY_INIT;
    char source[200];
    struct err err = ERR_INIT;

    if (!credentials_get(credentials, clock_utc_us(), 0, false, doctor_soon(), &doctor->job->cancel,
                         &key, &err)) {
        doctor_say(doctor, "credentials", "failed", err.text, err.remedy);
        return false;
    }
    credentials_key_free(&key);
    doctor_say(doctor, "credentials", "ok", credentials_source(credentials, source, sizeof(source)),
               NULL);
    return true;
}

static bool check_region(struct doctor *doctor)
{
    const struct config *config = doctor->work.config;
    char text[DOCTOR_TEXT_BYTES];
    struct err err = ERR_INIT;

    if (!inventory_open_ec2(&doctor->work, doctor_soon(), &err)) {
        doctor_say(doctor, "region", "failed", err.text, err.remedy);
        return false;
    }
    (void)snprintf(text, sizeof(text), "%s%s%s", config->aws.region,
                   config->aws.endpoint_ec2[0] ? " by " : "", config->aws.endpoint_ec2);
    doctor_say(doctor, "region", "ok", text, NULL);
    return true;
}

/* The calls of list themselves; the rights to remove are then tried on what they find. */
static void check_backups(struct doctor *doctor)
{
    const struct inventory_query query = {.all_nodes = true};
    struct err err = ERR_INIT;
    char text[80];

    doctor->inventory_ok =
        inventory_gather(&doctor->work, &query, doctor_soon(), &doctor->inventory, &err);
    (void)snprintf(text, sizeof(text), "%zu in EC2", doctor->inventory.count);
    doctor_say(doctor, "backups", doctor->inventory_ok ? "ok" : "failed",
               doctor->inventory_ok ? text : err.text, doctor->inventory_ok ? NULL : err.remedy);
    if (doctor->inventory_ok)
        (void)doctor_check_removal_rights(doctor);
}

void doctor_check_far(struct doctor *doctor)
{
    bool keys = check_keys(doctor);

    if (check_region(doctor) && keys)
        check_backups(doctor);
}
