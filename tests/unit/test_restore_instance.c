/* SPDX-License-Identifier: BSD-2-Clause */
/* `restore instance` from its request to its last word, before a scripted EC2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/daemon/commands.h"
#include "agent/daemon/config.h"
#include "tests/unit/fake_http.h"
#include "tests/unit/work_scene.h"

#define ID    "sp-20261124T081530Z-k3f9x"
#define ROOT  "snap-0a"
#define DATA  "snap-0b"
#define FROM  "i-0123456789abcdef0"
#define MADE  "i-0fedcba9876543210"
#define IMAGE "ami-01"

#define REFUSED(code, message)                                                                     \
    "<Response><Errors><Error><Code>" code "</Code><Message>" message                              \
    "</Message></Error></Errors><RequestID>r</RequestID></Response>"
#define DRY_RUN_OK      REFUSED("DryRunOperation", "would")
#define TAG(key, value) "<item><key>" key "</key><value>" value "</value></item>"
#define COMMON                                                                                     \
    TAG("stillpoint:id", ID)                                                                       \
    TAG("stillpoint:instance", FROM)                                                               \
    TAG("stillpoint:node", "db1")                                                                  \
    TAG("stillpoint:members", "2") TAG("stillpoint:consistency", "application")
#define TAGS(more) "<tagSet>" COMMON more "</tagSet>"
#define COMPLETE   TAG("stillpoint:state", "complete")
#define SNAPSHOT(id, volume, device, more)                                                         \
    "<item><snapshotId>" id "</snapshotId><volumeId>" volume                                       \
    "</volumeId><status>completed</status><storageTier>standard</storageTier>"                     \
    "<volumeSize>8</volumeSize><tagSet>" COMMON TAG("stillpoint:device", device) more              \
        "</tagSet></item>"
#define SNAPSHOTS(inside)                                                                          \
    "<DescribeSnapshotsResponse><snapshotSet>" inside "</snapshotSet></DescribeSnapshotsResponse>"
#define SET(more)                                                                                  \
    SNAPSHOTS(SNAPSHOT(ROOT, "vol-0a", "/dev/xvda", more)                                          \
                  SNAPSHOT(DATA, "vol-0b", "/dev/sdf", more))
#define MAPPED(device, snapshot)                                                                   \
    "<item><deviceName>" device "</deviceName><ebs><snapshotId>" snapshot                          \
    "</snapshotId></ebs></item>"
#define IMAGES(mappings, more)                                                                     \
    "<DescribeImagesResponse><imagesSet><item><imageId>" IMAGE                                     \
    "</imageId><imageState>available</imageState><rootDeviceName>/dev/xvda</rootDeviceName>"       \
    "<architecture>x86_64</architecture><blockDeviceMapping>" mappings                             \
    "</blockDeviceMapping>" TAGS(more) "</item></imagesSet></DescribeImagesResponse>"
#define BOTH        MAPPED("/dev/xvda", ROOT) MAPPED("/dev/sdf", DATA)
#define IMAGE_OF_IT IMAGES(BOTH, COMPLETE TAG("stillpoint:image", "register"))
#define NO_IMAGE    "<DescribeImagesResponse><imagesSet/></DescribeImagesResponse>"
#define INSTANCES(inside)                                                                          \
    "<DescribeInstancesResponse><reservationSet>" inside                                           \
    "</reservationSet></DescribeInstancesResponse>"
#define NOBODY INSTANCES("")
#define INSTANCE(id, state, more)                                                                  \
    "<item><instancesSet><item><instanceId>" id "</instanceId><instanceState><name>" state         \
    "</name></instanceState>" more "</item></instancesSet></item>"
#define ORIGINAL                                                                                   \
    INSTANCES(INSTANCE(FROM, "running",                                                            \
                       "<instanceType>m5.large</instanceType><subnetId>subnet-1</subnetId>"        \
                       "<placement><availabilityZone>eu-west-1a</availabilityZone></placement>"    \
                       "<privateIpAddress>10.0.0.9</privateIpAddress><keyName>ops</keyName>"       \
                       "<iamInstanceProfile><arn>arn:aws:iam::1:instance-profile/node</arn>"       \
                       "</iamInstanceProfile><groupSet><item><groupId>sg-1</groupId></item>"       \
                       "</groupSet><metadataOptions><httpTokens>required</httpTokens>"             \
                       "</metadataOptions><tagSet>" TAG("Name", "db1") TAG("Env", "prod")          \
                           TAG("stillpoint:rollback", "x") "</tagSet>"))
#define USER_DATA                                                                                  \
    "<DescribeInstanceAttributeResponse><userData><value>IyEvYmluL3No</value></userData>"          \
    "</DescribeInstanceAttributeResponse>"
#define LAUNCHED(state)                                                                            \
    "<RunInstancesResponse><instancesSet><item><instanceId>" MADE                                  \
    "</instanceId><instanceState><name>" state "</name></instanceState></item></instancesSet>"     \
    "</RunInstancesResponse>"
#define STATE(state, more) INSTANCES(INSTANCE(MADE, state, more))
#define VOLUMES                                                                                    \
    "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-9</volumeId><status>in-use</status>"  \
    "<size>8</size><snapshotId>" ROOT "</snapshotId><attachmentSet><item><instanceId>" MADE        \
    "</instanceId><device>/dev/xvda</device></item></attachmentSet></item></volumeSet>"            \
    "</DescribeVolumesResponse>"
#define LAUNCH_TAG                                                                                 \
    TAG("stillpoint:launch", "type=t3.small subnet=subnet-7 sg=sg-7,sg-8 profile=node key=ops "    \
                             "ip=10.0.7.7 name=old\\040name")

/* What is asked in this order, up to the question that a test is about. */
#define FOUND   SET(COMPLETE), IMAGE_OF_IT, IMAGE_OF_IT
#define NO_FOES NOBODY, NOBODY
enum { ASKED_ORIGINAL = 3, ASKED_TOKEN, ASKED_NAME, ASKED_USER_DATA, DRY, RUN };

