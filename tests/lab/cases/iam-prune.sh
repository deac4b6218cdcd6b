#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# A trusted machine under `iam-policy --role pruner`: it lists, pins, deletes and prunes sets of all nodes, also one
# whose image CreateImage made, and what has lost its id; without any one right the command that needs it says
# which.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/prune.sh
. "$LIB_DIR/prune.sh"
# shellcheck source=tests/lab/cases/lib_iam.sh
. "$(dirname "$0")/lib_iam.sh"

start_cloud
start_node --no-mysql
cloud_set '{"snapshot_time_s": 0.1, "image_time_s": 0.1, "latency_ms": {"CreateSnapshots": 20},
    "imds": {"document": {"billingProducts": ["bp-6fa54006"]}}}'
take_backup 0 --quiet
billed=$(sp show latest --json | json "d['id']")
of_image() { cloud_get snapshots | json "sum('stillpoint:image-of' in s['tags'] for s in d)"; }
[ "$(of_image)" -ge 1 ] || fail "CreateImage made no snapshot of its own"
stop_part daemon
plant bbbbb 2@12:00; kept=$ID
plant ccccc 3@12:00; pinned=$ID
plant ddddd 4@12:00 instance=i-0fedcba9876543210 volumes=vol-0fedcba9876543210; other=$ID
plant eeeee 4@12:00; old=$ID
plant fffff 6@12:00 instance=i-0fedcba9876543210 volumes=vol-0fedcba9876543210 \
    rollback=rb-20261124T081530Z-k3f9x; lost=$ID
plant qqqqq 5@13:00 id= image=no

far_daemon pruner '[retention]' 'keep_last = 10'
far pruner iam-policy --role pruner >"$LAB/policy.json" || fail "iam-policy ended with $?"
give_role pruner <"$LAB/policy.json"

# Without any one right of these, and nothing goes.
before=$(in_ec2)
wanted_of() {
    case $1:$2 in
    Delete:*) return 77 ;; # what has its id has its state, too: below
    DeleteOfImage:*) far pruner delete --force "$billed" ;;
    DeleteStray:ec2:DeregisterImage) return 77 ;; # as DeleteSnapshot, for an image
    DeleteStray:*) far pruner prune --all-nodes ;;
    Tag:*) far pruner pin "$kept" ;;
    Look:ec2:DescribeInstances) far pruner delete --force "$lost" ;;
    Look:*) far pruner prune --all-nodes -n ;;
    *) echo "nothing shows it" ;;
    esac
}
settled() { assert_eq "$before" "$(in_ec2)" "EC2, without a right"; }
each_is_needed_by pruner "$LAB/policy.json" wanted_of settled
for action in ec2:DeregisterImage ec2:DeleteSnapshot ec2:CreateTags; do
    python3 "$LIB_DIR/iam_less.py" "$LAB/policy.json" "$action" | give_role pruner
    assert_exit 5 far pruner delete "$old"
    assert_match "$action is not allowed" "$OUT" "delete without $action"
    settled
done

# With all of them.
give_role pruner <"$LAB/policy.json"
assert_exit 0 far pruner doctor
assert_exit 0 far pruner list --all-nodes
assert_match "$other" "$OUT" "list"
assert_exit 0 far pruner show "$billed"
assert_exit 0 far pruner pin "$pinned"
assert_exit 0 far pruner pin "$kept"
assert_exit 0 far pruner unpin "$kept"
assert_exit 0 far pruner delete "$old"
assert_exit 0 far pruner delete --force "$billed" "$lost"
assert_eq 0 "$(of_image)" "snapshots of CreateImage"
assert_exit 0 far pruner prune --all-nodes
are_left "$kept" "$pinned" "$other"
