#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# `make demo`: a node and a cloud on this machine, one application-consistent backup under full write
# load by the real programs, its copy restored and judged. Everything is taken down again. Ends with
# 1 if anything is not as claimed.
# shellcheck disable=SC2119 # their options are not ours
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

began=$SECONDS
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    title() { printf '\n\033[1m%s\033[0m\n' "$*"; }
else
    title() { printf '\n== %s\n' "$*"; }
fi
told() { # a command, shown as one would type it; its output follows
    printf '\n  $ %s\n' "$*"
}

# A demo that can't run has failed, whatever a test would call it.
skip() { fail "$*"; }

title "A node and a cloud"
start_cloud
start_node
start_writers
echo "An instance with three volumes: / and /var/lib/mysql on ext4, /var/log/mysql on XFS, all real, on"
echo "loop devices. $(mariadbd --version | grep -oE '[0-9.]+-MariaDB' | head -n 1) runs on them, and writers that never pause: transactions over two InnoDB"
echo "tables, MyISAM, Aria, files on each filesystem. The cloud answers CreateSnapshots after 300 ms."
sleep 2 # so that there is something to lose

title "A backup of it"
arm_thaw 40 "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"
told stillpoint backup --reason demo
from_us=$(python3 -c 'import time; print(time.monotonic_ns() // 1000)')
sp backup --reason demo || fail "stillpoint backup ended with $?"
to_us=$(python3 -c 'import time; print(time.monotonic_ns() // 1000)')
disarm_thaw # and fails if anything was left frozen
sleep 0.5
told stillpoint list
sp list || fail "stillpoint list ended with $?"
told stillpoint show latest
sp show latest || fail "stillpoint show ended with $?"
sp show latest --json >"$LAB/backup.json" || fail "stillpoint show --json ended with $?"

title "The proof: its copy, restored"
python3 "$LIB_DIR/gaps.py" "$LAB/acks" --from "$from_us" --to "$to_us" >"$LAB/gaps.json" || fail "no gaps"
stop_writers >"$LAB/writers.json"
judge "$LAB/backup.json" >"$LAB/verdict.json"
verdict=$?
[ "$verdict" != 2 ] || fail "the copy could not be judged"

python3 - "$LAB" <<'PY'
import json, sys

def load(name):
    with open(f"{sys.argv[1]}/{name}.json", encoding="utf-8") as stream:
        return json.load(stream)

backup, verdict, gaps, writers = load("backup"), load("verdict"), load("gaps"), load("writers")
timing, faults = backup["timing_ms"], list(verdict["faults"])
database, copy = backup["databases"][0], verdict["facts"].get("binlog", {})
writes = sum(writer["writes"] for writer in writers.values())
over = timing["hold"] - timing["exchange"]
kept = {thread: fact for thread, fact in verdict["facts"].items() if thread in writers}

def tell(prefix):
    return f"{sum(fact['on_copy'] for thread, fact in kept.items() if thread.startswith(prefix)):,}"

if backup["consistency"] != "application":
    faults.append(f"claim: the backup is {backup['consistency']} consistent only: {backup['shortfall']}")
if backup["state"] != "complete":
    faults.append(f"claim: its state is {backup['state']}")
if not (backup.get("image") or {}).get("id"):
    faults.append("claim: it has no image")
if set(kept) != set(writers):
    faults.append(f"judge: nothing said of {sorted(set(writers) - set(kept))}")

print(f"The copies of {len(backup['snapshots'])} snapshots were mounted, checked, and MariaDB started on them:")
print()
print("  filesystems   mount clean; fsck finds nothing after one mount")
print(f"  database      starts without a repair; {verdict['facts'].get('tables_checked', 0)} results of CHECK TABLE, all OK")
due = sum(kept[thread]["acknowledged_before"] for thread in kept)
print(f"  writes        all {due:,} that were acknowledged before the instant are there, none from after it:")
print(f"                {tell('innodb-')} transactions, {tell('myisam')} rows of MyISAM, {tell('aria-')} of Aria, "
      f"{tell('file-')} records in files")
print(f"  binary log    recorded {database['binlog_file']}:{database['binlog_pos']}, "
      f"the copy ends at {copy.get('file')}:{copy.get('bytes')}")
print(f"  GTID          recorded {database['gtid']}, the copy's last is {copy.get('gtid')}")
print(f"  the hold      {timing['hold']:.1f} ms, {timing['exchange']:.1f} of them EC2's answer; "
      f"all else took {over:.1f} ms")
print(f"  the writers   made {writes:,} writes; the longest that any of them waited was {gaps['longest']:.1f} ms")
print()
if faults:
    print("NOT AS CLAIMED:")
    for fault in faults:
        print(f"  {fault}")
    sys.exit(1)
print("The backup is what it claims to be.")
PY
proved=$?
if [ "$verdict" != 0 ] || [ "$proved" != 0 ]; then
    fail "the backup is not what it claims to be"
fi

title "Down again"
lab=$LAB
python3 "$LIB_DIR/sweep.py" --dir "$lab" || fail "it could not all be taken down"
LAB=
if grep -q "$lab" /proc/mounts || losetup --list --noheadings --output BACK-FILE | grep -q "$lab" || [ -e "$lab" ]; then
    fail "something of $lab is left"
fi
echo "Nothing is left: no mount, no loop device, no process. $((SECONDS - began)) s."
