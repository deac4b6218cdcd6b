/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/iam_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char key_arn[] =
    "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
static const char role_arn[] = "arn:aws:iam::123456789012:role/service-role/kaltura-node";

/* The policy as one line; the caller's. */
static char *make(const struct iam_policy_want *want)
{
    struct err err = ERR_INIT;
    json_t *policy = NULL;

    if (!iam_policy_make(want, &policy, &err))
        fail_msg("%s", err.text);
    char *text = json_dumps(policy, JSON_COMPACT);
    json_decref(policy);
    assert_non_null(text);
    return text;
}

static void has(const struct iam_policy_want *want, const char *piece, bool there)
{
    char *text = make(want);

    if ((strstr(text, piece) != NULL) != there)
        fail_msg("%s %s: %s", piece, there ? "is missing" : "is there", text);
    free(text);
}

static void refused(const struct iam_policy_want *want, enum err_kind kind, const char *text)
{
    struct err err = ERR_INIT;
    json_t *policy = NULL;

    assert_false(iam_policy_make(want, &policy, &err));
    assert_null(policy);
    assert_int_equal(err.kind, kind);
    assert_non_null(strstr(err.text, text));
    assert_true(err.remedy[0] != '\0');
}

static struct strs several(const char *text, size_t count)
{
    struct strs strs = {NULL, 0};
    struct err err = ERR_INIT;

    for (size_t i = 0; i < count; i++)
        assert_true(strs_printf(&strs, &err, "%s%zu", text, i));
    return strs;
}

static void every_combination_stays_below_what_iam_takes(void **state)
{
    (void)state;
    struct strs keys = several(key_arn, 3), roles = several(role_arn, 4), none = {NULL, 0};

    for (int bits = 0; bits < 32; bits++) {
        struct iam_policy_want want = {
            .role = IAM_NODE,
            .with = (unsigned)bits & (IAM_WITH_VERIFY | IAM_WITH_ROLLBACK),
            .image = (bits & 4) != 0,
            .billed = (bits & 8) != 0,
            .region = (bits & 16) != 0 ? "us-gov-west-1" : NULL,
        };
        want.kms_keys = want.with != 0 ? keys : none;
        free(make(&want));
    }
    free(make(&(struct iam_policy_want){.role = IAM_PRUNER}));
    free(make(&(struct iam_policy_want){
        .role = IAM_RESTORE, .region = "ap-southeast-1", .kms_keys = keys, .pass_roles = roles}));
    strs_free(&keys);
    strs_free(&roles);
}

static void one_that_is_longer_is_refused(void **state)
{
    (void)state;
    struct strs keys = several(key_arn, 60);

    refused(&(struct iam_policy_want){.role = IAM_RESTORE, .kms_keys = keys}, ERR_LIMIT,
            "IAM takes 6144");
    strs_free(&keys);
}

static void no_node_may_delete_a_backup(void **state)
{
    (void)state;

    for (int bits = 0; bits < 16; bits++) {
        const struct iam_policy_want want = {
            .role = IAM_NODE,
            .with = (unsigned)bits & 3,
            .image = (bits & 4) != 0,
            .billed = (bits & 8) != 0,
        };
        has(&want, "DeleteSnapshot", false);
        has(&want, "DeregisterImage", false);
        has(&want, "TerminateInstances", false);
        has(&want, "\"ec2:*\"", false);
    }
}

/* Each action is EC2's, and stands with resources of its own: nothing but Describe… is for "*". */
static void only_looking_is_for_everything(void **state)
{
    (void)state;

    for (enum iam_role role = IAM_NODE; role < IAM_ROLE_COUNT; role++) {
        const struct iam_policy_want want = {
            .role = role, .with = role == IAM_NODE ? 3 : 0, .image = true};
        struct err err = ERR_INIT;
        json_t *policy = NULL, *statement, *action;
        size_t i, j;
        assert_true(iam_policy_make(&want, &policy, &err));
        assert_string_equal(json_string_value(json_object_get(policy, "Version")), "2012-10-17");
        json_array_foreach(json_object_get(policy, "Statement"), i, statement)
        {
            const char *all = json_string_value(json_object_get(statement, "Resource"));
            assert_non_null(json_object_get(statement, "Sid"));
            if (all == NULL || strcmp(all, "*") != 0)
                continue;
            json_array_foreach(json_object_get(statement, "Action"), j, action)
                assert_int_equal(strncmp(json_string_value(action), "ec2:Describe", 12), 0);
        }
        json_decref(policy);
    }
}