struct scene {
    struct work_scene base;
    struct config config;
    json_t *last; /* the last word */
};

static const char *text_of(const struct scene *scene, const char *key)
{
    const char *text = json_string_value(json_object_get(scene->last, key));

    return text != NULL ? text : "";
}

static int exit_of(const struct scene *scene)
{
    return (int)json_integer_value(json_object_get(scene->last, "exit"));
}

static const char *datum(const struct scene *scene, const char *key)
{
    const char *text =
        json_string_value(json_object_get(json_object_get(scene->last, "data"), key));

    return text != NULL ? text : "";
}

static json_t *last_word(const char *lines)
{
    json_t *last = NULL;

    for (const char *line = lines; *line != '\0'; line = strchr(line, '\n') + 1) {
        json_decref(last);
        last = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
        assert_non_null(last);
    }
    return last;
}

/* Runs the command with ARGS, a JSON object with ' for ". */
static void run(struct scene *scene, const char *args, const char *const *answers, size_t count)
{
    char json[1024];

    memset(scene, 0, sizeof(*scene));
    work_scene_open(&scene->base, answers, count);
    (void)snprintf(json, sizeof(json), "%s", args);
    for (char *c = json; *c != '\0'; c++)
        *c = *c == '\'' ? '"' : *c;
    scene->config.aws.identity = CONFIG_IDENTITY_NONE;
    scene->config.aws.region = (char *)(uintptr_t) "eu-west-1";
    scene->config.aws.endpoint_ec2 = (char *)(uintptr_t)fake_http_url(scene->base.fake.http);
    scene->config.aws.ca_bundle = (char *)(uintptr_t)fake_http_ca(scene->base.fake.http);
    scene->base.agent.config = &scene->config;
    scene->base.agent.credentials = scene->base.fake.credentials;
    scene->base.job.deaf = false;
    scene->base.job.cmd = "restore-instance";
    scene->base.job.step = "";
    scene->base.job.events = (struct buf)BUF_INIT(JOB_EVENTS_BYTES_MAX);
    scene->base.job.args = json_loads(json, 0, NULL);
    assert_non_null(scene->base.job.args);
    restore_instance_command(&scene->base.job);
    scene->last = last_word(buf_text(&scene->base.job.events));
    assert_non_null(scene->last);
}

