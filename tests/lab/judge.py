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
  binlog      the last binary log parses, its size is the recorded position, its last GTID the recorded
              one (binlog_exact false: at most what the copy holds)
  still       no write was acknowledged inside the window
  server      MariaDB starts on the copy, in a mount namespace where the copy lies at the node's own
              paths, with every automatic repair switched off; CHECK TABLE says OK for each table
  rows        no half transaction, both InnoDB tables and the balances agree, MyISAM and Aria rows
              run without a gap, binary log and tables agree; acknowledgements as for files
What is asked for follows the label (consistency, or --consistency): `filesystem` does not answer for
tables that are not transactional; `crash` answers only for mounting, InnoDB's start and its rows.
Exit 0: no fault; 1: faults; 2: could not judge. Needs root. Everything it makes goes away again.
"""
import argparse
import contextlib
import datetime
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import sweep  # noqa: E402
from labclient import Lab  # noqa: E402

RECORD_BYTES = 128
FILE_RECORDS_MAX = 64 * 1024
# An acknowledgement is stamped by the writer, after the fact: closer than this to an edge of the
# window it says nothing.
STAMP_SLACK_US = 2000
STILL_SLACK_US = 20000  # the same for stillness inside it: a loaded machine may wake a writer late


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
                self.fault("fsck", f"{mount['path']}: exit {done.returncode}: {' / '.join(lines[:6])}")

    # -- acknowledgements ----------------------------------------------------------------------

    def judge_acks(self, kind, thread, present):
        """PRESENT: the highest number on the copy (numbers below it are there)."""
        path = os.path.join(self.lab_directory, "acks", thread + ".ack")
        if not os.path.exists(path) or self.claim.consistency == "crash":
            return
        acks = Acks(path)
        due = acks.last_before(self.claim.begin_us - STAMP_SLACK_US)
        first_us, last_us = self.claim.begin_us + STILL_SLACK_US, self.claim.end_us - STILL_SLACK_US
        inside = sum(1 for end in acks.ended.values() if first_us < end < last_us)
        if inside:
            self.fault("still", f"{thread}: {inside} writes were acknowledged inside the window")
        self.facts[thread] = {"on_copy": present, "acknowledged_before": due}
        if present < due:
            self.fault(kind, f"{thread}: {due - present} lost: {due} was acknowledged before the window, "
                             f"{present} is the last on the copy")
        # Where commits go on until the freeze, one that was under way may be on the copy and be
        # acknowledged only after the thaw; one that began after the window never.
        moments = acks.ended if self.claim.exact else acks.begun
        word = "acknowledged" if self.claim.exact else "begun"
        late = [n for n in range(max(due, 1), present + 1)
                if moments.get(n, 0) > self.claim.end_us + STAMP_SLACK_US]
        if late:
            after_ms = (moments[late[-1]] - self.claim.end_us) / 1000
            self.fault(kind, f"{thread}: {late[0]} to {late[-1]} are on the copy but were {word} after the "
                             f"window (by {after_ms:.1f} ms)")

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
                    self.fault("files", f"{path}: {name}: record {expected} is not what was written")
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
        parsed = run("mariadb-binlog", "--no-defaults", "--verify-binlog-checksum", last)
        if parsed.returncode != 0:
            self.binlog_fault(f"{names[-1]} does not parse: {parsed.stderr.strip()[:300]}")
        ends = re.findall(r"end_log_pos (\d+)", parsed.stdout)
        end = int(ends[-1]) if ends else 0
        if end != size:
            self.binlog_fault(f"{names[-1]} has {size} bytes, its last event ends at {end}")
        gtids = re.findall(r"^#.*\bGTID (\d+-\d+-\d+)", parsed.stdout, re.M)
        self.facts["binlog"] = {"file": names[-1], "bytes": size, "gtid": gtids[-1] if gtids else None}
        self.binlog_text = parsed.stdout
        for database in self.claim.databases:
            self._compare_position(database, names[-1], size, gtids[-1] if gtids else None)

    def binlog_fault(self, text):
        if self.claim.consistency != "crash":
            self.fault("binlog", text)

    def _compare_position(self, database, name, size, gtid):
        if database.get("binlog_file") is None:
            return
        recorded = (database["binlog_file"], int(database["binlog_pos"]))
        if database.get("binlog_exact", True):
            if recorded != (name, size):
                self.fault("binlog", f"recorded {recorded[0]}:{recorded[1]}, the copy ends at {name}:{size}")
            if gtid and database.get("gtid") and gtid not in database["gtid"].split(","):
                self.fault("binlog", f"recorded GTID {database['gtid']}, the copy's last is {gtid}")
        elif recorded > (name, size):
            self.fault("binlog", f"recorded {recorded[0]}:{recorded[1]}, beyond the copy's {name}:{size}")

    # -- server --------------------------------------------------------------------------------

    def start_server(self):
        self.socket = os.path.join(self.work, "mysqld.sock")
        self.error_log = os.path.join(self.work, "mariadb.log")
        shutil.chown(self.work, "mysql", "mysql")
        command = [
            "mariadbd", f"--defaults-file={self.node['mysql']['cnf']}", f"--socket={self.socket}",
            f"--pid-file={self.work}/mysqld.pid", f"--log-error={self.error_log}", "--skip-networking",
            "--myisam-recover-options=OFF", "--aria-recover-options=OFF", "--event-scheduler=OFF",
            "--skip-slave-start",
        ]
        # The copy is bound over the node's root, for this process alone: the same paths, other disks.
        script = (
            'mount --rbind "$1" "$2" && shift 2 && '
            'exec "$@"'
        )
        self.log = open(os.path.join(self.work, "server.out"), "ab")
        self.server = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", self.root,
             self.node["root"], *command],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True,
        )
        sweep.record_pid(self.lab_directory, self.server.pid, "judge")
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.server.poll() is not None:
                break
            if os.path.exists(self.socket) and self.sql("SELECT 1")[0] == 0:
                return True
            time.sleep(0.05)
        tail = ""
        with contextlib.suppress(OSError):
            with open(self.error_log, encoding="utf-8", errors="replace") as stream:
                lines = [line for line in stream if "ERROR" in line] or ["no error in its log"]
                tail = " / ".join(line.strip() for line in lines[:4])
        self.fault("server", f"MariaDB does not start on the copy: {tail}")
        return False

    def stop_server(self):
        server = getattr(self, "server", None)
        if server is None:
            return
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)
        self.log.close()

    def sql(self, text):
        done = run("mariadb", "--no-defaults", "--socket", self.socket, "-u", "root", "-N", "-B", "-e", text)
        return done.returncode, done.stdout, done.stderr.strip()

    def rows(self, text):
        status, out, error = self.sql(text)
        if status != 0:
            self.fault("rows", f"{text[:80]}: {error}")
            return []
        return [line.split("\t") for line in out.splitlines()]

    def number(self, text):
        rows = self.rows(text)
        return int(rows[0][0]) if rows and rows[0][0] not in ("NULL", "") else 0

    def check_tables(self):
        engines = "" if self.claim.consistency == "application" else " AND engine = 'InnoDB'"
        names = self.rows(
            "SELECT CONCAT('`', table_schema, '`.`', table_name, '`') FROM information_schema.tables "
            "WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('information_schema', 'performance_schema')"
            + engines
        )
        checked = 0
        for (name,) in names:
            for row in self.rows(f"CHECK TABLE {name}"):
                checked += 1
                # CSV and the like can't be checked, which is no fault of the copy's.
                if row[2] == "note" and "doesn't support check" in row[3]:
                    continue
                if row[3] not in ("OK", "Table is already up to date"):
                    self.fault("check", f"{row[0]}: {row[2]}: {row[3]}")
        self.facts["tables_checked"] = checked
        if self.claim.consistency != "application":
            return
        with open(self.error_log, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                # What the server itself found wrong, or put right behind our back.
                if re.search(r"marked as crashed|should be repaired|Checking table|corrupt", line, re.I):
                    self.fault("check", line.strip()[:200])

    def judge_rows(self):
        writers = []
        if glob.glob(os.path.join(self.lab_directory, "acks", "innodb-*.ack")):
            writers = [int(row[0]) for row in self.rows("SELECT DISTINCT writer FROM lab.balance ORDER BY 1")]
        for writer in writers:
            self._judge_transactions(writer)
        if self.claim.consistency != "application":
            return
        for table, thread in (("warehouse", "myisam"), ("aria_plain", "aria-plain"), ("aria_trx", "aria-trx")):
            if not os.path.exists(os.path.join(self.lab_directory, "acks", thread + ".ack")):
                continue
            count = self.number(f"SELECT COUNT(*) FROM lab.{table}")
            by_key = self.number(f"SELECT COUNT(*) FROM lab.{table} FORCE INDEX (pad) WHERE pad > ''")
            last = self.number(f"SELECT MAX(seq) FROM lab.{table}")
            if not count == by_key == last:
                self.fault("rows", f"{table}: {count} rows, {by_key} by its key, the last is {last}")
            self.judge_acks("rows", thread, last)
            self._judge_binlog_agrees(table, r"lab\." + table + r" VALUES \((\d+), (\d+),", None, last)

    def _judge_transactions(self, writer):
        where = f"WHERE writer = {writer}"
        orders = self.number(f"SELECT COUNT(*) FROM lab.orders {where}")
        ledger = self.number(f"SELECT COUNT(*) FROM lab.ledger {where}")
        last = self.number(f"SELECT MAX(seq) FROM lab.orders {where}")
        half = self.number(
            "SELECT (SELECT COUNT(*) FROM lab.orders o LEFT JOIN lab.ledger l USING (writer, seq) "
            f"WHERE o.writer = {writer} AND l.seq IS NULL) + (SELECT COUNT(*) FROM lab.ledger l LEFT JOIN "
            f"lab.orders o USING (writer, seq) WHERE l.writer = {writer} AND o.seq IS NULL)"
        )
        if half:
            self.fault("rows", f"writer {writer}: {half} half transactions")
        if not orders == ledger == last:
            self.fault("rows", f"writer {writer}: {orders} orders, {ledger} in the ledger, the last is {last}")
        wrong = self.number(
            "SELECT COUNT(*) FROM (SELECT b.account, b.amount - 1000000 "
            f"+ COALESCE((SELECT SUM(amount) FROM lab.ledger WHERE writer = {writer} AND a = b.account), 0) "
            f"- COALESCE((SELECT SUM(amount) FROM lab.ledger WHERE writer = {writer} AND b = b.account), 0) "
            f"AS off FROM lab.balance b WHERE b.writer = {writer}) x WHERE off <> 0"
        )
        total = self.number(f"SELECT SUM(amount) - COUNT(*) * 1000000 FROM lab.balance {where}")
        if wrong or total:
            self.fault("rows", f"writer {writer}: {wrong} balances do not follow from the ledger, sum off by {total}")
        self.judge_acks("rows", f"innodb-{writer}", last)
        self._judge_binlog_agrees("orders", r"lab\.orders VALUES \((\d+), (\d+),", writer, last)

    def _judge_binlog_agrees(self, table, pattern, writer, last):
        """The last insert in the last binary log is the last row of the table."""
        if self.claim.consistency == "crash":
            return
        numbers = [int(seq) for who, seq in re.findall(pattern, getattr(self, "binlog_text", ""))
                   if writer is None or int(who) == writer]
        if numbers and max(numbers) != last:
            self.fault("rows", f"{table}{f' of writer {writer}' if writer else ''}: the table ends with {last}, "
                               f"the binary log with {max(numbers)}")

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
                    if self.start_server():
                        self.check_tables()
                        self.judge_rows()

    def clean(self):
        self.stop_server()
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
                databases = [{"binlog_file": name, "binlog_pos": int(position), "gtid": options.gtid}]
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
    json.dump({"holds": not judge.faults, "faults": judge.faults, "facts": judge.facts}, sys.stdout, indent=1)
    print()
    return 1 if judge.faults else 0


if __name__ == "__main__":
    sys.exit(main())
