/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/iam_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/daemon/iam_rules.h"
#include "agent/daemon/restore_plan.h"

enum { WORD_BYTES = 64 };

const char *const *iam_role_names(void)
{
    static const char *const names[] = {"node", "pruner", "restore", NULL};

    return names;
}

const char *const *iam_with_names(void)
{
    static const char *const names[] = {"verify", "rollback", NULL};

    return names;
}

/* --- making ----------------------------------------------------------------------------------- */

/* A document that grows; a value that can't be made (no memory) leaves OK false. */
struct making {
    const struct iam_policy_want *want;
    unsigned have; /* IAM_WITH_… */
    const char *partition;
    const char *region; /* "*" where it is not known */
    json_t *statements;
    bool ok;
};

static const char *partition_of(const char *region)
{
    static const struct {
        const char *prefix, *partition;
    } known[] = {
        {"cn-", "aws-cn"},         {"us-gov-", "aws-us-gov"}, {"us-isob-", "aws-iso-b"},
        {"us-isof-", "aws-iso-f"}, {"eu-isoe-", "aws-iso-e"}, {"us-iso-", "aws-iso"},
        {"eusc-", "aws-eusc"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strncmp(region, known[i].prefix, strlen(known[i].prefix)) == 0)
            return known[i].partition;
    }
    return "aws";
}

static bool is_known(const char *text)
{
    return text != NULL && *text != '\0';
}

/* Swallows VALUE. */
static void put(struct making *making, json_t *object, const char *key, json_t *take_value)
{
    if (json_object_set_new(object, key, take_value) != 0)
        making->ok = false;
}

/* OBJECT[KEY], made where it is not there. */
static json_t *inner(struct making *making, json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    if (value == NULL) {
        put(making, object, key, json_object());
        value = json_object_get(object, key);
    }
    return value;
}

static void condition(struct making *making, json_t *conditions, const char *operation,
                      const char *key, json_t *take_value)
{
    put(making, inner(making, conditions, operation), key, take_value);
}

/* The words of TEXT that LIST has not, PREFIX before each. */
static void add_words(struct making *making, json_t *list, const char *prefix, const char *text)
{
    const json_t *known;
    size_t i;

    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        json_t *word = json_sprintf("%s%.*s", prefix, (int)len, text);
        json_array_foreach(list, i, known)
        {
            if (json_equal(known, word))
                break;
        }
        if (i < json_array_size(list))
            json_decref(word);
        else if (json_array_append_new(list, word) != 0)
            making->ok = false;
        text += len;
        text += strspn(text, " ");
    }
}

/* A list of one as the text that it is: IAM counts each character. Swallows LIST. */
static json_t *simple(json_t *take_list)
{
    if (json_array_size(take_list) != 1)
        return take_list;
    json_t *one = json_incref(json_array_get(take_list, 0));
    json_decref(take_list);
    return one;
}

static json_t *words(struct making *making, const char *prefix, const char *text)
{
    json_t *list = json_array();

    add_words(making, list, prefix, text);
    return simple(list);
}

/* An image's and a snapshot's ARN have no account. */
static json_t *resources(struct making *making, const char *kinds)
{
    const char *account = is_known(making->want->account) ? making->want->account : "*";
    json_t *list = json_array();
    char kind[WORD_BYTES];

    if (strcmp(kinds, "*") == 0) {
        json_decref(list);
        return json_string("*");
    }
    while (*kinds != '\0') {
        size_t len = strcspn(kinds, " ");
        (void)snprintf(kind, sizeof(kind), "%.*s", (int)len, kinds);
        bool shared = strcmp(kind, "snapshot") == 0 || strcmp(kind, "image") == 0;
        if (json_array_append_new(list,
                                  json_sprintf("arn:%s:ec2:%s:%s:%s/*", making->partition,
                                               making->region, shared ? "" : account, kind)) != 0)
            making->ok = false;
        kinds += len;
        kinds += strspn(kinds, " ");
    }
    return simple(list);
}

/* The instance that asks is the one whose id is the value of KEY. Compared as a whole text, so that
 * no value of a tag is ever a pattern. */
static void bind_own(struct making *making, json_t *conditions, const char *key)
{
    const struct iam_policy_want *want = making->want;

    condition(making, conditions, "StringEquals", "ec2:SourceInstanceARN",
              json_sprintf("arn:%s:ec2:%s:%s:instance/${%s}", making->partition,
                           is_known(want->region) ? want->region : "${aws:RequestedRegion}",
                           is_known(want->account) ? want->account : "${aws:PrincipalAccount}",
                           key));
}

static void bind_there(struct making *making, json_t *conditions, const char *key, bool there)
{
    condition(making, conditions, "Null", key, json_string(there ? "false" : "true"));
}

