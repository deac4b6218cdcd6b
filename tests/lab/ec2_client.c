/* SPDX-License-Identifier: BSD-2-Clause */
/* Every call of aws/ once against the lab's cloud, which checks each against the service's own
 * model: names, types, required parameters, the signature. Keys come from the metadata service.
 *
 *   ec2_client EC2_URL CA_FILE IMDS_URL INSTANCE
 *
 * Prints one line a step; the first failure ends it with exit code 1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "aws/ec2_describe.h"
#include "aws/ec2_images.h"
#include "aws/ec2_snapshots.h"
#include "aws/imds.h"

enum { STEP_MS = 20000, SNAPSHOTS_MAX = 16 };

struct trial {
    struct imds *imds; /* owned by credentials after they were opened */
    struct credentials *credentials;
    struct ec2 *ec2;
    const char *instance_id;
    struct ec2_instance *instance;
    struct ec2_snapshot_set set;
    struct ec2_tags tags;
    char image_id[EC2_ID_BYTES];
    int seen;
};

static int64_t soon(void)
{
    return clock_boot_ms() + STEP_MS;
}

static void step(const char *name, bool ok, const struct err *err)
{
    printf("%s %s%s%s\n", ok ? "ok" : "FAILED", name, ok ? "" : ": ", ok ? "" : err->text);
    (void)fflush(stdout);
    if (!ok)
        exit(1);
}

static void expect(const char *name, bool holds)
{
    struct err err = ERR_INIT;

    (void)err_set(&err, ERR_PROTOCOL, 0, "not as it should be");
    step(name, holds, &err);
}

static void identify(struct trial *trial)
{
    struct imds_document document;
    AUTO_BUF struct buf domain = BUF_INIT(1000);
    struct err err = ERR_INIT;

    step("identity document", imds_document(trial->imds, soon(), NULL, &document, &err), &err);
    expect("identity document is this instance's",
           strcmp(document.instance_id, trial->instance_id) == 0);
    step("services/domain",
         imds_item(trial->imds, "meta-data/services/domain", soon(), NULL, &domain, &err), &err);
    expect("no such item is told apart",
           !imds_item(trial->imds, "meta-data/no-such-item", soon(), NULL, &domain, &err) &&
               err.kind == ERR_NOT_FOUND);
}

static void describe(struct trial *trial)
{
    struct ec2_volumes volumes = {NULL, 0};
    struct err err = ERR_INIT;
    char value[64];
    char *uefi = NULL;

    step(
        "DescribeInstances",
        ec2_describe_instance(trial->ec2, trial->instance_id, soon(), NULL, &trial->instance, &err),
        &err);
    expect("instance has its devices", trial->instance->device_count > 1);
    step("DescribeVolumes",
         ec2_describe_volumes(trial->ec2, trial->instance_id, soon(), NULL, &volumes, &err), &err);
    expect("as many volumes as devices", volumes.count == trial->instance->device_count);
    expect("volumes are attached to it",
           volumes.list[0].attachment_count == 1 &&
               strcmp(volumes.list[0].attachments[0].instance_id, trial->instance_id) == 0);
    ec2_volumes_free(&volumes);
    step("DescribeInstanceAttribute",
         ec2_describe_instance_attribute(trial->ec2, trial->instance_id, "enaSupport", soon(), NULL,
                                         value, sizeof(value), &err),
         &err);
    step("GetInstanceUefiData",
         ec2_get_instance_uefi_data(trial->ec2, trial->instance_id, soon(), NULL, &uefi, &err),
         &err);
    free(uefi);
}

static bool count_seen(void *self, const struct ec2_snapshot *snapshot, struct err *err)
{
    struct trial *trial = self;

    (void)err;
    if (snapshot->state == EC2_SNAPSHOT_COMPLETED)
        trial->seen += 100;
    trial->seen++;
    return true;
}

static void snapshots(struct trial *trial)
{
    const char *exclude = trial->instance->devices[trial->instance->device_count - 1].volume_id;
    struct ec2_create_snapshots what = {.instance_id = trial->instance_id,
                                        .description = "trial of every call",
                                        .exclude_volumes = &exclude,
                                        .exclude_count = 1,
                                        .tags = &trial->tags};
    struct err err = ERR_INIT;
    int64_t calls;

    step("CreateSnapshots, DryRun",
         ec2_create_snapshots_dry_run(trial->ec2, &what, 60000, soon(), NULL, &err), &err);
    expect("the connection is kept", ec2_connected(trial->ec2));
    calls = ec2_calls(trial->ec2);
    step("CreateSnapshots as in a hold",
         ec2_create_snapshots(trial->ec2, &what, true, 0, soon(), NULL, &trial->set, &err), &err);
    const struct aws_outcome *outcome = ec2_outcome(trial->ec2);
    expect("on the kept connection, one request",
           outcome->reused && outcome->sends == 1 && ec2_calls(trial->ec2) == calls + 1);
    expect("with a request id and times in order",
           outcome->request_id[0] != '\0' && outcome->begun_boot_us <= outcome->sent_boot_us &&
               outcome->sent_boot_us < outcome->answered_boot_us);
    printf("   exchange %.1f ms\n",
           (double)(outcome->answered_boot_us - outcome->begun_boot_us) / 1000);
    expect("all volumes but the excluded one",
           trial->set.count + 1 == trial->instance->device_count);
    expect("with the tags of the call",
           ec2_tags_get(&trial->set.list[0].tags, "stillpoint:id") != NULL);
}

