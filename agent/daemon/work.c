/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/work.h"

#include <stdlib.h>
#include <string.h>

enum { MOUNT_TEXT_BYTES_MAX = 8 * 1024 * 1024 };

void work_open(struct work *work, struct job *job)
{
    memset(work, 0, sizeof(*work));
    work->job = job;
    work->config = job->agent->config;
    work->options.asked = work->config->backup.consistency;
    work->options.wait_complete = true;
    work->options.image = work->config->backup.image;
    work->mount_text = (struct buf)BUF_INIT(MOUNT_TEXT_BYTES_MAX);
    work->hook_job = (struct hook_job){job->id, work->options.reason};
}

void work_close(struct work *work)
{
    lease_close(work->lease); /* the guard lets go of what is still frozen, first */
    hook_chain_free(&work->hooks);
    plan_free(work->plan);
    strs_free(&work->appeared);
    if (work->traces != NULL)
        devices_traces_free(work->traces, work->mount_list.count);
    devices_map_free(&work->device_map);
    mounts_list_free(&work->mount_list);
    mounts_free(&work->mounts);
    buf_free(&work->mount_text);
    free(work->attached);
    strs_free(&work->on_loan);
    ec2_volumes_free(&work->volumes);
    ec2_instance_free(work->instance);
    ec2_free(work->ec2);
    backup_free(work->backup);
    strs_free(&work->options.tags);
    strs_free(&work->options.leave_out);
}

bool work_ec2(const struct config *config, const struct identity *identity,
              struct credentials *credentials, struct ec2 **ret_ec2, struct err *err)
{
    const char *region = config->aws.region;

    if (region[0] == '\0' && identity != NULL)
        region = identity->document.region;
    if (region[0] == '\0') {
        (void)err_set(err, ERR_PRECONDITION, 0, "no region is known");
        return err_suggest(err, "set [aws] region, or AWS_REGION in the daemon's environment");
    }
    struct ec2_options options = {
        .region = region,
        .endpoint = config->aws.endpoint_ec2,
        .dns_suffix = identity ? identity->dns_suffix : NULL,
        .ca_bundle = config->aws.ca_bundle[0] ? config->aws.ca_bundle : NULL,
        .connect_timeout_ms = (int)config->aws.connect_timeout_ms,
        .request_timeout_ms = (int)config->aws.request_timeout_ms,
        .credentials = credentials,
    };
    return ec2_open(&options, ret_ec2, err);
}

int work_exit_code(const struct err *err)
{
    switch (err->kind) {
    case ERR_USAGE:
    case ERR_CONFIG:
        return 2;
    case ERR_INTERNAL:
    case ERR_CANCELLED:
        return 1;
    default:
        return 5; /* nothing was touched: the node or the cloud is not as it must be */
    }
}

int work_begin_exit_code(const struct err *err)
{
    return err->kind == ERR_BUSY ? 4 : work_exit_code(err);
}