static void end(struct scene *scene)
{
    json_decref(scene->last);
    json_decref(scene->base.job.args);
    buf_free(&scene->base.job.events);
    work_scene_close(&scene->base);
}

#define RUN_WITH(scene, args, answers)                                                             \
    run((scene), "{'id':'" ID "'" args "}", (answers), sizeof(answers) / sizeof((answers)[0]))

static void assert_asked(struct scene *scene, int n, const char *parameter)
{
    fake_ec2_assert_has(&scene->base.fake, n, parameter);
}

static void assert_refused(struct scene *scene, int exit_code, const char *text, const char *remedy)
{
    if (exit_of(scene) != exit_code || strstr(text_of(scene, "text"), text) == NULL ||
        strstr(text_of(scene, "remedy"), remedy) == NULL)
        fail_msg("exit %d: %s | %s", exit_of(scene), text_of(scene, "text"),
                 text_of(scene, "remedy"));
}

/* --- the launch ----------------------------------------------------------------------------- */

static void a_new_node_is_launched_as_the_original_was(void **state)
{
    static const char *const answers[] = {
        FOUND,
        ORIGINAL,
        NO_FOES,
        USER_DATA,
        DRY_RUN_OK,
        LAUNCHED("pending"),
        STATE("pending", ""),
        STATE("running", "<privateIpAddress>10.0.0.77</privateIpAddress>"),
        VOLUMES};
    static const char *const want[] = {
        "Action=RunInstances",
        "ImageId=ami-01",
        "InstanceType=m5.large",
        "SubnetId=subnet-1",
        "KeyName=ops",
        "IamInstanceProfile.Arn=arn:aws:iam::1:instance-profile/node",
        "SecurityGroupId.1=sg-1",
        "MetadataOptions.HttpTokens=required",
        "UserData=IyEvYmluL3No",
        "TagSpecification.1.Tag.1.Key=Name",
        "TagSpecification.1.Tag.1.Value=new",
        "TagSpecification.1.Tag.2.Key=stillpoint:restored-from",
        "TagSpecification.1.Tag.2.Value=sp-20261124T081530Z-k3f9x",
        "TagSpecification.1.Tag.4.Key=Env",
        "TagSpecification.2.ResourceType=volume",
        "TagSpecification.2.Tag.3.Key=stillpoint:restore",
    };
    struct scene scene;
    (void)state;

    RUN_WITH(&scene, ",'name':'new'", answers);

    assert_int_equal(exit_of(&scene), 0);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_asked(&scene, RUN, want[i]);
    assert_asked(&scene, DRY, "DryRun=true");
    fake_ec2_assert_lacks(&scene.base.fake, RUN, "DryRun");
    fake_ec2_assert_lacks(&scene.base.fake, RUN, "PrivateIpAddress");
    fake_ec2_assert_lacks(&scene.base.fake, RUN, "rollback"); /* what the original is in */
    fake_ec2_assert_lacks(&scene.base.fake, RUN, "BlockDeviceMapping");
    assert_string_equal(datum(&scene, "instance"), MADE);
    assert_string_equal(datum(&scene, "state"), "running");
    assert_string_equal(datum(&scene, "address"), "10.0.0.77");
    assert_null(strstr(buf_text(&scene.base.job.events), "IyEvYmluL3No"));
    end(&scene);
}

