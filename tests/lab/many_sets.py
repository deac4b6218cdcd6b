#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Plants sets that nobody made into the lab's cloud, tagged as the agent tags its own.

    many_sets.py DIR SETS MEMBERS NODES     one set each hour and node, the newest an hour ago

Every fiftieth set lacks a member, every hundredth is unfinished; all others are whole, with an image.
"""
import datetime
import sys

from labclient import Lab

CHUNK = 250  # sets a request: the control address takes 16 MiB
MOUNTS = ["/", "/opt/kaltura", "/var/lib/mysql", "/var/log"]


def tags_of(number, node, taken, members):
    second = taken.strftime("%Y-%m-%dT%H:%M:%S")
    tail = "".join("0123456789abcdefghjkmnpqrstvwxyz"[number // 32**i % 32] for i in range(5))
    tags = {
        "id": f"sp-{taken:%Y%m%dT%H%M%SZ}-{tail}",
        "instance": f"i-{0x0a1b2c3d4e5f60000 + node:017x}",
        "node": f"kaltura-front{node}.example.org",
        "group": f"site-{node % 3}",
        "reason": f"hourly; number {number}, before whatever the front ends do next",
        "state": "complete" if number % 100 != 50 else "pending",
        "asked": "application",
        "consistency": "application",
        "window": f"{second}.206811Z/{second}.507112Z/0.400ms",
        "timing": "hooks_hold=900us freeze=1400us exchange=300200us thaw=500us hold=303300us",
        "binlog": "binlog.000007:73421 exact",
        "gtid": "0-1-991",
        "database": "mysql 10.11.19-MariaDB backup-stage",
        "left-out": "/opt/kaltura/web|nfs4: not on a volume of this instance",
        "members": str(members),
        "expires": (taken + datetime.timedelta(days=365)).strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
        "pinned": "no",
        "version": "0.1.0",
    }
    own = {f"stillpoint:{key}": value for key, value in tags.items()}
    return {"Name": f"{tags['node']} {second}", **own}


def plant(lab, first, count, members, nodes, now):
    snapshots, images = [], []
    for number in range(first, first + count):
        node = number % nodes
        taken = now - datetime.timedelta(hours=1 + number // nodes, seconds=node)
        tags = tags_of(number, node, taken, members)
        here = range(members - (number % 50 == 7))
        mapping = [[f"/dev/sd{'afghijkl'[i]}", len(snapshots) + i] for i in here]
        for i in here:
            snapshots.append({
                "volume": f"vol-{0x0123456789ab0000 + node * 64 + i:017x}", "size_gib": 20 + i,
                "start": taken.timestamp(), "description": f"stillpoint {tags['stillpoint:id']}",
                "tags": {**tags, "stillpoint:device": f"/dev/sd{'afghijkl'[i]}",
                         "stillpoint:mounts": f"{MOUNTS[i % len(MOUNTS)]} ext4 frozen"},
            })
        if number % 100 != 50:
            images.append({"name": tags["stillpoint:id"], "created": taken.timestamp(),
                           "tags": {**tags, "stillpoint:image": "register"}, "disks": mapping})
    lab.post("plant", {"snapshots": snapshots, "images": images})


def main():
    sets, members, nodes = (int(word) for word in sys.argv[2:])
    lab = Lab(sys.argv[1])
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    for first in range(0, sets, CHUNK):
        plant(lab, first, min(CHUNK, sets - first), members, nodes, now)


if __name__ == "__main__":
    main()
