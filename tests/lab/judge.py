#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Restores a set of snapshots and judges, to the row, whether it is what it claims to be.

    judge.py --lab DIR --backup FILE.json [--no-database] [--keep]
    judge.py --lab DIR --snapshots ID,ID... --window BEGIN,END [--position FILE:POS] [--gtid G]

FILE.json is what `stillpoint backup --json` ends with (the last line of it is taken). Needed of it:
snapshots[].id, window.begin/end, consistency, databases[] (binlog_file, binlog_pos, binlog_exact,
gtid; may be empty). The node (node.json) says where each volume was mounted; the writers'
records in DIR/acks (writer.c) say what was acknowledged and when.

Judged, in this order; every finding is one line of `faults` in the JSON on standard output:
  mount       each filesystem mounts (nested as on the node), unmounts, and after that one mount
              fsck finds nothing (e2fsck -fn, xfs_repair -n)
  files       records run without a gap, checksums right, no torn end; what was acknowledged before
              the window is there, nothing that was acknowledged after it
  binlog      the last binary log parses, its size is the recorded position, its last GTID the
              recorded one (binlog_exact false: at most what the copy holds)
  still       no write was acknowledged inside the window
  server      the node's server starts on the copy, in a mount namespace where the copy lies at the
              node's own paths, with every automatic repair switched off; CHECK TABLE says OK for
              each table
  rows        no half transaction, both InnoDB tables and the balances agree, MyISAM and Aria rows
              run without a gap, binary log and tables agree; acknowledgements as for files
What is asked for follows the label (consistency, or --consistency): `filesystem` does not answer
for tables that are not transactional; `crash` only for mounting, InnoDB's start and its rows.
Exit 0: no fault; 1: faults; 2: could not judge. Needs root. Everything it makes goes away again.
"""
import argparse
import contextlib
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from judge_server import CopyServer  # noqa: E402
from lab_server import Server  # noqa: E402
from labclient import Lab  # noqa: E402

RECORD_BYTES = 128
FILE_RECORDS_MAX = 64 * 1024
# An acknowledgement is stamped by the writer, after the fact: closer than this to an edge of the
# window it says nothing.
STAMP_SLACK_US = 2000
# What was over before the window may be stamped in it, where a loaded machine wakes the writer late;
# what began in it may not.
STILL_SLACK_US = 150000


class CannotJudge(Exception):
    pass


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def checksum(data):
    value = 2166136261
    for byte in data:
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value


def utc_us(text):
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int(moment.timestamp() * 1e6)


class Claim:
    """What the backup says of itself."""

    def __init__(self, snapshots, begin_us, end_us, databases, consistency="application"):
        self.snapshots, self.begin_us, self.end_us = snapshots, begin_us, end_us
        self.databases, self.consistency = databases, consistency

    @classmethod
    def from_file(cls, path):
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
        document = None
        with contextlib.suppress(ValueError):
            document = json.loads(text)
        if document is None:
            lines = [line for line in text.splitlines() if line.strip().startswith("{")]
            if not lines:
                raise CannotJudge(f"{path} has no JSON")
            document = json.loads(lines[-1])
        for inner in ("data", "backup", "result"):
            if isinstance(document.get(inner), dict) and "snapshots" not in document:
                document = document[inner]
        window = document.get("window") or {}
        consistency = document.get("consistency", "application")
        if consistency not in ("application", "filesystem", "crash"):
            raise CannotJudge(f"the backup's label is {consistency}")
        if consistency != "crash" and not (window.get("begin") and window.get("end")):
            raise CannotJudge("the backup has no window")
        return cls(
            [snapshot["id"] for snapshot in document["snapshots"]],
            utc_us(window["begin"]) if window.get("begin") else 0,
            utc_us(window["end"]) if window.get("end") else 0,
            document.get("databases") or [],
            consistency,
        )

    @property
    def exact(self):
        return all(database.get("binlog_exact", True) for database in self.databases)


class Acks:
    """One writer's records: number -> (begin, end), both CLOCK_REALTIME in microseconds."""

    def __init__(self, path):
        self.begun, self.ended = {}, {}
        with open(path, encoding="ascii") as stream:
            for line in stream:
                fields = line.split()
                if len(fields) == 4:
                    number = int(fields[0])
                    self.begun[number], self.ended[number] = int(fields[1]), int(fields[2])

    def last_before(self, moment_us):
        return max((n for n, end in self.ended.items() if end < moment_us), default=0)