/* Whose it is, and of which set, is said once: when it is made. */
static void bind_retag(struct making *making, json_t *conditions)
{
    condition(making, conditions, "ForAllValues:StringLike", "aws:TagKeys",
              json_pack("[s,s]", "stillpoint:*", "Name"));
    bind_there(making, conditions, "aws:RequestTag/stillpoint:id", false);
    bind_there(making, conditions, "aws:RequestTag/stillpoint:instance", false);
}

static void bind(struct making *making, json_t *conditions, enum iam_bound bound)
{
    static const char resource_id[] = "aws:ResourceTag/stillpoint:id";
    static const char resource_loan[] = "aws:ResourceTag/stillpoint:loan";
    static const char resource_instance[] = "aws:ResourceTag/stillpoint:instance";
    static const char request_loan[] = "aws:RequestTag/stillpoint:loan";
    static const char request_instance[] = "aws:RequestTag/stillpoint:instance";

    if (bound == IAM_OWN_INSTANCE || bound == IAM_OWN_INSTANCE_RETAG)
        bind_own(making, conditions, "ec2:InstanceID");
    else if (bound == IAM_OWN_NEW || bound == IAM_OWN_NEW_LOAN)
        bind_own(making, conditions, request_instance);
    else if (bound == IAM_OWN || bound == IAM_OWN_LOAN || bound == IAM_OWN_RETAG)
        bind_own(making, conditions, resource_instance);
    if (bound == IAM_OURS || bound == IAM_OURS_RETAG)
        bind_there(making, conditions, resource_id, true);
    if (bound == IAM_OURS_IMAGE_OF)
        bind_there(making, conditions, "aws:ResourceTag/stillpoint:image-of", true);
    if (bound == IAM_OURS_STRAY)
        bind_there(making, conditions, "aws:ResourceTag/stillpoint:state", true);
    if (bound == IAM_OWN_LOAN || bound == IAM_LOAN)
        bind_there(making, conditions, resource_loan, true);
    if (bound == IAM_LAUNCHED)
        bind_there(making, conditions, "aws:ResourceTag/" RESTORE_TAG_LAUNCH, true);
    if (bound == IAM_OWN_NEW_LOAN || bound == IAM_NEW_LOAN)
        bind_there(making, conditions, request_loan, true);
    if (bound == IAM_OWN_RETAG || bound == IAM_OWN_INSTANCE_RETAG || bound == IAM_OURS_RETAG)
        bind_retag(making, conditions);
}

static void add_statement(struct making *making, const char *sid, json_t *take_actions,
                          json_t *take_resources, json_t *take_conditions)
{
    json_t *statement = json_pack("{s:s,s:s,s:o,s:o}", "Sid", sid, "Effect", "Allow", "Action",
                                  take_actions, "Resource", take_resources);

    if (json_object_size(take_conditions) > 0)
        put(making, statement, "Condition", json_incref(take_conditions));
    json_decref(take_conditions);
    if (json_array_append_new(making->statements, statement) != 0)
        making->ok = false;
}

static bool is_wanted(const struct making *making, const struct iam_rule *rule)
{
    return rule->role == making->want->role && (rule->when & ~making->have) == 0;
}

/* Whether the two are one statement: iam_rules.h. */
static bool is_same(const struct iam_rule *a, const struct iam_rule *b)
{
    return strcmp(a->resources, b->resources) == 0 && a->bound == b->bound &&
           (a->made_by[0] == '\0') == (b->made_by[0] == '\0');
}

static bool is_first(const struct making *making, const struct iam_rule *rule)
{
    for (const struct iam_rule *before = iam_rules; before < rule; before++) {
        if (is_wanted(making, before) && is_same(before, rule))
            return false;
    }
    return true;
}

static void add_rule(struct making *making, const struct iam_rule *rule)
{
    json_t *conditions = json_object(), *actions = json_array(), *made_by = json_array();

    for (const struct iam_rule *other = rule; other->sid != NULL; other++) {
        if (!is_wanted(making, other) || !is_same(other, rule))
            continue;
        add_words(making, actions, "ec2:", other->actions);
        add_words(making, made_by, "", other->made_by);
    }
    bind(making, conditions, rule->bound);
    if (json_array_size(made_by) > 0)
        condition(making, conditions, "StringEquals", "ec2:CreateAction",
                  simple(json_incref(made_by)));
    json_decref(made_by);
    if (strcmp(rule->resources, "*") == 0 && strcmp(making->region, "*") != 0)
        condition(making, conditions, "StringEquals", "aws:RequestedRegion",
                  json_string(making->region)); /* the other resources name it */
    add_statement(making, rule->sid, simple(actions), resources(making, rule->resources),
                  conditions);
}

