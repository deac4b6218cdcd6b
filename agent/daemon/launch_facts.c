/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/launch_facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/buf.h"
#include "agent/base/parse.h"
#include "agent/base/tag.h"
#include "agent/base/utf8.h"

enum { ITEM_BYTES_MAX = 8 * 1024, HOPS_MAX = 64 };

/* --- from an instance ---------------------------------------------------------------------- */

static void fill(char *slot, size_t size, const char *text)
{
    if (slot[0] == '\0' && strlen(text) < size)
        (void)snprintf(slot, size, "%s", text);
}

#define FILL(slot, text) fill((slot), sizeof(slot), (text))

void launch_facts_of(const struct ec2_instance *instance, struct launch_facts *facts)
{
    const char *name = ec2_tags_get(&instance->tags, "Name");

    FILL(facts->type, instance->type);
    FILL(facts->subnet, instance->subnet_id);
    FILL(facts->zone, instance->availability_zone);
    FILL(facts->key_name, instance->key_name);
    FILL(facts->profile, instance->iam_profile_arn);
    FILL(facts->private_ip, instance->private_ip);
    if (strcmp(instance->tenancy, "default") != 0)
        FILL(facts->tenancy, instance->tenancy);
    FILL(facts->http_tokens, instance->http_tokens);
    FILL(facts->http_endpoint, instance->http_endpoint);
    FILL(facts->http_protocol_ipv6, instance->http_protocol_ipv6);
    FILL(facts->instance_metadata_tags, instance->instance_metadata_tags);
    if (facts->http_hop_limit == 0)
        facts->http_hop_limit = instance->http_hop_limit;
    if (name != NULL)
        FILL(facts->name, name);
    if (facts->security_group_count == 0) {
        memcpy(facts->security_groups, instance->security_groups, sizeof(facts->security_groups));
        facts->security_group_count = instance->security_group_count;
    }
}

/* --- to a tag ------------------------------------------------------------------------------ */

static bool add_escaped(struct buf *text, const char *item, struct err *err)
{
    for (; *item != '\0'; item++) {
        bool plain = (unsigned char)*item > ' ' && *item != '\\' && *item != 0x7f;
        if (!(plain ? buf_add(text, item, 1, err)
                    : buf_printf(text, err, "\\%03o", (unsigned)(unsigned char)*item)))
            return false;
    }
    return true;
}

static const char *short_of(const char *switched)
{
    return strcmp(switched, "enabled") == 0 ? "on" : strcmp(switched, "disabled") == 0 ? "off" : "";
}

static bool add_value(const struct launch_facts *facts, const char *key, struct buf *text,
                      struct err *err)
{
    const char *slash = strrchr(facts->profile, '/');

    if (strcmp(key, "type") == 0)
        return add_escaped(text, facts->type, err);
    if (strcmp(key, "subnet") == 0)
        return add_escaped(text, facts->subnet, err);
    if (strcmp(key, "zone") == 0)
        return add_escaped(text, facts->zone, err);
    if (strcmp(key, "tenancy") == 0)
        return add_escaped(text, facts->tenancy, err);
    if (strcmp(key, "key") == 0)
        return add_escaped(text, facts->key_name, err);
    if (strcmp(key, "ip") == 0)
        return add_escaped(text, facts->private_ip, err);
    if (strcmp(key, "name") == 0)
        return add_escaped(text, facts->name, err);
    if (strcmp(key, "profile") == 0) /* its name is as good as its ARN, and shorter */
        return add_escaped(text, slash != NULL ? slash + 1 : facts->profile, err);
    if (strcmp(key, "imds") == 0)
        return facts->http_tokens[0] == '\0' ||
               buf_printf(text, err, "%s/%" PRId64 "/%s/%s/%s", facts->http_tokens,
                          facts->http_hop_limit, short_of(facts->http_endpoint),
                          short_of(facts->http_protocol_ipv6),
                          short_of(facts->instance_metadata_tags));
    for (size_t i = 0; i < facts->security_group_count; i++) { /* "sg" */
        if ((i > 0 && !buf_add(text, ",", 1, err)) ||
            !add_escaped(text, facts->security_groups[i], err))
            return false;
    }
    return true;
}

/* What a launch can't do without comes first: the rest is what may have no room. */
static const char *const keys[] = {"type", "subnet", "sg",   "imds",    "profile",
                                   "key",  "ip",     "zone", "tenancy", "name"};
enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

bool launch_facts_text(const struct launch_facts *facts, char **ret_text, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(TAG_VALUE_CHARS_MAX * 4);
    char lost[LAUNCH_LOST_BYTES] = "";

    for (size_t i = 0; i < KEY_COUNT; i++) {
        AUTO_BUF struct buf value = BUF_INIT(ITEM_BYTES_MAX);
        if (!add_value(facts, keys[i], &value, err))
            return false;
        if (value.len == 0)
            continue;
        /* Room for the names of all that may be lost is kept free. */
        size_t chars = utf8_count(buf_text(&text)) + utf8_count(buf_text(&value)) +
                       strlen(keys[i]) + sizeof(" = +type,subnet,sg,imds,profile,key,ip,zone");
        if (chars > TAG_VALUE_CHARS_MAX) {
            size_t len = strlen(lost);
            (void)snprintf(lost + len, sizeof(lost) - len, "%s%s", len > 0 ? "," : "", keys[i]);
        } else if (!buf_printf(&text, err, "%s%s=%s", text.len > 0 ? " " : "", keys[i],
                               buf_text(&value))) {
            return false;
        }
    }
    if (lost[0] != '\0' && !buf_printf(&text, err, " +%s", lost))
        return false;
    return strs_dup(ret_text, buf_text(&text), err);
}

/* --- from a tag ---------------------------------------------------------------------------- */

static const char *long_of(const char *switched)
{
    return switched == NULL               ? ""
           : strcmp(switched, "on") == 0  ? "enabled"
           : strcmp(switched, "off") == 0 ? "disabled"
                                          : "";
}

static void read_imds(char *value, struct launch_facts *facts)
{
    struct err ignored = ERR_INIT; /* passed over */
    const char *tokens = strsep(&value, "/"), *hops = strsep(&value, "/");

    if (strcmp(tokens, "required") != 0 && strcmp(tokens, "optional") != 0)
        return;
    FILL(facts->http_tokens, tokens);
    if (hops != NULL && facts->http_hop_limit == 0)
        (void)parse_int64(hops, 1, HOPS_MAX, &facts->http_hop_limit, &ignored);
    FILL(facts->http_endpoint, long_of(strsep(&value, "/")));
    FILL(facts->http_protocol_ipv6, long_of(strsep(&value, "/")));
    FILL(facts->instance_metadata_tags, long_of(strsep(&value, "/")));
}

static void read_groups(char *value, struct launch_facts *facts)
{
    if (facts->security_group_count > 0)
        return;
    for (char *id = strsep(&value, ","); id != NULL; id = strsep(&value, ",")) {
        if (*id == '\0' || strlen(id) >= EC2_ID_BYTES ||
            facts->security_group_count == EC2_SECURITY_GROUPS_MAX)
            continue;
        (void)snprintf(facts->security_groups[facts->security_group_count++], EC2_ID_BYTES, "%s",
                       id);
    }
}

static void read_item(char *item, struct launch_facts *facts)
{
    char *value = strchr(item, '=');

    if (item[0] == '+')
        FILL(facts->lost, item + 1);
    if (value == NULL)
        return;
    *value++ = '\0';
    parse_unescape(value);
    if (strcmp(item, "type") == 0)
        FILL(facts->type, value);
    else if (strcmp(item, "subnet") == 0)
        FILL(facts->subnet, value);
    else if (strcmp(item, "zone") == 0)
        FILL(facts->zone, value);
    else if (strcmp(item, "tenancy") == 0)
        FILL(facts->tenancy, value);
    else if (strcmp(item, "key") == 0)
        FILL(facts->key_name, value);
    else if (strcmp(item, "profile") == 0)
        FILL(facts->profile, value);
    else if (strcmp(item, "ip") == 0)
        FILL(facts->private_ip, value);
    else if (strcmp(item, "name") == 0)
        FILL(facts->name, value);
    else if (strcmp(item, "sg") == 0)
        read_groups(value, facts);
    else if (strcmp(item, "imds") == 0)
        read_imds(value, facts);
}

void launch_facts_read(const char *text, struct launch_facts *facts)
{
    char copy[4 * TAG_VALUE_CHARS_MAX + 1], *rest = copy;

    if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
        return; /* no tag is that long */
    for (char *item = strsep(&rest, " "); item != NULL; item = strsep(&rest, " "))
        read_item(item, facts);
}