class Judge:
    def __init__(self, lab_directory, claim, options):
        self.lab_directory = os.path.realpath(lab_directory)
        self.lab = Lab(self.lab_directory)
        with open(os.path.join(self.lab_directory, "node.json"), encoding="utf-8") as stream:
            self.node = json.load(stream)
        self.claim, self.options = claim, options
        self.faults, self.facts = [], {}
        self.work = tempfile.mkdtemp(prefix="judge.", dir=self.lab_directory)
        os.chmod(self.work, 0o755)
        self.root = os.path.join(self.work, "root")
        os.mkdir(self.root)
        self.mounts, self.devices = [], {}
        self.binlog_text = ""
        self.server = CopyServer(self)

    def fault(self, kind, text):
        self.faults.append(f"{kind}: {text}")

    # -- volumes -------------------------------------------------------------------------------

    def restore(self):
        by_id = {entry["id"]: entry for entry in self.lab.get("snapshots")}
        missing = [s for s in self.claim.snapshots if s not in by_id]
        if missing:
            raise CannotJudge(f"no such snapshots: {', '.join(missing)}")
        self.devices = self.lab.post("restore", {"snapshots": self.claim.snapshots})["devices"]
        by_volume = {by_id[s]["volume"]: device for s, device in self.devices.items()}
        for mount in self.node["mounts"]:
            if mount["volume"] not in by_volume:
                self.fault("mount", f"{mount['path']} ({mount['volume']}) is not in the set")
                continue
            at = (self.root + mount["path"]).rstrip("/")
            self.mounts.append({**mount, "copy": by_volume[mount["volume"]], "copy_at": at})

    def mount_all(self):
        for mount in self.mounts:
            options = "nouuid" if mount["fs"] == "xfs" else "defaults"
            if not os.path.isdir(mount["copy_at"]):
                self.fault("mount", f"{mount['path']}: its mount point is not on the copy")
                return False
            done = run("mount", "-t", mount["fs"], "-o", options, mount["copy"], mount["copy_at"])
            if done.returncode != 0:
                self.fault("mount", f"{mount['path']}: {done.stderr.strip()}")
                return False
        return True

    def umount_all(self):
        for mount in reversed(self.mounts):
            if os.path.ismount(mount["copy_at"]):
                done = run("umount", mount["copy_at"])
                if done.returncode != 0:
                    raise CannotJudge(f"umount: {done.stderr.strip()}")

    def check_filesystems(self):
        for mount in self.mounts:
            if mount["fs"] == "xfs":
                done = run("xfs_repair", "-n", mount["copy"])
            else:
                done = run("e2fsck", "-fn", mount["copy"])
            if done.returncode != 0:
                lines = (done.stdout + done.stderr).strip().splitlines()
                self.fault(
                    "fsck", f"{mount['path']}: exit {done.returncode}: {' / '.join(lines[:6])}"
                )

    # -- acknowledgements ----------------------------------------------------------------------

    def judge_acks(self, kind, thread, present):
        """PRESENT: the highest number on the copy (numbers below it are there)."""
        path = os.path.join(self.lab_directory, "acks", thread + ".ack")
        if not os.path.exists(path) or self.claim.consistency == "crash":
            return
        acks = Acks(path)
        due = acks.last_before(self.claim.begin_us - STAMP_SLACK_US)
        first_us, last_us = self.claim.begin_us + STAMP_SLACK_US, self.claim.end_us - STAMP_SLACK_US
        inside = sum(
            1 for number, end in acks.ended.items() if first_us < end < last_us and (
                acks.begun[number] > first_us or end > self.claim.begin_us + STILL_SLACK_US))
        if inside:
            self.fault("still", f"{thread}: {inside} writes were acknowledged inside the window")
        self.facts[thread] = {"on_copy": present, "acknowledged_before": due}
        if present < due:
            text = f"{due} was acknowledged before the window, {present} is the last on the copy"
            self.fault(kind, f"{thread}: {due - present} lost: {text}")
        # Where commits go on until the freeze, one that was under way may be on the copy and be
        # acknowledged only after the thaw; one that began after the window never.
        moments = acks.ended if self.claim.exact else acks.begun
        word = "acknowledged" if self.claim.exact else "begun"
        late = [n for n in range(max(due, 1), present + 1)
                if moments.get(n, 0) > self.claim.end_us + STAMP_SLACK_US]
        if late:
            after_ms = (moments[late[-1]] - self.claim.end_us) / 1000
            text = f"are on the copy but were {word} after the window (by {after_ms:.1f} ms)"
            self.fault(kind, f"{thread}: {late[0]} to {late[-1]} {text}")

    # -- files ---------------------------------------------------------------------------------

    def judge_files(self):
        if self.claim.consistency == "crash":
            return  # what was not synced may be anything
        for mount in self.mounts:
            directory = os.path.join(mount["copy_at"], ".lab-files")
            thread = f"file-{mount['name']}"
            if not os.path.exists(os.path.join(self.lab_directory, "acks", thread + ".ack")):
                continue
            names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
            last = self._read_records(directory, names, mount["path"])
            self.judge_acks("files", thread, last)

    def _read_records(self, directory, names, path):
        expected, last = None, 0
        for name in names:
            with open(os.path.join(directory, name), "rb") as stream:
                data = stream.read()
            first = int(name) * FILE_RECORDS_MAX + 1
            if expected is not None and first != expected:
                self.fault("files", f"{path}: {name} begins with {first}, not {expected}")
            if len(data) % RECORD_BYTES:
                self.fault("files", f"{path}: {name} ends in the middle of a record")
            expected = first
            # A record that is right from both ends is: text with its number and its sum.
            for offset in range(0, len(data) - RECORD_BYTES + 1, RECORD_BYTES):
                record = data[offset : offset + RECORD_BYTES]
                body, tail = record[: RECORD_BYTES - 9], record[RECORD_BYTES - 9 :]
                if body[:20] != b"%020d" % expected or tail != b"%08x\n" % checksum(body):
                    self.fault(
                        "files", f"{path}: {name}: record {expected} is not what was written"
                    )
                    return last
                last = expected
                expected += 1
        return last

    # -- binary log ----------------------------------------------------------------------------

    def judge_binlog(self):
        """Before the server starts: it would add a file of its own."""
        relative = os.path.relpath(self.node["mysql"]["binlog_dir"], self.node["root"])
        directory = os.path.join(self.root, relative)
        names = sorted(n for n in os.listdir(directory) if re.fullmatch(r"binlog\.\d{6}", n))
        if not names:
            self.fault("binlog", "there is none on the copy")
            return
        last = os.path.join(directory, names[-1])
        size = os.path.getsize(last)
        server = Server(self.node["mysql"]["tree"])
        status, text, errors = server.read_binlog(last, self.lab_directory)
        ends = re.findall(r"end_log_pos (\d+)", text)
        end = int(ends[-1]) if ends else 0
        if self.claim.exact:
            if status != 0:
                self.binlog_fault(f"{names[-1]} does not parse: {errors[:300]}")
            if end != size:
                self.binlog_fault(f"{names[-1]} has {size} bytes, its last event ends at {end}")
        else:
            # It was frozen in the middle of what commits wrote: a last transaction without its end
            # is one that the server takes out again, in the log and in the tables.
            text = text[: text.rfind("\nCOMMIT") + 1]
        gtids = re.findall(r"^#.*\bGTID (\d+-\d+-\d+)|GTID_NEXT= '([0-9a-f-]{36}:\d+)'", text, re.M)
        gtid = next(filter(None, gtids[-1])) if gtids else None
        self.facts["binlog"] = {"file": names[-1], "bytes": size, "end": end, "gtid": gtid}
        self.binlog_text = text
        for database in self.claim.databases:
            self._compare_position(database, names[-1], end if not self.claim.exact else size)
            self._compare_gtid(database, gtid)

    def binlog_fault(self, text):
        if self.claim.consistency != "crash":
            self.fault("binlog", text)

    def _compare_position(self, database, name, end):
        if database.get("binlog_file") is None:
            return
        recorded = (database["binlog_file"], int(database["binlog_pos"]))
        said = f"recorded {recorded[0]}:{recorded[1]}"
        if database.get("binlog_exact", True):
            if recorded != (name, end):
                self.fault("binlog", f"{said}, the copy ends at {name}:{end}")
        elif recorded > (name, end):
            self.fault("binlog", f"{said}, beyond the copy's {name}:{end}")

    def _compare_gtid(self, database, gtid):
        """MariaDB: 0-1-991. MySQL: a set, UUID:1-991, of which we ask for the last of the UUID."""
        recorded = database.get("gtid")
        if not recorded or gtid is None:
            return
        if ":" not in gtid:
            if gtid not in recorded.split(","):
                self.fault("binlog", f"recorded GTID {recorded}, the copy's last is {gtid}")
            return
        source, _, number = gtid.partition(":")
        sets = {}
        for one in recorded.replace("\n", "").split(","):
            uuid, _, numbers = one.strip().partition(":")
            sets[uuid] = int(re.split("[:-]", numbers)[-1])
        most = sets.get(source, 0)
        exact = database.get("binlog_exact", True)
        if most != int(number) if exact else most > int(number):
            self.fault("binlog", f"recorded GTID {recorded}, the copy's last is {gtid}")

    # -- all of it -----------------------------------------------------------------------------

    def run(self):
        self.restore()
        if self.mount_all():
            self.umount_all()
            self.check_filesystems()
            if self.mount_all():
                self.judge_files()
                if "mysql" in self.node and not self.options.no_database:
                    self.judge_binlog()
                    if self.server.start():
                        self.server.check_tables()
                        self.server.judge_rows()

    def clean(self):
        self.server.stop()
        self.umount_all()
        if self.devices:
            self.lab.post("release", {"devices": list(self.devices.values())})
        if not self.options.keep:
            shutil.rmtree(self.work, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description="judges a restored set (see the header)")
    parser.add_argument("--lab", required=True)
    parser.add_argument("--backup")
    parser.add_argument("--snapshots")
    parser.add_argument("--window", help="BEGIN,END as ISO 8601 UTC")
    parser.add_argument("--position", help="FILE:POS")
    parser.add_argument("--gtid")
    parser.add_argument("--consistency", choices=("application", "filesystem", "crash"))
    parser.add_argument("--no-database", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave the server's log below the lab")
    options = parser.parse_args()
    try:
        if options.backup:
            claim = Claim.from_file(options.backup)
        else:
            begin, _, end = options.window.partition(",")
            databases = []
            if options.position:
                name, _, position = options.position.partition(":")
                databases = [
                    {"binlog_file": name, "binlog_pos": int(position), "gtid": options.gtid}
                ]
            claim = Claim(options.snapshots.split(","), utc_us(begin), utc_us(end), databases)
        if options.consistency:
            claim.consistency = options.consistency
        judge = Judge(options.lab, claim, options)
        try:
            judge.run()
        finally:
            judge.clean()
    except (CannotJudge, OSError, RuntimeError, ValueError, KeyError) as error:
        print(f"judge: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    json.dump(
        {"holds": not judge.faults, "faults": judge.faults, "facts": judge.facts},
        sys.stdout,
        indent=1,
    )
    print()
    return 1 if judge.faults else 0


if __name__ == "__main__":
    sys.exit(main())
