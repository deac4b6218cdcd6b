#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# list judges sets by their members and says what is wrong; by node, group, time, state and label; show
# tells the same of one, of whatever node.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --no-mysql
cloud_set '{"snapshot_time_s": 0.1, "latency_ms": {"CreateSnapshots": 20}, "page_size": 4}'
arm_thaw 120 "$(mount_at root)"
ids=()
for reason in elsewhere foreign missing good; do
    sp backup --quiet --json --reason "made to be $reason" >"$LAB/made.json" || fail "no backup $reason"
    ids+=("$(json "d['id']" <"$LAB/made.json")")
done
disarm_thaw
node=$(json "d['node']" <"$LAB/made.json")
members=$(json "len(d['snapshots'])" <"$LAB/made.json")

# The first becomes another node's, of a group; the second gets a member of that node; the third loses
# one, after its image, which would not let it go.
edit() { # PYTHON, with ec2 and sets (id -> snapshots) in it
    python3 - "$LIB_DIR" "$LAB" "${ids[@]}" <<PYTHON || fail "the cloud can't be edited"
import sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
ec2 = Lab(sys.argv[2]).ec2()
find = lambda id: [{"Name": "tag:stillpoint:id", "Values": [id]}]
sets = {id: [s["SnapshotId"] for s in ec2.describe_snapshots(Filters=find(id))["Snapshots"]]
        for id in sys.argv[3:]}
images = {id: [i["ImageId"] for i in ec2.describe_images(Filters=find(id))["Images"]]
          for id in sys.argv[3:]}
tag = lambda ids, **tags: ec2.create_tags(
    Resources=ids, Tags=[{"Key": "stillpoint:" + k, "Value": v} for k, v in tags.items()])
elsewhere, foreign, missing, good = sys.argv[3:]
$1
PYTHON
}
edit '
tag(sets[elsewhere] + images[elsewhere], instance="i-0fedcba9876543210", node="front7", group="site-b")
tag(sets[foreign][:1], instance="i-0fedcba9876543210")
ec2.deregister_image(ImageId=images[missing][0])
ec2.delete_snapshot(SnapshotId=sets[missing][0])
print(sets[foreign][0], sets[missing][0])
' >"$LAB/edited"
read -r stranger _ <"$LAB/edited"

rows() { # EXPRESSION OPTION...: of list --json
    local expression=$1
    shift
    sp list --json "$@" >"$LAB/list.json" || fail "list $*: exit $?"
    json "$expression" <"$LAB/list.json"
}
names() { # OPTION...: the reasons' last words, newest first
    rows "' '.join(b['reason'].split()[-1] for b in d)" "$@"
}

# What there is, newest first.
assert_eq 'good missing foreign' "$(names)" "this node's"
assert_eq 'good missing foreign elsewhere' "$(names --all-nodes)" "all"
assert_eq 'complete failed failed complete' "$(rows "' '.join(b['state'] for b in d)" --all-nodes)" "states"
assert_eq '["'$((members - 1))" of $members snapshots are there\"]" "$(rows "d[1]['broken']" --all-nodes)" "a member is gone"
assert_eq "[\"$((members - 1)) of $members snapshots are there\", \"snapshot $stranger does not belong: it is tagged as of i-0fedcba9876543210\"]" \
    "$(rows "d[2]['broken']" --all-nodes)" "a member is another's"
assert_eq '[]' "$(rows "d[0]['broken']")" "of the good one"
OUT=$(sp list)
assert_match "3 backups: 1 good, 2 broken"$'\n'"the good one is [0-9ms ]+ old"$'\n'"[0-9]+ GiB of volumes: their size" "$OUT" "sums"
assert_match "${ids[2]}: $((members - 1)) of $members snapshots are there" "$OUT" "the reason"

