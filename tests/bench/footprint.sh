#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What the agent weighs when idle after a backup, with the system's CA bundle, and how many calls a
# backup makes.
#
#   footprint.sh OUT      one JSON object: {daemon: {…}, guard: {…}, calls: {action: n}, volumes}
#
# IDLE_SECONDS (60) is how long its wake-ups are counted. Calls that ask for the state of what is
# pending (DescribeSnapshots, DescribeImages) are polling; the dry run that asks beforehand for the
# right to poll is counted with it, and told.
# shellcheck disable=SC2119 # their options are not ours
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/../lab/lib.sh"

out=$1
bundle=/etc/ssl/certs/ca-certificates.crt

[ -s "$bundle" ] || skip "$bundle is missing"
start_cloud
# The lab's own CA besides the system's: the daemon is as heavy as on a node, and a little more.
cat "$bundle" "$(json "d['ca']" <"$LAB/cloud.json")" >"$LAB/bundle.pem"
chmod 644 "$LAB/bundle.pem"
mkdir -p "$LAB/conf.d"
printf '[aws]\nca_bundle = %s\n' "$LAB/bundle.pem" >"$LAB/conf.d/bundle.conf"
start_node
start_writers
arm_thaw 60 "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"
cloud_post calls '{}' >/dev/null
sp backup --reason footprint --json >"$LAB/backup.json" || fail "the backup failed"
disarm_thaw
cloud_calls >"$LAB/calls.json"
stop_writers >/dev/null
sleep 2 # connections that are to be closed, are

python3 "$TOP/tests/bench/footprint.py" "${IDLE_SECONDS:-60}" daemon="$(part_pid daemon)" \
    guard="$(part_pid guard)" >"$LAB/idle.json" || fail "no footprint"
python3 - "$LAB" >"$out" <<'EOF'
import collections, json, sys
lab = sys.argv[1]
calls = json.load(open(lab + "/calls.json"))
node = json.load(open(lab + "/node.json"))
result = json.load(open(lab + "/idle.json"))
actions = collections.Counter(
    call["action"] + (" (dry run)" if call["dry_run"] else "") for call in calls if call["who"] == "role")
polls = sum(actions[name] for name in ("DescribeSnapshots", "DescribeImages"))
dry_polls = actions["DescribeSnapshots (dry run)"]
result.update(calls=dict(actions), polls=polls, dry_polls=dry_polls,
              calls_without_polls=sum(actions.values()) - polls - dry_polls, volumes=len(node["mounts"]))
print(json.dumps(result))
EOF