static void options_take_the_place_of_what_the_original_has(void **state)
{
    static const char *const answers[] = {
        FOUND,  ORIGINAL, NO_FOES, NOBODY, DRY_RUN_OK, LAUNCHED("pending"), STATE("pending", ""),
        VOLUMES};
    static const char *const want[] = {
        "InstanceType=t3.small",           "SubnetId=subnet-2", "SecurityGroupId.1=sg-8",
        "SecurityGroupId.2=sg-9",          "KeyName=mine",      "IamInstanceProfile.Name=p",
        "PrivateIpAddress=10.0.2.2",       "UserData=QUJD",     "TagSpecification.1.Tag.4.Key=A",
        "TagSpecification.1.Tag.5.Key=Env"};
    struct scene scene;
    (void)state;

    RUN_WITH(&scene,
             ",'type':'t3.small','subnet':'subnet-2','security_groups':['sg-8','sg-9'],"
             "'key':'mine','profile':'p','private_ip':'10.0.2.2','user_data':'QUJD','name':'n',"
             "'tags':{'A':'1'},'wait':'none'",
             answers);

    assert_int_equal(exit_of(&scene), 0);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_asked(&scene, RUN, want[i]);
    fake_ec2_assert_lacks(&scene.base.fake, RUN, "sg-1&");
    assert_string_equal(datum(&scene, "state"), "pending");
    end(&scene);
}

static void a_dry_run_launches_nothing_and_shows_all(void **state)
{
    static const char *const answers[] = {FOUND, ORIGINAL, NO_FOES, USER_DATA, DRY_RUN_OK};
    struct scene scene;
    (void)state;

    RUN_WITH(&scene, ",'name':'new','dry_run':true", answers);

    assert_int_equal(exit_of(&scene), 0);
    assert_string_equal(datum(&scene, "type"), "m5.large");
    assert_string_equal(datum(&scene, "instance"), "");
    assert_int_equal(
        json_array_size(json_object_get(json_object_get(scene.last, "data"), "volumes")), 2);
    end(&scene);
}

static void the_same_command_again_finds_what_it_has_launched(void **state)
{
    static const char *const first[] = {FOUND, ORIGINAL, NO_FOES, USER_DATA, DRY_RUN_OK};
    struct scene scene;
    char token[80], running[1024];
    (void)state;

    RUN_WITH(&scene, ",'name':'new','dry_run':true", first);
    (void)snprintf(token, sizeof(token), "%s", datum(&scene, "token"));
    end(&scene);
    /* It has the name, too, and is not in its own way. */
    (void)snprintf(running, sizeof(running),
                   INSTANCES(INSTANCE(MADE, "running",
                                      "<tagSet>" TAG("Name", "new")
                                          TAG("stillpoint:restore", "%s") "</tagSet>")),
                   token);
    const char *const again[] = {FOUND,     ORIGINAL, running, running,
                                 USER_DATA, running,  running, VOLUMES};

    RUN_WITH(&scene, ",'wait':'running','name':'new'", again);

    assert_int_equal(exit_of(&scene), 0);
    assert_string_equal(datum(&scene, "instance"), MADE);
    assert_true(json_is_true(json_object_get(json_object_get(scene.last, "data"), "existed")));
    for (int n = 0; n < 7; n++)
        fake_ec2_assert_lacks(&scene.base.fake, n, "RunInstances");
    end(&scene);
}

static void another_token_is_made_for_another_option_or_another(void **state)
{
    static const char *const answers[] = {FOUND, ORIGINAL, NO_FOES, USER_DATA, DRY_RUN_OK};
    static const char *const args[] = {"{'id':'" ID "','dry_run':true}",
                                       "{'id':'20261124T081530Z','dry_run':true,'wait':'none'}",
                                       "{'id':'" ID "','dry_run':true,'type':'m5.large'}",
                                       "{'id':'" ID "','dry_run':true,'another':true}",
                                       "{'id':'" ID "','dry_run':true,'another':true}"};
    /* A prefix is looked for among all. */
    static const char *const by_prefix[] = {SET(COMPLETE), IMAGE_OF_IT, FOUND,     ORIGINAL,
                                            NO_FOES,       USER_DATA,   DRY_RUN_OK};
    char tokens[5][80];
    struct scene scene;
    (void)state;

    for (size_t i = 0; i < 5; i++) {
        run(&scene, args[i], i == 1 ? by_prefix : answers,
            sizeof(answers) / sizeof(answers[0]) + (i == 1 ? 2 : 0));
        (void)snprintf(tokens[i], sizeof(tokens[i]), "%s", datum(&scene, "token"));
        assert_true(strlen(tokens[i]) > 40 && strlen(tokens[i]) <= 64);
        end(&scene);
    }

    assert_string_equal(tokens[0], tokens[1]);
    for (size_t i = 1; i < 5; i++)
        for (size_t j = i + 1; j < 5; j++)
            assert_string_not_equal(tokens[i], tokens[j]);
}

