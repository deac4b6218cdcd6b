# SPDX-License-Identifier: BSD-2-Clause
"""Another tool than ours: snapshots of all volumes of the lab's node by one CreateSnapshots, as AWS
Data Lifecycle Manager does, with the node's account and none of our tags.

    other_tool.py LAB     prints the snapshots as a backup's JSON has them, once all are complete
"""
import json
import os
import sys
import time

from labclient import Lab


def main(directory):
    lab = Lab(directory)
    with open(os.path.join(directory, "node.json"), encoding="utf-8") as stream:
        node = json.load(stream)
    ec2 = lab.ec2("admin")
    made = ec2.create_snapshots(InstanceSpecification={"InstanceId": node["instance"]})["Snapshots"]
    ids = [one["SnapshotId"] for one in made]
    print(json.dumps([{"id": one["SnapshotId"], "volume": one["VolumeId"]} for one in made]))
    for _ in range(100):
        there = ec2.describe_snapshots(SnapshotIds=ids)["Snapshots"]
        if all(one["State"] == "completed" for one in there):
            return 0
        time.sleep(0.1)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