static void look(struct trial *trial)
{
    static const char *const id = "sp-trial";
    struct ec2_filter filter = {"tag:stillpoint:id", &id, 1};
    const char *ids[SNAPSHOTS_MAX];
    struct err err = ERR_INIT;

    for (size_t i = 0; i < trial->set.count && i < SNAPSHOTS_MAX; i++)
        ids[i] = trial->set.list[i].id;
    (void)ec2_tags_set(&trial->tags, "stillpoint:state", "cut", &err);
    step("CreateTags",
         ec2_create_tags(trial->ec2, ids, trial->set.count, &trial->tags, soon(), NULL, &err),
         &err);
    for (int tries = 0; tries < 100 && trial->seen < (int)trial->set.count; tries++) {
        trial->seen = 0; /* eventually consistent */
        step("DescribeSnapshots by tag",
             ec2_describe_snapshots(trial->ec2, NULL, 0, &filter, 1, soon(), NULL, count_seen,
                                    trial, &err),
             &err);
        (void)usleep(100000);
    }
    expect("finds the whole set", trial->seen % 100 == (int)trial->set.count);
    for (int tries = 0; tries < 200 && trial->seen < 100 * (int)trial->set.count; tries++) {
        trial->seen = 0;
        (void)usleep(200000);
        if (!ec2_describe_snapshots(trial->ec2, ids, trial->set.count, NULL, 0, soon(), NULL,
                                    count_seen, trial, &err))
            step("DescribeSnapshots by id", false, &err);
    }
    expect("DescribeSnapshots by id: completed in the end", trial->seen >= 100);
}

static bool count_tag(void *self, const struct ec2_described_tag *tag, struct err *err)
{
    (void)err;
    if (strcmp(tag->key, "stillpoint:state") == 0 && strcmp(tag->value, "cut") == 0)
        ++*(int *)self;
    return true;
}

static bool take_image(void *self, const struct ec2_image *image, struct err *err)
{
    struct trial *trial = self;

    (void)err;
    trial->seen = strcmp(image->id, trial->image_id) == 0 ? (int)image->mapping_count : -1;
    return true;
}

static void fill_mapping(const struct trial *trial, struct ec2_mapping *mapping,
                         const struct ec2_snapshot *snapshot)
{
    *mapping = (struct ec2_mapping){.volume_type = "gp3",
                                    .iops = 3000,
                                    .throughput_mibs = 125,
                                    .size_gib = snapshot->size_gib,
                                    .delete_on_termination = EC2_YES};
    memcpy(mapping->snapshot_id, snapshot->id, sizeof(mapping->snapshot_id));
    for (size_t i = 0; i < trial->instance->device_count; i++)
        if (strcmp(trial->instance->devices[i].volume_id, snapshot->volume_id) == 0)
            memcpy(mapping->device, trial->instance->devices[i].name, sizeof(mapping->device));
}

static void images(struct trial *trial)
{
    const struct ec2_instance *instance = trial->instance;
    struct ec2_mapping mappings[SNAPSHOTS_MAX];
    struct ec2_register_image what = {.name = "stillpoint trial",
                                      .description = "trial of every call",
                                      .architecture = instance->architecture,
                                      .virtualization_type = instance->virtualization_type,
                                      .root_device_name = instance->root_device_name,
                                      .boot_mode = "uefi",
                                      .tpm_support = "v2.0",
                                      .uefi_data = "QU1aTlVFRkk=",
                                      .imds_support = "v2.0",
                                      .sriov_net_support = "simple",
                                      .ena_support = EC2_YES,
                                      .mappings = mappings,
                                      .mapping_count = trial->set.count,
                                      .tags = &trial->tags};
    const char *ids = trial->image_id;
    struct err err = ERR_INIT;
    char second[EC2_ID_BYTES];

    for (size_t i = 0; i < trial->set.count && i < SNAPSHOTS_MAX; i++)
        fill_mapping(trial, &mappings[i], &trial->set.list[i]);
    step("RegisterImage",
         ec2_register_image(trial->ec2, &what, soon(), NULL, trial->image_id, &err), &err);
    expect("RegisterImage again: the name is taken",
           !ec2_register_image(trial->ec2, &what, soon(), NULL, second, &err) &&
               strcmp(ec2_outcome(trial->ec2)->error.code, "InvalidAMIName.Duplicate") == 0);
    err = (struct err)ERR_INIT;
    for (int tries = 0; tries < 50; tries++) {
        if (ec2_describe_images(trial->ec2, &ids, 1, NULL, 0, soon(), NULL, take_image, trial,
                                &err))
            break;
        (void)usleep(200000);
    }
    expect("DescribeImages shows its mapping", trial->seen == (int)trial->set.count);
    step("DeregisterImage", ec2_deregister_image(trial->ec2, trial->image_id, soon(), NULL, &err),
         &err);
    step("DeregisterImage of what is gone",
         ec2_deregister_image(trial->ec2, trial->image_id, soon(), NULL, &err), &err);
}

