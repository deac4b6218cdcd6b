/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_LAUNCH_FACTS_H
#define STILLPOINT_LAUNCH_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/strs.h"
#include "aws/ec2_describe.h"

/* How an instance was launched: what a copy of it has to repeat. Read from the instance itself, and
 * kept with each backup in one tag, for the time when the instance is gone:
 *
 *   stillpoint:launch = type=m5.large subnet=subnet-1 sg=sg-1,sg-2 imds=required/2/on/off/off
 *                       profile=node key=ops ip=10.0.0.9 zone=eu-west-1a name=kaltura\040db1
 *
 * Blanks, control characters and backslashes stand in it as \OOO. What the tag has no room for is
 * left out whole, and named at its end: "+key,name". User data is never in it: it may hold secrets.
 * Pure. */

enum { LAUNCH_NAME_BYTES = 4 * 256 + 1, LAUNCH_LOST_BYTES = 80 };

/* Texts are "" where nothing is known. */
struct launch_facts {
    char type[EC2_NAME_BYTES];
    char subnet[EC2_ID_BYTES];
    char zone[EC2_NAME_BYTES];
    char key_name[EC2_KEY_NAME_BYTES];
    char profile[EC2_ARN_BYTES]; /* an ARN, or a name */
    char private_ip[EC2_ID_BYTES];
    char tenancy[EC2_ID_BYTES]; /* "" for the default one */
    char http_tokens[EC2_ID_BYTES];
    char http_endpoint[EC2_ID_BYTES];
    char http_protocol_ipv6[EC2_ID_BYTES];
    char instance_metadata_tags[EC2_ID_BYTES];
    int64_t http_hop_limit; /* 0: not known */
    char name[LAUNCH_NAME_BYTES];
    char security_groups[EC2_SECURITY_GROUPS_MAX][EC2_ID_BYTES];
    size_t security_group_count;
    char lost[LAUNCH_LOST_BYTES]; /* "key,name": that the tag had no room for */
};

/* Fills in from INSTANCE what FACTS does not know yet. A terminated one knows little. */
void launch_facts_of(const struct ec2_instance *instance, struct launch_facts *facts);
/* The same from a tag's text; what can't be read is passed over. */
void launch_facts_read(const char *text, struct launch_facts *facts);
/* The tag's text, at most TAG_VALUE_CHARS_MAX characters.
 *   ret_text  given to the caller (free) */
bool launch_facts_text(const struct launch_facts *facts, char **ret_text, struct err *err);

#endif
