#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# The verdict is in the tags of all members and of the image; a set is not looked at again unless that says more
# than what is known, or is asked for; a dry run makes nothing.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"

start_cloud
start_node
start_writers

back_up good
stop_writers >/dev/null
sp verify "$(json "d['id']" <"$LAB/good.json")" --deep --json >"$LAB/verify.events" || fail "deep: $?"
tail -n 1 "$LAB/verify.events" >"$LAB/verify.json"
assert_no_findings
assert_match '^ok 20[0-9T:-]*Z deep$' "$(v "d['verified']")" "verdict of --deep"
assert_eq "$(v "d['verified']")" "$(sp status --json | json "d['last']['verified']")" "what status says of the last backup"
assert_eq true "$(v "d['databases'][0]['tables'] == d['databases'][0]['tables_checked'] > 30")" "tables"
assert_match '^binlog.000001:' "$(v "d['databases'][0]['binlog_end']")" "the copy's binary log"

# On each member and the image.
python3 - "$LIB_DIR" "$LAB" "$(v "d['verified']")" <<'PY' || fail "tags"
import json, sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
lab = Lab(sys.argv[2])
with open(f"{sys.argv[2]}/good.json", encoding="utf-8") as stream:
    backup = json.load(stream)
own = [{"Name": "tag:stillpoint:id", "Values": [backup["id"]]}]
things = lab.ec2("admin").describe_snapshots(Filters=own)["Snapshots"]
things += lab.ec2("admin").describe_images(Filters=own)["Images"]
assert len(things) == 4, things
for thing in things:
    tags = {tag["Key"]: tag["Value"] for tag in thing["Tags"]}
    assert tags["stillpoint:verified"] == sys.argv[3], tags
PY

# Once is enough; what is less deep, too; again where asked for.
cloud_post calls '{}' >/dev/null
verify_now 0
assert_eq true "$(v "d['skipped']")" "skipped"
assert_eq 0 "$(count_calls CreateVolume)" "volumes made for what was verified"
assert_exit 0 sp verify "$(json "d['id']" <"$LAB/good.json")"
assert_match 'not looked at again' "$OUT" "in words"
[[ $OUT != *started* ]] || fail "a verify that is skipped is said to be started: $OUT"
verify_now 0 --again
assert_eq false "$(v "d['skipped']")" "--again"
assert_match 'as deep again' "$(cat "$LAB/verify.events")" "what is said of it"
assert_match '^ok 20[0-9T:-]*Z deep$' "$(v "d['verified']")" "the verdict of a deep one, again"

# What would be done.
assert_exit 0 sp verify latest -n
assert_match 'would not look at .* again, whose verdict is: ok .*--again' "$OUT" "dry run of what was verified"
assert_eq true "$(sp verify latest -n --json | tail -n 1 | json "d['skipped']")" "skipped"
cloud_post calls '{}' >/dev/null
assert_exit 0 sp verify latest -n --again
assert_match 'would make and attach' "$OUT" "dry run"
assert_eq 0 "$(count_calls CreateVolume)" "volumes made by a dry run"
