/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "aws/ec2_describe.h"
#include "aws/ec2_images.h"
#include "aws/ec2_launch.h"
#include "aws/ec2_root_task.h"
#include "aws/ec2_snapshots.h"
#include "aws/ec2_volumes.h"
#include "aws/ec2_wire.h"

/* The first byte chooses the call, the rest is EC2's answer to it. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool on_snapshot(void *self, const struct ec2_snapshot *snapshot, struct err *err)
{
    (void)self;
    (void)err;
    if (snapshot->id[0] == '\0' || memchr(snapshot->id, '\0', sizeof(snapshot->id)) == NULL)
        abort();
    return true;
}

static bool on_image(void *self, const struct ec2_image *image, struct err *err)
{
    (void)self;
    (void)err;
    if (image->id[0] == '\0' || image->mapping_count > EC2_MAPPINGS_MAX)
        abort();
    return true;
}

static bool on_tag(void *self, const struct ec2_described_tag *tag, struct err *err)
{
    (void)self;
    (void)err;
    if (tag->key[0] == '\0' || tag->value == NULL)
        abort();
    return true;
}

static bool on_instance(void *self, const struct ec2_instance *instance, struct err *err)
{
    (void)self;
    (void)err;
    if (instance->id[0] == '\0' || instance->device_count > EC2_DEVICES_MAX ||
        instance->security_group_count > EC2_SECURITY_GROUPS_MAX)
        abort();
    return true;
}

static bool on_volume(void *self, const struct ec2_volume *volume, struct err *err)
{
    (void)self;
    (void)err;
    if (volume->id[0] == '\0' || volume->attachment_count > EC2_ATTACHMENTS_MAX)
        abort();
    return true;
}

static bool on_task(void *self, const struct ec2_root_task *task, struct err *err)
{
    (void)self;
    (void)err;
    if (task->id[0] == '\0' || task->state[0] == '\0')
        abort();
    return true;
}

static void run_instance(struct ec2 *ec2, int64_t deadline_ms, struct err *err)
{
    struct ec2_run_instance what = {.image_id = "ami-1", .client_token = "t"};
    struct ec2_instance *instance = NULL;

    if (ec2_run_instance(ec2, &what, deadline_ms, NULL, &instance, err))
        (void)on_instance(NULL, instance, err);
    ec2_instance_free(instance);
}

static void replace_root(struct ec2 *ec2, int64_t deadline_ms, struct err *err)
{
    struct ec2_replace_root what = {.instance_id = "i-1", .client_token = "t"};
    struct ec2_root_task task;

    if (ec2_replace_root_volume(ec2, &what, deadline_ms, NULL, &task, err)) {
        (void)on_task(NULL, &task, err);
        ec2_root_task_free(&task);
    }
    (void)ec2_list_root_tasks(ec2, NULL, 0, NULL, 0, deadline_ms, NULL, on_task, NULL, err);
}

static void user_data(struct ec2 *ec2, int64_t deadline_ms, struct err *err)
{
    struct secret data = SECRET_INIT;

    if (ec2_describe_user_data(ec2, "i-1", deadline_ms, NULL, &data, err) && secret_is_set(&data) &&
        strlen(data.bytes) != data.len)
        abort();
    secret_free(&data);
}

static void describe_instance(struct ec2 *ec2, int64_t deadline_ms, struct err *err)
{
    struct ec2_instance *instance = NULL;

    if (ec2_describe_instance(ec2, "i-0123456789abcdef0", deadline_ms, NULL, &instance, err) &&
        (strcmp(instance->id, "i-0123456789abcdef0") != 0 ||
         instance->device_count > EC2_DEVICES_MAX))
        abort();
    ec2_instance_free(instance);
}

static void describe_volumes(struct ec2 *ec2, int64_t deadline_ms, struct err *err)
{
    struct ec2_volumes volumes = {NULL, 0};

    if (ec2_describe_volumes(ec2, "i-1", deadline_ms, NULL, &volumes, err))
        for (size_t i = 0; i < volumes.count; i++)
            if (volumes.list[i].id[0] == '\0' || volumes.list[i].size_gib < 0)
                abort();
    ec2_volumes_free(&volumes);
}

static void create_snapshots(struct ec2 *ec2, int64_t deadline_ms, struct err *err)
{
    struct ec2_create_snapshots what = {.instance_id = "i-1"};
    struct ec2_snapshot_set set = {NULL, 0};

    if (ec2_create_snapshots(ec2, &what, true, 0, deadline_ms, NULL, &set, err) && set.count == 0)
        abort();
    ec2_snapshot_set_free(&set);
}

static void one_text(struct ec2 *ec2, int64_t deadline_ms, struct err *err)
{
    struct ec2_register_image what = {.name = "n"};
    char id[EC2_ID_BYTES], value[32], *uefi = NULL;

    struct ec2_create_volume volume = {.availability_zone = "z", .client_token = "t"};

    if (ec2_create_volume(ec2, &volume, deadline_ms, NULL, id, err) && strncmp(id, "vol-", 4) != 0)
        abort();
    if (ec2_register_image(ec2, &what, deadline_ms, NULL, id, err) && strncmp(id, "ami-", 4) != 0)
        abort();
    (void)ec2_describe_instance_attribute(ec2, "i-1", "enaSupport", deadline_ms, NULL, value,
                                          sizeof(value), err);
    if (ec2_get_instance_uefi_data(ec2, "i-1", deadline_ms, NULL, &uefi, err))
        free(uefi);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ec2 *ec2 = NULL;
    struct err err = ERR_INIT;
    int64_t deadline_ms = clock_boot_ms() + 10000;

    if (size == 0 || !ec2_open_canned((const char *)data + 1, size - 1, &ec2, &err))
        return 0;
    switch (data[0]) {
    case 'i':
        describe_instance(ec2, deadline_ms, &err);
        break;
    case 'v':
        describe_volumes(ec2, deadline_ms, &err);
        break;
    case 'c':
        create_snapshots(ec2, deadline_ms, &err);
        break;
    case 's':
        (void)ec2_describe_snapshots(ec2, NULL, 0, NULL, 0, deadline_ms, NULL, on_snapshot, NULL,
                                     &err);
        break;
    case 'a':
        (void)ec2_describe_images(ec2, NULL, 0, NULL, 0, deadline_ms, NULL, on_image, NULL, &err);
        break;
    case 't':
        (void)ec2_describe_tags(ec2, NULL, 0, deadline_ms, NULL, on_tag, NULL, &err);
        break;
    case 'I':
        (void)ec2_list_instances(ec2, NULL, 0, NULL, 0, deadline_ms, NULL, on_instance, NULL, &err);
        break;
    case 'V':
        (void)ec2_list_volumes(ec2, NULL, 0, NULL, 0, deadline_ms, NULL, on_volume, NULL, &err);
        break;
    case 'l':
        run_instance(ec2, deadline_ms, &err);
        break;
    case 'r':
        replace_root(ec2, deadline_ms, &err);
        break;
    case 'u':
        user_data(ec2, deadline_ms, &err);
        break;
    default:
        one_text(ec2, deadline_ms, &err);
        break;
    }
    ec2_free(ec2);
    return 0;
}
