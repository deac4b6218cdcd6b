#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# thread: yes
# A node from an image boots with its parent's state on its disk: the agent there sees that it is
# another node, drops that, and leaves its parent's sets alone. When the parent is gone from EC2, the
# tags of its backup tell how it was launched.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --no-mysql
begin_refusals
original=$(node_get "['instance']")
backs_up
id=$(sp show latest --json | json "d['id']")
OUT=$(sp restore instance "$id" --name copy --json) || fail "restore: exit $?: $OUT"
copy=$(tail -n 1 <<<"$OUT" | json "d['instance']")

# The original dies in the middle of a backup: what it was at stands in its journal.
cloud_set '{"latency_ms": {"CreateSnapshots": 6000}}'
daemon=$(part_pid daemon)
"$BUILD/stillpoint" --config "$LAB/stillpoint.conf" backup --no-image >"$LAB/out.txt" 2>&1 &
client=$!
wait_cut
kill -KILL "$daemon"
wait "$client"
half=$(sed -nE 's/^backup (sp-[^ ]+) started$/\1/p' "$LAB/out.txt")
[ -s "$LAB/state/journal/$half.json" ] || fail "no entry: the test would prove nothing"
end_refusals
unfinished() { cloud_get snapshots | json "sorted((s['id'], s['tags']['stillpoint:state']) for s in d if s['tags']['stillpoint:id'] == '$half')"; }
for _ in $(seq 400); do # EC2 cuts late in its call
    left=$(unfinished)
    [ "$left" = '[]' ] || break
    sleep 0.05
done
assert_eq 3 "$(json 'len(d)' <<<"$left")" "snapshots of the unfinished set"
python3 "$LIB_DIR/node.py" down "$LAB" || fail "the node does not go"

# The copy boots with all that on its disk, and knows from its start on that it is not its parent.
mkdir "$LAB/copy"
{
    sed '/^\[paths\]/,$d' "$LAB/stillpoint.conf"
    printf '[paths]\nrun = %s\nstate = %s\n' "$LAB/copy" "$LAB/state"
} >"$LAB/copy.conf"
cloud_set "{\"imds\": {\"document\": {\"instanceId\": \"$copy\"}}}"
"${BARE_ENV[@]}" "$BUILD/stillpointd" --config "$LAB/copy.conf" 2>"$LAB/log/copy.log" &
copyd=$!
defer kill "$copyd"
end=$((SECONDS + 30))
until grep -q "event=settled id=$half outcome=void" "$LAB/log/copy.log"; do
    [ "$SECONDS" -lt "$end" ] || fail "nothing is dropped: $(cat "$LAB/log/copy.log")"
    sleep 0.05
done
on_copy() { "$BUILD/stillpoint" --config "$LAB/copy.conf" "$@"; }
assert_match "event=identity_changed was=$original now=$copy" "$(cat "$LAB/log/copy.log")" "the log"
assert_match "$copy" "$(cat "$LAB/state/identity.json")" "who is remembered"
assert_eq '' "$(ls "$LAB/state/journal")" "the parent's journal"
assert_eq "$left" "$(unfinished)" "the parent's unfinished set"
assert_match 'no backups' "$(on_copy list)" "the copy's list"
assert_match "$id" "$(on_copy list --all-nodes)" "its parent's"

# The original is gone from EC2: the backup's tag tells how it was launched, but for what no tag may hold.
OUT=$(on_copy restore instance "$id" --replace 2>&1)
assert_eq 3 $? "exit code of: $OUT"
assert_match 'the original is gone, and its user data with it' "$OUT" "the warning"
heir=$(sed -nE 's/^(i-[0-9a-f]+) is running$/\1/p' <<<"$OUT")
python3 - "$LAB" "$heir" "$id" <<'PY' || fail "the heir: $OUT"
import json, sys
sys.path.insert(0, "tests/lab")
from labclient import Lab
ec2 = Lab(sys.argv[1]).ec2("admin")
row = ec2.describe_instances(InstanceIds=[sys.argv[2]])["Reservations"][0]["Instances"][0]
snapshot = ec2.describe_snapshots(Filters=[{"Name": "tag:stillpoint:id", "Values": [sys.argv[3]]}])
tags = {tag["Key"]: tag["Value"] for tag in snapshot["Snapshots"][0]["Tags"]}
launch = dict(item.split("=", 1) for item in tags["stillpoint:launch"].split())
assert row["InstanceType"] == launch["type"] and row["SubnetId"] == launch["subnet"], row
assert [g["GroupId"] for g in row["SecurityGroups"]] == launch["sg"].split(","), row
assert row["PrivateIpAddress"] == launch["ip"], (row["PrivateIpAddress"], launch)
assert {t["Key"]: t["Value"] for t in row["Tags"]}["Name"] == "kaltura-lab1", row
PY
