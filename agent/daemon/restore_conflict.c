/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/restore_conflict.h"

#include <stdio.h>
#include <string.h>

enum { FILTER_VALUE_BYTES = 2 * LAUNCH_NAME_BYTES };

static const char *const live[] = {"pending", "running", "stopping", "stopped"};

/* EC2's filters take '*' and '?' for wildcards. */
static void escape(const char *text, char *ret_value)
{
    for (; *text != '\0'; text++) {
        if (strchr("*?\\", *text) != NULL)
            *ret_value++ = '\\';
        *ret_value++ = *text;
    }
    *ret_value = '\0';
}

struct found {
    const char *token, *name, *address, *subnet; /* looked for; NULL: not so */
    char id[EC2_ID_BYTES], state[EC2_ID_BYTES];
};

static bool tag_is(const struct ec2_instance *instance, const char *key, const char *value)
{
    const char *tag = ec2_tags_get(&instance->tags, key);

    return tag != NULL && strcmp(tag, value) == 0;
}

static bool take_first(void *self, const struct ec2_instance *instance, struct err *err)
{
    struct found *found = self;
    bool own = tag_is(instance, RESTORE_TAG_LAUNCH, found->token);
    bool meant = found->name != NULL ? !own && tag_is(instance, "Name", found->name)
                 : found->address != NULL
                     ? !own && strcmp(instance->private_ip, found->address) == 0 &&
                           strcmp(instance->subnet_id, found->subnet) == 0
                     : own;

    (void)err;
    if (!meant || found->id[0] != '\0')
        return true;
    memcpy(found->id, instance->id, sizeof(found->id));
    memcpy(found->state, instance->state, sizeof(found->state));
    return true;
}

static bool look(struct work *work, const char *filter, const char *value, struct found *found,
                 int64_t deadline_ms, struct err *err)
{
    const struct ec2_filter filters[] = {
        {filter, &value, 1},
        {"instance-state-name", live, sizeof(live) / sizeof(live[0])},
    };

    return ec2_list_instances(work->ec2, NULL, 0, filters, 2, deadline_ms, &work->job->cancel,
                              take_first, found, err) ||
           err_wrap(err, "looking for nodes in the way");
}

static bool check_name(struct work *work, const struct restore_request *request,
                       struct restore_plan *plan, int64_t deadline_ms, struct err *err)
{
    struct found found = {.token = plan->token, .name = plan->facts.name};
    char value[FILTER_VALUE_BYTES];

    escape(plan->facts.name, value);
    if (!look(work, "tag:Name", value, &found, deadline_ms, err))
        return false;
    if (found.id[0] == '\0')
        return true;
    if (request->replace)
        return restore_plan_note(
            work, plan,
            "take the old one out of service: stop or terminate it, or name it "
            "otherwise",
            err, "%s, which is %s, is called \"%.200s\" too", found.id, found.state,
            plan->facts.name);
    (void)err_set(err, ERR_PRECONDITION, 0, "%s, which is %s, is called \"%.200s\" already",
                  found.id, found.state, plan->facts.name);
    return err_suggest(err, "give the new node another name (--name), or say --replace where it is "
                            "to take that one's place");
}

/* Asked for by name: there is no way round it. */
static bool refuse_address(const char *address, const struct found *found, struct err *err)
{
    (void)err_set(err, ERR_PRECONDITION, 0, "%s is the address of %s, which is %s", address,
                  found->id, found->state);
    return err_suggest(err,
                       "an address is free once its instance is terminated (a stopped one keeps "
                       "it): terminate %s first, or leave --private-ip out",
                       found->id);
}

static bool check_address(struct work *work, const struct restore_request *request,
                          struct restore_plan *plan, int64_t deadline_ms, struct err *err)
{
    const char *original = plan->facts.private_ip;
    const char *address = request->private_ip != NULL ? request->private_ip : original;
    struct found found = {.token = plan->token, .address = address, .subnet = plan->facts.subnet};

    /* Another subnet has other addresses. */
    if (request->private_ip == NULL &&
        (!request->replace || original[0] == '\0' || request->subnet != NULL))
        return true;
    if (!look(work, "private-ip-address", address, &found, deadline_ms, err))
        return false;
    if (found.id[0] == '\0') {
        (void)snprintf(plan->address, sizeof(plan->address), "%s", address);
        return true;
    }
    if (request->private_ip != NULL)
        return refuse_address(address, &found, err);
    plan->less = true;
    return restore_plan_note(work, plan,
                             "to have it, terminate the old one, then the new one, and restore "
                             "again with --replace --another",
                             err,
                             "%s, which is %s, has the original's address %s: the new node "
                             "gets another one",
                             found.id, found.state, address);
}

bool restore_conflict_check(struct work *work, const struct restore_request *request,
                            struct restore_plan *plan, int64_t deadline_ms, struct err *err)
{
    struct found found = {.token = plan->token};

    if (!look(work, "tag:" RESTORE_TAG_LAUNCH, plan->token, &found, deadline_ms, err))
        return false;
    memcpy(plan->running, found.id, sizeof(plan->running));
    return check_name(work, request, plan, deadline_ms, err) &&
           check_address(work, request, plan, deadline_ms, err);
}