static void create_image(struct trial *trial)
{
    const char *exclude = trial->instance->devices[trial->instance->device_count - 1].name;
    struct ec2_create_image what = {.instance_id = trial->instance_id,
                                    .name = "stillpoint trial (created)",
                                    .exclude_devices = &exclude,
                                    .exclude_count = 1,
                                    .image_tags = &trial->tags,
                                    .snapshot_tags = &trial->tags};
    struct err err = ERR_INIT;
    char id[EC2_ID_BYTES];

    step("CreateImage", ec2_create_image(trial->ec2, &what, soon(), NULL, id, &err), &err);
    step("DeregisterImage", ec2_deregister_image(trial->ec2, id, soon(), NULL, &err), &err);
}

static void dry_runs(struct trial *trial)
{
    struct ec2_dry_run_target target = {.instance_id = trial->instance_id,
                                        .snapshot_id = trial->set.list[0].id,
                                        .image_id = trial->image_id,
                                        .tags = &trial->tags};
    struct err err = ERR_INIT;
    char name[100];

    for (int n = 0; n < EC2_DEREGISTER_IMAGE; n++) {
        (void)snprintf(name, sizeof(name), "%s, DryRun", ec2_action_name((enum ec2_action)n));
        step(name, ec2_dry_run(trial->ec2, (enum ec2_action)n, &target, soon(), NULL, &err), &err);
    }
}

static void remove_all(struct trial *trial)
{
    struct err err = ERR_INIT;
    int tags = 0;
    const char *type = "snapshot";
    struct ec2_filter filter = {"resource-type", &type, 1};

    step("DescribeTags",
         ec2_describe_tags(trial->ec2, &filter, 1, soon(), NULL, count_tag, &tags, &err), &err);
    expect("DescribeTags finds the set's", tags >= (int)trial->set.count);
    for (size_t i = 0; i < trial->set.count; i++)
        step("DeleteSnapshot",
             ec2_delete_snapshot(trial->ec2, trial->set.list[i].id, soon(), NULL, &err), &err);
    step("DeleteSnapshot of what is gone",
         ec2_delete_snapshot(trial->ec2, trial->set.list[0].id, soon(), NULL, &err), &err);
}

static void open_all(struct trial *trial, char **argv)
{
    struct credentials_options keys = {.take_imds = NULL};
    struct ec2_options options = {.region = "eu-west-1", .endpoint = argv[1], .ca_bundle = argv[2]};
    struct err err = ERR_INIT;
    char source[100];

    step("metadata service", imds_open(argv[3], &trial->imds, &err), &err);
    identify(trial);
    keys.take_imds = trial->imds;
    trial->imds = NULL;
    step("credentials", credentials_open(&keys, &trial->credentials, &err), &err);
    options.credentials = trial->credentials;
    step("EC2", ec2_open(&options, &trial->ec2, &err), &err);
    describe(trial);
    printf("   keys of %s\n", credentials_source(trial->credentials, source, sizeof(source)));
    step("tags", ec2_tags_set(&trial->tags, "stillpoint:id", "sp-trial", &err), &err);
}

int main(int argc, char **argv)
{
    static struct trial trial;

    if (argc != 5) {
        (void)fprintf(stderr, "usage: ec2_client EC2_URL CA_FILE IMDS_URL INSTANCE\n");
        return 2;
    }
    trial.instance_id = argv[4];
    open_all(&trial, argv);
    snapshots(&trial);
    look(&trial);
    dry_runs(&trial);
    images(&trial);
    create_image(&trial);
    remove_all(&trial);
    ec2_snapshot_set_free(&trial.set);
    ec2_instance_free(trial.instance);
    ec2_tags_free(&trial.tags);
    ec2_free(trial.ec2);
    credentials_free(trial.credentials);
    return 0;
}