static json_t *texts(struct making *making, const struct strs *strs)
{
    json_t *list = json_array();

    for (size_t i = 0; i < strs->count; i++) {
        if (json_array_append_new(list, json_string(strs->items[i])) != 0)
            making->ok = false;
    }
    return simple(list);
}

/* What EBS does with a key for the caller: through EC2 only, and grants for its resources only (the
 * other actions have no such key, and it is asked for where there is one). */
static void add_keys(struct making *making)
{
    json_t *conditions = json_object();

    condition(making, conditions, "StringLike", "kms:ViaService",
              json_sprintf("ec2.%s.amazonaws.com*", making->region));
    condition(making, conditions, "BoolIfExists", "kms:GrantIsForAWSResource", json_string("true"));
    add_statement(making, "Keys",
                  words(making, "kms:",
                        "DescribeKey Decrypt GenerateDataKeyWithoutPlaintext ReEncryptFrom "
                        "ReEncryptTo CreateGrant"),
                  texts(making, &making->want->kms_keys), conditions);
}

static void add_pass_roles(struct making *making)
{
    bool china = strcmp(making->partition, "aws-cn") == 0;
    json_t *conditions = json_object();

    condition(making, conditions, "StringEquals", "iam:PassedToService",
              json_string(china ? "ec2.amazonaws.com.cn" : "ec2.amazonaws.com"));
    add_statement(making, "PassRole", words(making, "", "iam:PassRole"),
                  texts(making, &making->want->pass_roles), conditions);
}

static bool check(const struct iam_policy_want *want, struct err *err)
{
    const char *role = iam_role_names()[want->role];

    if (want->role != IAM_NODE && want->with != 0) {
        (void)err_set(err, ERR_USAGE, 0, "--with is for the role node, not for %s", role);
        return err_suggest(err, "leave it out: that role has all that it needs");
    }
    if (want->role != IAM_NODE && want->billed) {
        (void)err_set(err, ERR_USAGE, 0, "--billed is for the role node, not for %s", role);
        return err_suggest(err, "leave it out: that role makes no image");
    }
    if (want->role != IAM_RESTORE && want->pass_roles.count > 0) {
        (void)err_set(err, ERR_USAGE, 0, "--pass-role is for the role restore, not for %s", role);
        return err_suggest(err, "leave it out: that role launches no instance");
    }
    if (want->kms_keys.count > 0 &&
        (want->role == IAM_PRUNER || (want->role == IAM_NODE && want->with == 0))) {
        (void)err_set(err, ERR_USAGE, 0, "--kms-key: the role %s uses no key", role);
        return err_suggest(err, want->role == IAM_NODE
                                    ? "snapshots of encrypted volumes need none: leave it out, or "
                                      "add --with verify"
                                    : "leave it out");
    }
    return true;
}

static bool check_size(const json_t *policy, struct err *err)
{
    AUTO_FREE char *text = json_dumps(policy, JSON_COMPACT);
    size_t len = text != NULL ? strlen(text) : 0;

    if (text == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    if (len <= IAM_POLICY_CHARS_MAX)
        return true;
    (void)err_set(err, ERR_LIMIT, 0, "the policy has %zu characters, and IAM takes %d", len,
                  IAM_POLICY_CHARS_MAX);
    return err_suggest(err, "name fewer keys or roles at a time, and attach several policies");
}

bool iam_policy_make(const struct iam_policy_want *want, json_t **ret_policy, struct err *err)
{
    struct making making = {
        .want = want, .have = want->with, .statements = json_array(), .ok = true};

    if (want->image)
        making.have |= want->billed ? IAM_WITH_CREATE_IMAGE : IAM_WITH_REGISTER_IMAGE;
    if (!check(want, err)) {
        json_decref(making.statements);
        return false;
    }
    making.region = is_known(want->region) ? want->region : "*";
    making.partition = partition_of(making.region);
    for (const struct iam_rule *rule = iam_rules; rule->sid != NULL; rule++) {
        if (is_wanted(&making, rule) && is_first(&making, rule))
            add_rule(&making, rule);
    }
    if (want->kms_keys.count > 0)
        add_keys(&making);
    if (want->pass_roles.count > 0)
        add_pass_roles(&making);
    json_t *policy = json_pack("{s:s,s:o}", "Version", "2012-10-17", "Statement",
                               making.statements); /* without the version no variable is one */
    if (policy == NULL || !making.ok) {
        json_decref(policy);
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    }
    if (!check_size(policy, err)) {
        json_decref(policy);
        return false;
    }
    *ret_policy = policy;
    return true;
}
