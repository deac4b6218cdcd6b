# SPDX-License-Identifier: BSD-2-Clause
"""The database's part of judge.py: a server on the restored copy, its tables, its rows."""
import contextlib
import glob
import os
import re
import shutil
import subprocess
import time

import sweep
from lab_server import Server

# What stands in the copy's error log when the server found a table broken, or mended it.
BROKEN = re.compile(r"marked as crashed|should be repaired|Checking table|corrupt", re.I)
TABLES = """SELECT CONCAT('`', table_schema, '`.`', table_name, '`')
  FROM information_schema.tables WHERE table_type = 'BASE TABLE'
   AND table_schema NOT IN ('information_schema', 'performance_schema')"""
HALF = """SELECT
  (SELECT COUNT(*) FROM lab.orders o LEFT JOIN lab.ledger l USING (writer, seq)
    WHERE o.writer = {writer} AND l.seq IS NULL) +
  (SELECT COUNT(*) FROM lab.ledger l LEFT JOIN lab.orders o USING (writer, seq)
    WHERE l.writer = {writer} AND o.seq IS NULL)"""
# Every account begins with a million; the ledger says what went from a to b since.
ASTRAY = """SELECT COUNT(*) FROM (SELECT b.amount - 1000000
  + COALESCE((SELECT SUM(amount) FROM lab.ledger WHERE writer = {writer} AND a = b.account), 0)
  - COALESCE((SELECT SUM(amount) FROM lab.ledger WHERE writer = {writer} AND b = b.account), 0)
  AS off FROM lab.balance b WHERE b.writer = {writer}) x WHERE off <> 0"""


