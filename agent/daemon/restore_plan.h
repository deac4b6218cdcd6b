/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_RESTORE_PLAN_H
#define STILLPOINT_RESTORE_PLAN_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/daemon/launch_facts.h"
#include "agent/daemon/restore_request.h"
#include "agent/daemon/whole_set.h"
#include "aws/ec2_launch.h"

/* What `restore instance` is going to launch: the original's facts, and what the options say
 * instead. Worker thread. */

#define RESTORE_TAG_LAUNCH "stillpoint:restore" /* on instance and volumes: the launch's token */

struct restore_plan {
    struct ec2_instance *original; /* NULL: EC2 has forgotten it */
    struct launch_facts facts;     /* of the new one; private_ip is the original's */
    char address[EC2_ID_BYTES];    /* that the new one asks for; "": any of the subnet's */
    struct ec2_tags instance_tags, volume_tags;
    struct ec2_mapping mappings[EC2_DEVICES_MAX]; /* over the image's */
    size_t mapping_count;
    struct secret user_data; /* base64; not set: none */
    char token[EC2_CLIENT_TOKEN_MAX + 1];
    char running[EC2_ID_BYTES]; /* the instance of an earlier same command; "" */
    struct strs notes;          /* what is less than the original, a sentence each */
    bool less;                  /* than was asked for: exit code 3 */
};

/* Asks EC2 for the original, its user data and those in the way; tells each note as a warning.
 *   plan   {0} at first; restore_plan_free in any case
 *   false  ERR_PRECONDITION: something that a launch needs is not known, or another node has its
 *          name or address; ERR_USAGE */
bool restore_plan_make(struct work *work, const struct whole_set *set,
                       const struct restore_request *request, struct restore_plan *plan,
                       int64_t deadline_ms, struct err *err);

/* The plan as RunInstances takes it, borrowing from all. GROUPS has room for all of them. */
void restore_plan_launch(const struct restore_plan *plan, const struct whole_set *set,
                         const char **groups, struct ec2_run_instance *ret_what);

/* What the client is shown, before and after: {backup, image, root_is_newer, type, subnet, …}.
 * NULL without memory. */
json_t *restore_plan_json(const struct restore_plan *plan, const struct whole_set *set);
void restore_plan_free(struct restore_plan *plan); /* idempotent */

#endif