# Whose, when, which.
assert_eq 'elsewhere' "$(names --node front7)" "--node NAME"
assert_eq 'elsewhere' "$(names --node i-0fedcba9876543210 --state complete)" "--node INSTANCE"
assert_eq 'elsewhere' "$(names --all-nodes --group site-b)" "--group"
assert_eq '' "$(names --all-nodes --group 'site-*')" "a group is no pattern"
edit 'tag(sets[elsewhere] + images[elsewhere], node="front*7?\\x")'
assert_eq 'elsewhere' "$(names --node 'front*7?\x')" "a name with what EC2 takes for a pattern"
assert_eq '' "$(names --node 'front*')" "a name is no pattern"
edit 'tag(sets[elsewhere] + images[elsewhere], node="front7")'
assert_eq 'missing foreign' "$(names --state broken)" "--state broken"
assert_eq 'missing foreign' "$(names --state failed)" "--state failed"
assert_eq 'good' "$(names --state complete)" "--state complete"
assert_eq 'good' "$(names --limit 1)" "--limit"
assert_eq 'foreign' "$(names --reason 'be for')" "--reason"
assert_eq 'foreign' "$(names --reason 'Be FOR')" "--reason in other letters"
assert_eq '' "$(names --consistency crash)" "--consistency"
assert_eq 'good missing foreign' "$(names --since 1h --until 0)" "--since"
assert_eq '' "$(names --until 1h)" "--until"
began=$(rows "d[1]['started']")
assert_eq 'good missing' "$(names --since "${began%.*}Z")" "--since TIME"
assert_exit 0 sp list --state pending
assert_eq 'no such backups: without --state there are 3' "$OUT" "none of them"
assert_exit 0 sp list --all-nodes --state pending --reason nightly
assert_eq 'no such backups: without --state and --reason there are 4' "$OUT" "none of them all"
assert_exit 0 sp list --node front8 --state pending
assert_match '^no backups of the node front8; .stillpoint list --by-node. shows' "$OUT" "none of that node"
assert_exit 0 sp list --group site-b
assert_match '^no backups of this node in the group site-b; with --all-nodes' "$OUT" "none of that group here"
assert_match '1 of 3 backups: 1 good, 2 broken' "$(sp list --limit 1)" "sums of all"
assert_eq "[[\"front7\", 1, 1, 0], [\"$node\", 3, 1, 2]]" \
    "$(rows "[[n['node'], n['sets'], n['good'], n['broken']] for n in d]" --by-node)" "--by-node"
assert_match "front7 +i-0fedcba9876543210 +1 +1 " "$(sp list --by-node --all-nodes)" "--by-node"
assert_eq '[["front7", 1]]' "$(rows "[[n['node'], n['sets']] for n in d]" --by-node --node front7)" "--by-node of one"

# Bad options.
assert_exit 2 sp list --since yesterday
assert_match "'yesterday' is no time.*do: +write 7d" "$OUT" "--since"
assert_exit 2 sp list --since 1d --until 7d
assert_match "since is later than --until.*--since 7d --until 1d" "$OUT" "--since and --until"
assert_exit 2 sp list --state brokn
assert_match "did you mean broken" "$OUT" "--state"
assert_exit 2 sp list --limit 0
assert_exit 2 sp list --node ''
assert_exit 2 sp list --node front7 --all-nodes
assert_exit 2 sp list --by-node --limit 1

# show says the same of one, wherever it is.
assert_exit 0 sp show "${ids[1]}"
assert_match "state +broken"$'\n'" +$((members - 1)) of $members snapshots are there"$'\n'" +snapshot $stranger does not belong" "$OUT" "show"
assert_eq 'failed complete' "$(sp show "${ids[1]}" --json | json "d['state'] + ' ' + d['tagged']")" "show as JSON"
assert_eq front7 "$(sp show "${ids[0]}" --json | json "d['node']")" "another node's"
assert_eq "${ids[3]}" "$(sp show latest --json | json "d['id']")" "latest"
assert_exit 2 sp show sp-2
assert_match "several backups begin with 'sp-2': sp-[^ ]+, sp-[^ ]+, sp-[^ ]+ and 1 more" "$OUT" "ambiguous"
assert_exit 5 sp show sp-20200101T000000Z-00000
assert_match 'no backup has the id' "$OUT" "unknown"
assert_match "warning +broken backup +2 of this node's sets are broken, the newest: ${ids[2]}, $((members - 1)) of" \
    "$(sp doctor)" "doctor"

# A right that is missing is no empty list.
cloud_set '{"deny": ["DescribeImages"]}'
assert_exit 5 sp list
assert_match 'ec2:DescribeImages is not allowed' "$OUT" "without the right"
