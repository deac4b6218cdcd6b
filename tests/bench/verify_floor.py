#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What no verify can do without, by itself: a server started on a copy, and CHECK TABLE.

    verify_floor.py LAB BACKUP.json      one JSON object: {start_s, check_s, seconds, tables}

The copy is made and mounted beforehand, and not counted. From then on: the node's own server with the
node's own settings, at the priority that a verify has (whatever else runs gets in the way of both
alike), until it takes a connection (its crash recovery is in that), and one CHECK TABLE statement
over all tables of all databases. What ends it is not counted either.
"""
import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lab"))

import sweep  # noqa: E402
from judge import Claim, Judge  # noqa: E402
from judge_server import TABLES  # noqa: E402
from lab_server import Server  # noqa: E402

START_S = 300
MODEST = ["chrt", "-i", "0", "ionice", "-c", "3"]


def is_ready(path):
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
            return bool(probe.recv(1))
        except OSError:
            return False


def start(judge):
    mysql, server = judge.node["mysql"], judge.server
    shutil.chown(judge.work, "mysql", "mysql")
    paths = [f"--socket={server.socket}", f"--pid-file={judge.work}/mysqld.pid",
             f"--tmpdir={judge.work}", f"--log-error={server.error_log}"]
    command = Server(mysql["tree"]).copy_command(
        mysql["cnf"], judge.lab_directory, judge.root, judge.node["root"], paths
    )
    server.log = open(os.path.join(judge.work, "server.out"), "ab")
    server.process = subprocess.Popen(
        [*MODEST, *command], stdin=subprocess.DEVNULL, stdout=server.log, stderr=server.log,
        start_new_session=True,
    )
    sweep.record_pid(judge.lab_directory, server.process.pid, "floor")
    end = time.monotonic() + START_S
    while not is_ready(server.socket):
        if server.process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"no server on the copy: see {server.error_log}")
        time.sleep(0.005)


def check(judge):
    names = [row[0] for row in judge.server.rows(TABLES)]
    judge.server.rows(f"CHECK TABLE {', '.join(names)}")
    if judge.faults:
        raise RuntimeError(f"the copy is not good: {judge.faults}")
    return len(names)


def measure(judge):
    judge.restore()
    if not judge.mount_all():
        raise RuntimeError(f"no mounts: {judge.faults}")
    begun = time.monotonic()
    start(judge)
    started = time.monotonic()
    tables = check(judge)
    checked = time.monotonic()
    return {"start_s": started - begun, "check_s": checked - started, "seconds": checked - begun,
            "tables": tables}


def main():
    parser = argparse.ArgumentParser(description="the floor of a verify (see the header)")
    parser.add_argument("lab")
    parser.add_argument("backup")
    options = parser.parse_args()
    options.keep = False
    judge = Judge(options.lab, Claim.from_file(options.backup), options)
    try:
        result = measure(judge)
    finally:
        judge.clean()
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, OSError, ValueError, KeyError) as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
