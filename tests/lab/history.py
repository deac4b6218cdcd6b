#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Sets that a node made long ago, planted in the lab's cloud (for the cases about prune).

    history.py LAB TAIL WHEN [KEY=VALUE...]     prints the set's id

TAIL: the last five characters of the id. WHEN: hours ago, or DAYS@HH:MM, at that time of UTC so many days
before the one on which the lab began (a test may last past midnight). Keys: id (in place of the one made
of both), instance and volumes (with commas; by default the node's own), image (no: none is made; created: as CreateImage does, of a snapshot of its own), there (how
many of its snapshots are there still), ec2 (their state), owner; any other is the tag stillpoint:KEY,
none where its value is empty. What is told of nothing is a complete set with proof of an application."""
import json
import os
import sys
import time

from labclient import Lab


def moment(lab, text):
    days, at, clock = text.partition("@")
    if not at:
        return time.time() - float(days) * 3600
    hours, minutes = clock.split(":")
    midnight = os.stat(f"{lab}/cloud.json").st_mtime // 86400 * 86400
    return midnight - int(days) * 86400 + int(hours) * 3600 + int(minutes) * 60


def main():
    lab, tail, start = Lab(sys.argv[1]), sys.argv[2], moment(sys.argv[1], sys.argv[3])
    given = dict(word.split("=", 1) for word in sys.argv[4:])
    with open(f"{sys.argv[1]}/node.json", encoding="utf-8") as stream:
        node = json.load(stream)
    made = time.strftime("sp-%Y%m%dT%H%M%SZ-", time.gmtime(start)) + tail
    set_id = given.pop("id", made)
    own = ",".join(m["volume"] for m in node["mounts"])
    volumes = list(dict.fromkeys(given.pop("volumes", own).split(",")))
    image, there = given.pop("image", "yes"), int(given.pop("there", len(volumes)))
    state, owner = given.pop("ec2", "completed"), given.pop("owner", None)
    tags = {
        "id": set_id, "instance": given.pop("instance", node["instance"]), "node": "db1",
        "state": "complete", "consistency": "application", "asked": "application",
        "members": str(len(volumes)), "pinned": "no", **given,
    }
    tags = {f"stillpoint:{key}": value for key, value in tags.items() if value}
    base = {"start": start, "tags": tags, "state": state, "size_gib": 1}
    if owner:
        base["owner"], base["shared"] = owner, "us"
    order = {"snapshots": [{**base, "volume": volume} for volume in volumes[:there]], "images": []}
    if image == "created":
        mine = {"stillpoint:image-of": set_id, "stillpoint:instance": tags["stillpoint:instance"]}
        order["snapshots"].append({**base, "volume": volumes[0], "tags": mine})
        tags = {**tags, "stillpoint:image": "create", "stillpoint:consistency": "crash"}
        disks = [["/dev/sda1", there]]
        order["images"] = [{"name": set_id, "tags": tags, "created": start, "disks": disks}]
    if image == "yes":
        disks = [[f"/dev/sd{chr(ord('a') + at)}", at] for at in range(there)]
        order["images"] = [{"name": set_id, "tags": tags, "created": start, "disks": disks}]
    lab.post("plant", order)
    print(set_id)


main()
