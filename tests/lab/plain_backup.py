#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A backup by hand, right or wrong on purpose, with nothing of Stillpoint in it.

    plain_backup.py --lab DIR --how HOW

HOW: right        lock (FTWRL), freeze, one call, thaw, unlock
     nothing      one call, neither lock nor freeze
     no-freeze    lock and one call, no freeze
     one-by-one   one call a volume, neither lock nor freeze
     early        lock and freeze, but all is let go as soon as the request is sent
Prints what judge.py --backup reads: snapshots, window, databases. The caller arms a thaw first. It
shows that the judge finds fault, and is the floor's shape in Python.
"""
import argparse
import datetime
import fcntl
import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from labclient import Lab  # noqa: E402

FIFREEZE, FITHAW = 0xC0045877, 0xC0045878


class Session:
    """One connection to the server, through the command line client; the lock lives with it."""

    def __init__(self, socket_path):
        self.client = subprocess.Popen(
            ["mariadb", "--no-defaults", "--socket", socket_path, "-u", "root", "-N", "-B", "-n"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )

    def run(self, text):
        self.client.stdin.write(f"{text}; SELECT '--end--';\n")
        self.client.stdin.flush()
        rows = []
        while (line := self.client.stdout.readline().rstrip("\n")) != "--end--":
            if not line:
                raise RuntimeError(f"the session ended at: {text}")
            rows.append(line.split("\t"))
        return rows

    def close(self):
        self.client.stdin.close()
        self.client.wait(10)


def stamp(moment_s):
    moment = datetime.datetime.fromtimestamp(moment_s, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


class Hold:
    def __init__(self, node, lock, freeze):
        self.lock, self.freeze = lock, freeze
        self.session = Session(node["mysql"]["socket"]) if "mysql" in node else None
        # Deepest first, the root last.
        mounts = sorted(node["mounts"], key=lambda mount: len(mount["at"]), reverse=True)
        self.mounts = [os.open(mount["at"], os.O_RDONLY | os.O_DIRECTORY) for mount in mounts]
        self.databases = []
        for descriptor in self.mounts:
            os.fsync(descriptor)

    def take(self):
        if self.lock and self.session:
            self.session.run("FLUSH TABLES WITH READ LOCK")
            status = self.session.run("SHOW MASTER STATUS")
            gtid = self.session.run("SELECT @@gtid_binlog_pos")
            self.databases = [{
                "binlog_file": status[0][0], "binlog_pos": int(status[0][1]), "binlog_exact": True,
                "gtid": gtid[0][0],
            }]
        if self.freeze:
            for descriptor in self.mounts:
                fcntl.ioctl(descriptor, FIFREEZE, 0)

    def release(self):
        if self.freeze:
            for descriptor in reversed(self.mounts):
                fcntl.ioctl(descriptor, FITHAW, 0)
        if self.lock and self.session:
            self.session.run("UNLOCK TABLES")


def cut(ec2, node, how):
    if how != "one-by-one":
        answer = ec2.create_snapshots(InstanceSpecification={"InstanceId": node["instance"]})
        return [entry["SnapshotId"] for entry in answer["Snapshots"]]
    return [ec2.create_snapshot(VolumeId=mount["volume"])["SnapshotId"] for mount in node["mounts"]]


def main():
    parser = argparse.ArgumentParser(description="a backup by hand (see the header)")
    parser.add_argument("--lab", required=True)
    parser.add_argument(
        "--how", required=True, choices=("right", "nothing", "no-freeze", "one-by-one", "early")
    )
    options = parser.parse_args()
    lab = Lab(options.lab)
    with open(os.path.join(options.lab, "node.json"), encoding="utf-8") as stream:
        node = json.load(stream)
    how = options.how
    ec2 = lab.ec2()
    ec2.describe_instances(InstanceIds=[node["instance"]])  # the connection is open from here
    hold = Hold(node, how in ("right", "no-freeze", "early"), how in ("right", "early"))
    result = {}

    def exchange():
        result["snapshots"] = cut(ec2, node, how)

    hold.take()
    try:
        begin = time.time()
        if how == "early":
            caller = threading.Thread(target=exchange)
            caller.start()
            time.sleep(0.02)
            end = time.time()
        else:
            exchange()
            end = time.time()
    finally:
        hold.release()
    if how == "early":
        caller.join()
    if hold.session:
        hold.session.close()
    json.dump({
        "snapshots": [{"id": snapshot} for snapshot in result["snapshots"]],
        "window": {"begin": stamp(begin), "end": stamp(end)},
        "databases": hold.databases,
    }, sys.stdout)
    print()


if __name__ == "__main__":
    main()