/* --- the original ---------------------------------------------------------------------------- */

static void a_node_whose_original_is_gone_comes_from_the_tags(void **state)
{
    static const char *const answers[] = {SET(COMPLETE LAUNCH_TAG),
                                          IMAGE_OF_IT,
                                          IMAGE_OF_IT,
                                          REFUSED("InvalidInstanceID.NotFound", "no"),
                                          NO_FOES,
                                          DRY_RUN_OK};
    static const char *const want[] = {
        "InstanceType=t3.small",        "SubnetId=subnet-7",
        "SecurityGroupId.2=sg-8",       "KeyName=ops",
        "IamInstanceProfile.Name=node", "TagSpecification.1.Tag.1.Value=old name"};
    struct scene scene;
    (void)state;

    RUN_WITH(&scene, ",'dry_run':true", answers);

    assert_int_equal(exit_of(&scene), 3); /* without user data and tags */
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_asked(&scene, 6, want[i]);
    assert_non_null(strstr(buf_text(&scene.base.job.events), "and its user data with it"));
    end(&scene);
}

static void what_nobody_knows_any_more_has_to_be_given(void **state)
{
    static const char *const answers[] = {FOUND, REFUSED("InvalidInstanceID.NotFound", "no")};
    struct scene scene;
    (void)state;

    RUN_WITH(&scene, "", answers);
    assert_refused(&scene, 5, "is gone from EC2, and the backup does not say its type",
                   "give --type");
    end(&scene);
    RUN_WITH(&scene, ",'type':'t3.small','subnet':'subnet-1'", answers);
    assert_refused(&scene, 5, "does not say its security-group", "give --security-group");
    assert_string_equal(text_of(&scene, "now"), "nothing was launched");
    end(&scene);
}

static void a_zone_other_than_the_subnets_is_refused(void **state)
{
    static const char *const answers[] = {FOUND, ORIGINAL};
    struct scene scene;
    (void)state;

    RUN_WITH(&scene, ",'zone':'eu-west-1b'", answers);

    assert_refused(&scene, 2, "--zone eu-west-1b: the original's subnet subnet-1 is in eu-west-1a",
                   "--subnet");
    end(&scene);
}

/* --- in the way ------------------------------------------------------------------------------ */

static void a_name_is_given_to_one_node_alone(void **state)
{
    static const char *const answers[] = {FOUND, ORIGINAL, NOBODY, ORIGINAL};
    struct scene scene;
    (void)state;

    RUN_WITH(&scene, "", answers);

    assert_refused(&scene, 5, FROM ", which is running, is called \"db1\" already", "--replace");
    assert_asked(&scene, ASKED_NAME, "Filter.1.Name=tag:Name");
    assert_asked(&scene, ASKED_NAME, "Filter.1.Value.1=db1");
    assert_asked(&scene, ASKED_NAME, "Filter.2.Value.4=stopped");
    end(&scene);
}

static void a_name_with_wildcards_means_itself(void **state)
{
    static const char *const answers[] = {FOUND, ORIGINAL, NOBODY, ORIGINAL, USER_DATA, DRY_RUN_OK};
    struct scene scene;
    (void)state;

    RUN_WITH(&scene, ",'name':'d*1?','dry_run':true", answers);

    assert_int_equal(exit_of(&scene), 0);
    assert_asked(&scene, ASKED_NAME, "Filter.1.Value.1=d\\*1\\?");
    end(&scene);
}

