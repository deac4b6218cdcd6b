#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A peer of `make bench`: a tool in the manner of ec2-consistent-snapshot, one call for each volume.

    peer_per_volume.py --socket MYSQLD.SOCK --endpoint URL --region R --ca FILE
                       --volumes VOL... --mounts MOUNT...

Everything that can be is done before the lock: the client loaded, the connection open. Then FTWRL,
the freezes in the order given, CreateSnapshot volume after volume, thaw, unlock. Run only with an
independent thaw armed.
"""
import argparse
import fcntl
import os
import subprocess

import boto3
import botocore.config

FIFREEZE, FITHAW = 0xC0045877, 0xC0045878


class Database:
    def __init__(self, path):
        self.client = subprocess.Popen(
            ["mariadb", "--no-defaults", "--socket", path, "-u", "root", "-N", "-B", "-n"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )

    def run(self, statement):
        self.client.stdin.write(f"{statement}; SELECT 'done';\n")
        if self.client.stdout.readline() != "done\n":
            raise RuntimeError(f"{statement} failed")


def main():
    parser = argparse.ArgumentParser(description="one call for each volume (see the header)")
    for name in ("socket", "endpoint", "region", "ca"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--volumes", nargs="+", required=True)
    parser.add_argument("--mounts", nargs="+", required=True)
    options = parser.parse_args()
    ec2 = boto3.client(
        "ec2", region_name=options.region, endpoint_url=options.endpoint, verify=options.ca,
        config=botocore.config.Config(retries={"max_attempts": 0}, read_timeout=20),
    )
    ec2.describe_volumes(VolumeIds=options.volumes)
    database = Database(options.socket)
    database.run("SET SESSION lock_wait_timeout = 5")
    opened = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in options.mounts]
    os.sync()
    frozen = []
    database.run("FLUSH TABLES WITH READ LOCK")
    try:
        for descriptor in opened:
            fcntl.ioctl(descriptor, FIFREEZE, 0)
            frozen.append(descriptor)
        for volume in options.volumes:
            ec2.create_snapshot(VolumeId=volume, Description="peer-per-volume")
    finally:
        for descriptor in reversed(frozen):
            fcntl.ioctl(descriptor, FITHAW, 0)
        database.run("UNLOCK TABLES")


if __name__ == "__main__":
    main()