class CopyServer:
    """The node's server on the copy. judge: judge.Judge, for its faults, facts, claim and paths."""

    def __init__(self, judge):
        self.judge = judge
        self.socket = os.path.join(judge.work, "mysqld.sock")
        self.error_log = os.path.join(judge.work, "mariadb.log")
        self.process = self.log = None

    def start(self):
        work = self.judge.work
        mysql = self.judge.node["mysql"]
        shutil.chown(work, "mysql", "mysql")
        paths = [f"--socket={self.socket}", f"--pid-file={work}/mysqld.pid", f"--tmpdir={work}",
                 f"--log-error={self.error_log}"]
        command = Server(mysql["tree"]).copy_command(
            mysql["cnf"], self.judge.lab_directory, self.judge.root, self.judge.node["root"], paths
        )
        self.log = open(os.path.join(work, "server.out"), "ab")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True,
        )
        sweep.record_pid(self.judge.lab_directory, self.process.pid, "judge")
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            if os.path.exists(self.socket) and self.sql("SELECT 1")[0] == 0:
                return True
            time.sleep(0.05)
        tail = ""
        with contextlib.suppress(OSError):
            with open(self.error_log, encoding="utf-8", errors="replace") as stream:
                told = list(stream)
                lines = [line for line in told if re.search("ERROR|FATAL|[Aa]ssert|^#[0-9]", line)]
                # A server that dies of itself says why just before.
                died = next((at for at, line in enumerate(told) if "got signal" in line), 0)
                lines = told[max(died - 8, 0):died] + lines if died else lines
                tail = " / ".join(line.strip() for line in lines[:14]) or "no error in its log"
        self.judge.fault("server", f"it does not start on the copy: {tail}")
        return False

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.log.close()

    def sql(self, text):
        client = ["mariadb", "--no-defaults", "--socket", self.socket, "-u", "root", "-N", "-B"]
        done = subprocess.run([*client, "-e", text], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr.strip()

    def rows(self, text):
        status, out, error = self.sql(text)
        if status != 0:
            self.judge.fault("rows", f"{text[:80]}: {error.splitlines()[-1] if error else status}")
            return []
        return [line.split("\t") for line in out.splitlines()]

    def numbers(self, *questions):
        """Each SELECT's one number; all zero where the server refused to answer."""
        rows = self.rows("SELECT " + ", ".join(f"({text})" for text in questions))
        cells = rows[0] if rows else [""] * len(questions)
        return [0 if cell in ("NULL", "") else int(cell) for cell in cells]

    # -- tables --------------------------------------------------------------------------------

    def check_tables(self):
        whole = self.judge.claim.consistency == "application"
        names = [row[0] for row in self.rows(TABLES + ("" if whole else " AND engine = 'InnoDB'"))]
        checked = self.rows(f"CHECK TABLE {', '.join(names)}") if names else []
        for row in checked:
            # CSV and the like can't be checked, which is no fault of the copy's.
            if row[2] == "note" and "doesn't support check" in row[3]:
                continue
            if row[3] not in ("OK", "Table is already up to date"):
                self.judge.fault("check", f"{row[0]}: {row[2]}: {row[3]}")
        self.judge.facts["tables_checked"] = len(checked)
        if not whole:
            return
        with open(self.error_log, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if BROKEN.search(line):
                    self.judge.fault("check", line.strip()[:200])

    # -- rows ----------------------------------------------------------------------------------

    def judge_rows(self):
        acks = os.path.join(self.judge.lab_directory, "acks")
        if glob.glob(os.path.join(acks, "innodb-*.ack")):
            for (writer,) in self.rows("SELECT DISTINCT writer FROM lab.balance ORDER BY 1"):
                self._judge_transactions(int(writer))
        if self.judge.claim.consistency != "application":
            return
        for table in ("warehouse", "aria_plain", "aria_trx"):
            thread = {"warehouse": "myisam"}.get(table, table.replace("_", "-"))
            if os.path.exists(os.path.join(acks, thread + ".ack")):
                self._judge_table(table, thread)

    def _judge_table(self, table, thread):
        count, by_key, last = self.numbers(
            f"SELECT COUNT(*) FROM lab.{table}",
            f"SELECT COUNT(*) FROM lab.{table} FORCE INDEX (pad) WHERE pad > ''",
            f"SELECT MAX(seq) FROM lab.{table}",
        )
        if not count == by_key == last:
            text = f"{table}: {count} rows, {by_key} by its key, the last is {last}"
            self.judge.fault("rows", text)
        self.judge.judge_acks("rows", thread, last)
        self._judge_binlog_agrees(table, None, last)

    def _judge_transactions(self, writer):
        where = f"WHERE writer = {writer}"
        orders, ledger, last, half, astray, total = self.numbers(
            f"SELECT COUNT(*) FROM lab.orders {where}",
            f"SELECT COUNT(*) FROM lab.ledger {where}",
            f"SELECT MAX(seq) FROM lab.orders {where}",
            HALF.format(writer=writer),
            ASTRAY.format(writer=writer),
            f"SELECT SUM(amount) - COUNT(*) * 1000000 FROM lab.balance {where}",
        )
        if half:
            self.judge.fault("rows", f"writer {writer}: {half} half transactions")
        if not orders == ledger == last:
            text = f"{orders} orders, {ledger} in the ledger, the last is {last}"
            self.judge.fault("rows", f"writer {writer}: {text}")
        if astray or total:
            text = f"{astray} balances do not follow from the ledger, their sum is off by {total}"
            self.judge.fault("rows", f"writer {writer}: {text}")
        self.judge.judge_acks("rows", f"innodb-{writer}", last)
        self._judge_binlog_agrees("orders", writer, last)

    def _judge_binlog_agrees(self, table, writer, last):
        """The last insert in the last binary log is the last row of the table."""
        if self.judge.claim.consistency == "crash":
            return
        inserts = re.findall(rf"lab\.{table} VALUES \((\d+), (\d+),", self.judge.binlog_text)
        numbers = [int(seq) for who, seq in inserts if writer is None or int(who) == writer]
        binlog = self.judge.facts.setdefault("binlog", {})
        binlog["inserts"] = binlog.get("inserts", 0) + len(numbers)
        if numbers and max(numbers) != last:
            name = table if writer is None else f"{table} of writer {writer}"
            text = f"{name}: the table ends with {last}, the binary log with {max(numbers)}"
            self.judge.fault("rows", text)