static void an_address_is_given_to_one_node_alone(void **state)
{
    static const char *const answers[] = {FOUND, ORIGINAL, NO_FOES, ORIGINAL};
    struct scene scene;
    (void)state;

    RUN_WITH(&scene, ",'name':'n','private_ip':'10.0.0.9'", answers);
    assert_refused(&scene, 5, "10.0.0.9 is the address of " FROM, "terminate " FROM " first");
    end(&scene);

    /* With --replace, too: EC2 can't do it. */
    RUN_WITH(&scene, ",'name':'n','private_ip':'10.0.0.9','replace':true", answers);
    assert_refused(&scene, 5, "10.0.0.9 is the address of " FROM, "terminate " FROM " first");
    end(&scene);
}

static void replacing_takes_name_and_address_where_they_are_free(void **state)
{
    static const char *const dead[] = {
        SET(COMPLETE LAUNCH_TAG),
        IMAGE_OF_IT,
        IMAGE_OF_IT,
        INSTANCES(INSTANCE(FROM, "terminated", "<tagSet>" TAG("Name", "db1") "</tagSet>")),
        NO_FOES,
        NOBODY,
        DRY_RUN_OK};
    static const char *const alive[] = {FOUND,    ORIGINAL,  NOBODY,    ORIGINAL,
                                        ORIGINAL, USER_DATA, DRY_RUN_OK};
    struct scene scene;
    (void)state;

    RUN_WITH(&scene, ",'replace':true,'dry_run':true", dead);
    assert_int_equal(exit_of(&scene), 3); /* no user data */
    assert_asked(&scene, 7, "PrivateIpAddress=10.0.7.7");
    assert_asked(&scene, 7, "TagSpecification.1.Tag.1.Value=db1");
    end(&scene);

    RUN_WITH(&scene, ",'replace':true,'dry_run':true", alive);
    assert_int_equal(exit_of(&scene), 3);
    fake_ec2_assert_lacks(&scene.base.fake, 8, "PrivateIpAddress");
    assert_non_null(strstr(buf_text(&scene.base.job.events),
                           "has the original's address 10.0.0.9: the new node gets another one"));
    end(&scene);
}

/* --- sets that can't be launched -------------------------------------------------------------- */

static void a_set_that_is_not_whole_is_refused(void **state)
{
    static const char *const failed[] = {SNAPSHOTS(SNAPSHOT(ROOT, "vol-0a", "/dev/xvda", COMPLETE)),
                                         NO_IMAGE};
    static const char *const pending[] = {SET(TAG("stillpoint:state", "pending")), NO_IMAGE};
    static const char *const bare[] = {SET(COMPLETE), NO_IMAGE};
    struct scene scene;
    (void)state;

    RUN_WITH(&scene, "", failed);
    assert_refused(&scene, 5, "it is broken: ", "stillpoint list");
    end(&scene);
    RUN_WITH(&scene, "", pending);
    assert_refused(&scene, 5, "not complete yet: 2 of 2", "wait until");
    end(&scene);
    RUN_WITH(&scene, "", bare);
    assert_refused(&scene, 5, "has no image", "stillpoint restore volumes");
    end(&scene);
}

static void an_archived_set_says_how_long_a_recall_takes(void **state)
{
    static const char *const answers[] = {
        SNAPSHOTS(
            SNAPSHOT(ROOT, "vol-0a", "/dev/xvda",
                     COMPLETE) "<item><snapshotId>" DATA "</snapshotId><volumeId>vol-0b</volumeId>"
                               "<status>completed</status><storageTier>archive</storageTier>" TAGS(
                                   COMPLETE) "</item>"),
        NO_IMAGE};
    struct scene scene;
    (void)state;

    RUN_WITH(&scene, "", answers);

    assert_refused(&scene, 5, "1 of its 2 snapshots are in the archive tier: " DATA, "72 h");
    end(&scene);
}

static void an_image_that_shows_other_snapshots_is_not_launched(void **state)
{
    static const char *const foreign[] = {
        SET(COMPLETE), IMAGE_OF_IT,
        IMAGES(MAPPED("/dev/xvda", ROOT) MAPPED("/dev/sdf", "snap-666"), COMPLETE)};
    static const char *const partial[] = {SET(COMPLETE), IMAGE_OF_IT,
                                          IMAGES(MAPPED("/dev/xvda", ROOT), COMPLETE)};
    struct scene scene;
    (void)state;

    RUN_WITH(&scene, "", foreign);
    assert_refused(&scene, 5, "shows snap-666 as /dev/sdf, which is not of the set", "who tagged");
    end(&scene);
    RUN_WITH(&scene, "", partial);
    assert_refused(&scene, 5, "shows 1 of its 2 snapshots", "restore volumes");
    end(&scene);
}