static void the_policy_follows_the_configuration(void **state)
{
    (void)state;
    struct iam_policy_want want = {.role = IAM_NODE, .image = true};

    has(&want, "\"ec2:RegisterImage\"", true);
    has(&want, "\"ec2:GetInstanceUefiData\"", true);
    has(&want, "\"ec2:CreateImage\"", false);
    has(&want, "ec2:CreateVolume", false);
    want.billed = true;
    has(&want, "\"ec2:RegisterImage\"", false);
    has(&want, "\"ec2:GetInstanceUefiData\"", false);
    has(&want, "\"ec2:CreateImage\"", true);
    want.image = false;
    has(&want, "\"ec2:CreateImage\"", false);
    want.with = IAM_WITH_VERIFY;
    has(&want, "\"ec2:CreateVolume\"", true);
    has(&want, "ec2:CreateReplaceRootVolumeTask", false);
    want.with = IAM_WITH_ROLLBACK;
    has(&want, "ec2:CreateReplaceRootVolumeTask", true);
}

static void region_and_account_stand_where_they_are_known(void **state)
{
    (void)state;
    struct iam_policy_want want = {.role = IAM_NODE, .image = true};

    has(&want,
        "arn:aws:ec2:${aws:RequestedRegion}:${aws:PrincipalAccount}:instance/${ec2:InstanceID}",
        true);
    has(&want, "\"arn:aws:ec2:*:*:instance/*\"", true);
    has(&want, "\"arn:aws:ec2:*::snapshot/*\"", true);
    want.region = "eu-west-1";
    want.account = "123456789012";
    has(&want, "arn:aws:ec2:eu-west-1:123456789012:instance/${ec2:InstanceID}", true);
    has(&want, "\"arn:aws:ec2:eu-west-1::snapshot/*\"", true);
    has(&want, "\"aws:RequestedRegion\":\"eu-west-1\"", true);
    has(&want, ":*:", false);
    want.account = "";
    want.region = "cn-north-1";
    has(&want, "arn:aws-cn:ec2:cn-north-1:${aws:PrincipalAccount}:instance/", true);
    want.region = "us-gov-east-1";
    has(&want, "arn:aws-us-gov:ec2:us-gov-east-1:", true);
}

static void keys_and_roles_are_those_that_were_named(void **state)
{
    (void)state;
    struct strs keys = several(key_arn, 1), roles = several(role_arn, 1);
    struct iam_policy_want want = {.role = IAM_RESTORE, .region = "eu-west-1"};

    has(&want, "kms:", false);
    has(&want, "iam:PassRole", false);
    want.kms_keys = keys;
    want.pass_roles = roles;
    has(&want, "\"kms:GrantIsForAWSResource\":\"true\"", true);
    has(&want, "\"kms:ViaService\":\"ec2.eu-west-1.amazonaws.com*\"", true);
    has(&want, "\"iam:PassedToService\":\"ec2.amazonaws.com\"", true);
    want.region = "cn-north-1";
    has(&want, "\"iam:PassedToService\":\"ec2.amazonaws.com.cn\"", true);
    has(&want, "ec2:TerminateInstances", false);
    strs_free(&keys);
    strs_free(&roles);
}

static void what_a_role_has_no_use_for_is_refused(void **state)
{
    (void)state;
    struct strs keys = several(key_arn, 1), roles = several(role_arn, 1);

    refused(&(struct iam_policy_want){.role = IAM_PRUNER, .with = IAM_WITH_VERIFY}, ERR_USAGE,
            "--with is for the role node, not for pruner");
    refused(&(struct iam_policy_want){.role = IAM_RESTORE, .billed = true}, ERR_USAGE,
            "--billed is for the role node, not for restore");
    refused(&(struct iam_policy_want){.role = IAM_NODE, .pass_roles = roles}, ERR_USAGE,
            "--pass-role is for the role restore, not for node");
    refused(&(struct iam_policy_want){.role = IAM_PRUNER, .kms_keys = keys}, ERR_USAGE,
            "--kms-key: the role pruner uses no key");
    refused(&(struct iam_policy_want){.role = IAM_NODE, .kms_keys = keys}, ERR_USAGE,
            "--kms-key: the role node uses no key");
    strs_free(&keys);
    strs_free(&roles);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination_stays_below_what_iam_takes),
        cmocka_unit_test(one_that_is_longer_is_refused),
        cmocka_unit_test(no_node_may_delete_a_backup),
        cmocka_unit_test(only_looking_is_for_everything),
        cmocka_unit_test(the_policy_follows_the_configuration),
        cmocka_unit_test(region_and_account_stand_where_they_are_known),
        cmocka_unit_test(keys_and_roles_are_those_that_were_named),
        cmocka_unit_test(what_a_role_has_no_use_for_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
