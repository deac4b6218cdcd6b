/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/rollback_survey.h"

#include <stdlib.h>
#include <string.h>

#include "agent/daemon/rollback_disk.h"
#include "agent/daemon/survey.h"

/* What an earlier look has left in WORK. */
static void forget(struct work *work)
{
    if (work->traces != NULL)
        devices_traces_free(work->traces, work->mount_list.count);
    work->traces = NULL;
    devices_map_free(&work->device_map);
    mounts_list_free(&work->mount_list);
    mounts_free(&work->mounts);
    buf_clear(&work->mount_text);
    free(work->attached);
    work->attached = NULL;
    work->attached_count = 0;
    ec2_volumes_free(&work->volumes);
    ec2_instance_free(work->instance);
    work->instance = NULL;
}

bool rollback_survey(struct rollback *rollback, int64_t deadline_ms,
                     struct rollback_plan_input *ret_input, struct err *err)
{
    struct work *work = rollback->work;

    forget(work);
    bool ok = survey_cloud(work, deadline_ms, err) && survey_devices(work, deadline_ms, err);
    lease_close(work->lease); /* nothing of the guard's stays open on what is to be unmounted */
    work->lease = NULL;
    if (!ok)
        return false;
    int *parts = calloc(work->mount_list.count + 1, sizeof(*parts));
    if (parts == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    for (size_t i = 0; i < work->mount_list.count; i++) {
        const struct mount *mount = work->mount_list.items[i].mount;
        parts[i] = rollback_disk_part("/sys", mount->major, mount->minor);
    }
    *ret_input = (struct rollback_plan_input){.instance = work->instance,
                                              .volumes = &work->volumes,
                                              .mounts = &work->mounts,
                                              .list = &work->mount_list,
                                              .traces = work->traces,
                                              .parts = parts};
    return true;
}

void rollback_survey_free(struct rollback_plan_input *input)
{
    free((int *)(uintptr_t)input->parts);
    input->parts = NULL;
}