static void ids_that_are_no_backups_here_say_so(void **state)
{
    static const char *const nothing[] = {SNAPSHOTS(""), NO_IMAGE};
    struct scene scene;
    (void)state;

    run(&scene, "{'id':'sp-20261124T081530Z-aaaaa'}", nothing, 2);
    assert_refused(&scene, 5, "in eu-west-1: no backup has the id", "another region or account");
    end(&scene);
    run(&scene, "{'id':'ami-0123'}", nothing, 2);
    assert_refused(&scene, 5, "no backup has the id 'ami-0123'", "not what it is made of");
    end(&scene);
}

/* --- images of billed instances ----------------------------------------------------------------
 */

static void a_billed_image_gets_its_data_from_the_set(void **state)
{
#define CREATED IMAGES(MAPPED("/dev/xvda", "snap-77"), COMPLETE TAG("stillpoint:image", "create"))
    static const char *const answers[] = {SET(COMPLETE), CREATED,   CREATED,   ORIGINAL,
                                          NO_FOES,       USER_DATA, DRY_RUN_OK};
    struct scene scene;
    (void)state;

    RUN_WITH(&scene, ",'name':'n','dry_run':true", answers);

    assert_int_equal(exit_of(&scene), 3);
    assert_asked(&scene, DRY, "BlockDeviceMapping.1.DeviceName=/dev/sdf");
    assert_asked(&scene, DRY, "BlockDeviceMapping.1.Ebs.SnapshotId=" DATA);
    fake_ec2_assert_lacks(&scene.base.fake, DRY, "BlockDeviceMapping.2");
    assert_non_null(strstr(buf_text(&scene.base.job.events), "the root is newer than the data"));
    assert_true(
        json_is_true(json_object_get(json_object_get(scene.last, "data"), "root_is_newer")));
    end(&scene);
}

/* --- what EC2 refuses, and what goes wrong later ------------------------------------------------
 */

static void what_ec2_refuses_names_the_option(void **state)
{
    static const struct {
        const char *answer, *remedy;
    } cases[] = {
        {REFUSED("InvalidParameterValue",
                 "The architecture 'arm64' of the specified instance type does not match the "
                 "architecture 'x86_64' of the specified AMI."),
         "--type"},
        {REFUSED("InvalidKeyPair.NotFound", "no"), "--key"},
        {REFUSED("InvalidSubnetID.NotFound", "no"), "--subnet"},
        {REFUSED("UnauthorizedOperation",
                 "You are not authorized to perform: iam:PassRole on resource: r"),
         "add iam:PassRole to the policies"},
        {REFUSED("SomethingNew", "odd"), "see EC2's words"},
    };
    struct scene scene;
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const answers[] = {FOUND, ORIGINAL, NO_FOES, USER_DATA, cases[i].answer};
        RUN_WITH(&scene, ",'name':'n'", answers);
        assert_refused(&scene, 5, "launching " IMAGE, cases[i].remedy);
        assert_string_equal(text_of(&scene, "now"), "nothing was launched");
        end(&scene);
    }
}

static void an_instance_that_dies_at_its_start_is_removed_with_its_volumes(void **state)
{
    static const char *const answers[] = {
        FOUND,
        ORIGINAL,
        NO_FOES,
        USER_DATA,
        DRY_RUN_OK,
        LAUNCHED("pending"),
        STATE("terminated", "<stateReason><code>c</code><message>Client.InternalError: key"
                            "</message></stateReason>"),
        "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-9</volumeId>"
        "<status>available</status></item></volumeSet></DescribeVolumesResponse>",
        "<DeleteVolumeResponse/>"};
    struct scene scene;
    (void)state;

    RUN_WITH(&scene, ",'name':'n'", answers);

    assert_refused(&scene, 1, MADE " is terminated and has never run: Client.InternalError: key",
                   "iam-policy --kms-key");
    assert_string_equal(text_of(&scene, "now"),
                        "the instance is terminated and its volumes are deleted");
    assert_asked(&scene, 10, "Filter.1.Name=tag:stillpoint:restore");
    assert_asked(&scene, 11, "VolumeId=vol-9");
    end(&scene);
}

