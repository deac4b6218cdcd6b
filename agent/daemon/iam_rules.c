/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/iam_rules.h"

#include <stddef.h>

#define REGISTER IAM_WITH_REGISTER_IMAGE
#define CREATE   IAM_WITH_CREATE_IMAGE
#define VERIFY   IAM_WITH_VERIFY
#define ROLLBACK IAM_WITH_ROLLBACK

/* Which resources EC2 judges a call on: AWS's service authorization reference. Nothing of a node's
 * deletes a snapshot or an image. */
const struct iam_rule iam_rules[] = {
    {IAM_NODE, 0, "Look", "DescribeInstances DescribeVolumes DescribeSnapshots DescribeImages", "*",
     IAM_FREE, ""},
    {IAM_NODE, ROLLBACK, "Look", "DescribeReplaceRootVolumeTasks", "*", IAM_FREE, ""},

    {IAM_NODE, 0, "OwnInstance", "CreateSnapshots", "instance", IAM_OWN_INSTANCE, ""},
    {IAM_NODE, REGISTER, "OwnInstance", "GetInstanceUefiData", "instance", IAM_OWN_INSTANCE, ""},
    {IAM_NODE, CREATE, "OwnInstance", "CreateImage", "instance", IAM_OWN_INSTANCE, ""},
    {IAM_NODE, VERIFY, "OwnInstance", "AttachVolume DetachVolume", "instance", IAM_OWN_INSTANCE,
     ""},
    {IAM_NODE, ROLLBACK, "OwnInstance",
     "CreateReplaceRootVolumeTask AttachVolume DetachVolume ModifyInstanceAttribute", "instance",
     IAM_OWN_INSTANCE, ""},

    {IAM_NODE, 0, "Volumes", "CreateSnapshots", "volume", IAM_FREE, ""},

    {IAM_NODE, 0, "NewSnapshots", "CreateSnapshots", "snapshot", IAM_OWN_NEW, ""},
    {IAM_NODE, CREATE, "NewSnapshots", "CreateImage", "snapshot", IAM_OWN_NEW, ""},
    {IAM_NODE, REGISTER, "NewImage", "RegisterImage", "image", IAM_OWN_NEW, ""},
    {IAM_NODE, CREATE, "NewImage", "CreateImage", "image", IAM_OWN_NEW, ""},
    {IAM_NODE, 0, "NewTags", "CreateTags", "snapshot image", IAM_OWN_NEW, "CreateSnapshots"},
    {IAM_NODE, REGISTER, "NewTags", "CreateTags", "snapshot image", IAM_OWN_NEW, "RegisterImage"},
    {IAM_NODE, CREATE, "NewTags", "CreateTags", "snapshot image", IAM_OWN_NEW, "CreateImage"},
    {IAM_NODE, 0, "OwnTags", "CreateTags", "snapshot image", IAM_OWN_RETAG, ""},

    {IAM_NODE, REGISTER, "OwnSnapshots", "RegisterImage", "snapshot", IAM_OWN, ""},
    {IAM_NODE, VERIFY, "OwnSnapshots", "CreateVolume", "snapshot", IAM_OWN, ""},
    {IAM_NODE, ROLLBACK, "OwnSnapshots", "CreateVolume CreateReplaceRootVolumeTask", "snapshot",
     IAM_OWN, ""},

    {IAM_NODE, VERIFY, "NewVolumes", "CreateVolume", "volume", IAM_OWN_NEW, ""},
    {IAM_NODE, ROLLBACK, "NewVolumes", "CreateVolume", "volume", IAM_OWN_NEW, ""},
    {IAM_NODE, VERIFY, "NewVolumeTags", "CreateTags", "volume", IAM_OWN_NEW, "CreateVolume"},
    {IAM_NODE, ROLLBACK, "NewVolumeTags", "CreateTags", "volume", IAM_OWN_NEW, "CreateVolume"},
    {IAM_NODE, VERIFY, "OwnVolumes", "AttachVolume DetachVolume DeleteVolume CreateTags DeleteTags",
     "volume", IAM_OWN_LOAN, ""},

    /* Its own volumes are known by a tag that the node can't give them: whoever makes the node
       does. */
    {IAM_NODE, ROLLBACK, "Root", "CreateReplaceRootVolumeTask", "volume replace-root-volume-task",
     IAM_FREE, ""},
    {IAM_NODE, ROLLBACK, "RootTags", "CreateTags", "volume replace-root-volume-task", IAM_OWN_NEW,
     "CreateReplaceRootVolumeTask"},
    {IAM_NODE, ROLLBACK, "Swap", "AttachVolume DetachVolume DeleteVolume DeleteTags", "volume",
     IAM_OWN, ""},
    {IAM_NODE, ROLLBACK, "SwapTags", "CreateTags", "volume", IAM_OWN_RETAG, ""},
    {IAM_NODE, ROLLBACK, "InstanceTags", "CreateTags DeleteTags", "instance",
     IAM_OWN_INSTANCE_RETAG, ""},

    {IAM_PRUNER, 0, "Look",
     "DescribeSnapshots DescribeImages DescribeVolumes DescribeLockedSnapshots DescribeInstances",
     "*", IAM_FREE, ""},
    {IAM_PRUNER, 0, "Delete", "DeregisterImage DeleteSnapshot", "image snapshot", IAM_OURS, ""},
    {IAM_PRUNER, 0, "DeleteOfImage", "DeleteSnapshot", "snapshot", IAM_OURS_IMAGE_OF, ""},
    {IAM_PRUNER, 0, "DeleteStray", "DeregisterImage DeleteSnapshot", "image snapshot",
     IAM_OURS_STRAY, ""},
    {IAM_PRUNER, 0, "Tag", "CreateTags", "image snapshot", IAM_OURS_RETAG, ""},

    {IAM_RESTORE, 0, "Look", "DescribeInstances DescribeVolumes DescribeSnapshots DescribeImages",
     "*", IAM_FREE, ""},
    {IAM_RESTORE, 0, "From", "RunInstances CreateVolume", "image snapshot", IAM_OURS, ""},
    {IAM_RESTORE, 0, "FromImage", "RunInstances", "snapshot", IAM_OURS_IMAGE_OF, ""},
    {IAM_RESTORE, 0, "Run", "RunInstances",
     "volume network-interface subnet security-group key-pair", IAM_FREE, ""},
    {IAM_RESTORE, 0, "Instances",
     "RunInstances AttachVolume DetachVolume DescribeInstanceAttribute", "instance", IAM_FREE, ""},
    {IAM_RESTORE, 0, "NewVolumes", "CreateVolume", "volume", IAM_NEW_LOAN, ""},
    {IAM_RESTORE, 0, "NewTags", "CreateTags", "instance volume", IAM_FREE,
     "RunInstances CreateVolume"},
    {IAM_RESTORE, 0, "Volumes", "AttachVolume DetachVolume DeleteVolume CreateTags DeleteTags",
     "volume", IAM_LOAN, ""},
    {IAM_RESTORE, 0, "DeadLaunch", "DeleteVolume", "volume", IAM_LAUNCHED, ""},
    {.sid = NULL},
};