static void the_volumes_of_an_earlier_launch_are_left_alone(void **state)
{
    static const char *const answers[] = {FOUND,
                                          ORIGINAL,
                                          NO_FOES,
                                          USER_DATA,
                                          DRY_RUN_OK,
                                          LAUNCHED("terminated"),
                                          STATE("terminated", "")};
    struct scene scene;
    (void)state;

    RUN_WITH(&scene, ",'name':'n'", answers);

    assert_refused(&scene, 5, "has launched " MADE " before, which is terminated", "--another");
    end(&scene);
}

static void bad_requests_are_refused_before_anything_is_asked(void **state)
{
    static const struct {
        const char *args, *text;
    } cases[] = {
        {"{}", "id"},
        {"{'id':'x','typ':'y'}", "typ"},
        {"{'id':'x','type':'m5 large'}", "--type: 'm5 large' is none"},
        {"{'id':'x','subnet':'sg-1'}", "--subnet"},
        {"{'id':'x','security_groups':['subnet-1']}", "--security-group"},
        {"{'id':'x','private_ip':'10.0.0'}", "--private-ip"},
        {"{'id':'x','private_ip':'10.0.0.256'}", "--private-ip"},
        {"{'id':'x','name':''}", "--name"},
        {"{'id':'x','key':''}", "--key"},
        {"{'id':'x','zone':'eu/west'}", "--zone"},
        {"{'id':'x','user_data':'#!/bin/sh'}", "user data"},
        {"{'id':'x','wait':'complete'}", "waited for"},
        {"{'id':'x','tags':{'stillpoint:id':'y'}}", "tags"},
        {"{'id':'x','tags':{'a':1}}", "tag a"},
    };
    struct scene scene;
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        run(&scene, cases[i].args, NULL, 0);
        assert_refused(&scene, 2, cases[i].text, "");
        end(&scene);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_node_is_launched_as_the_original_was),
        cmocka_unit_test(options_take_the_place_of_what_the_original_has),
        cmocka_unit_test(a_dry_run_launches_nothing_and_shows_all),
        cmocka_unit_test(the_same_command_again_finds_what_it_has_launched),
        cmocka_unit_test(another_token_is_made_for_another_option_or_another),
        cmocka_unit_test(a_node_whose_original_is_gone_comes_from_the_tags),
        cmocka_unit_test(what_nobody_knows_any_more_has_to_be_given),
        cmocka_unit_test(a_zone_other_than_the_subnets_is_refused),
        cmocka_unit_test(a_name_is_given_to_one_node_alone),
        cmocka_unit_test(a_name_with_wildcards_means_itself),
        cmocka_unit_test(an_address_is_given_to_one_node_alone),
        cmocka_unit_test(replacing_takes_name_and_address_where_they_are_free),
        cmocka_unit_test(a_set_that_is_not_whole_is_refused),
        cmocka_unit_test(an_archived_set_says_how_long_a_recall_takes),
        cmocka_unit_test(an_image_that_shows_other_snapshots_is_not_launched),
        cmocka_unit_test(ids_that_are_no_backups_here_say_so),
        cmocka_unit_test(a_billed_image_gets_its_data_from_the_set),
        cmocka_unit_test(what_ec2_refuses_names_the_option),
        cmocka_unit_test(an_instance_that_dies_at_its_start_is_removed_with_its_volumes),
        cmocka_unit_test(the_volumes_of_an_earlier_launch_are_left_alone),
        cmocka_unit_test(bad_requests_are_refused_before_anything_is_asked),
    };

    return cmocka_run_group_tests_name("restore_instance", tests, NULL, NULL);
}
