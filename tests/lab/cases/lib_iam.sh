# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# For the cases of IAM, after ../lib.sh:
#
#   give_role ROLE              its policy from now on, on stdin
#   tries ROLE                  lines of iam_try.py on stdin: each as it says
#   take_backup CODE [OPTION...]   of sp backup, and its exit code
#   other_node                  another instance in $other_instance, its volume in $other_volume, and a
#                               snapshot of it that says it is Stillpoint's, in $other_snapshot
#   each_is_needed FILE COMMAND...   without any one action of the policy in FILE, given to the node,
#                               COMMAND ends with 5 and says which right is missing
#   far_daemon ROLE [LINE...]   one without identity, with that role's keys and these lines of
#                               configuration; far ROLE COMMAND... asks it
#   each_is_needed_by ROLE FILE COMMAND-OF SETTLED   without any one action of the policy in FILE the
#                               command that the function COMMAND-OF, given "SID ACTION", runs fails and
#                               says which right is missing (77: not tried); then, with the whole policy,
#                               SETTLED
#   spec TYPE VALUE, tag KEY VALUE   pieces of iam_try.py's lines

give_role() {
    cloud_post iam "{\"role\": \"$1\", \"policy\": $(cat)}" >/dev/null || fail "the policy of $1"
}

tries() {
    OUT=$(python3 "$LIB_DIR/iam_try.py" "$LAB" "$1" 2>&1) || fail "$OUT"
}

take_backup() {
    local wanted=$1
    shift
    arm_thaw 60 "$(mount_at root)"
    assert_exit "$wanted" sp backup "$@"
    disarm_thaw
}

other_node() {
    local made own
    own=$(node_get "['instance']")
    made=$(cloud_post instance '{"volumes": [{"device": "/dev/sda1"}], "tags": {"Name": "other"}}')
    other_instance=$(json "d['instance']" <<<"$made")
    other_volume=$(json "d['volumes'][0]['volume']" <<<"$made")
    cloud_set "{\"imds\": {\"instance_id\": \"$own\"}}"
    other_snapshot=$(python3 - "$LIB_DIR" "$LAB" "$other_instance" <<'PY'
import sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
tags = {"stillpoint:id": "sp-20260101T000000Z-k3f9x", "stillpoint:instance": sys.argv[3]}
made = Lab(sys.argv[2]).ec2().create_snapshots(
    InstanceSpecification={"InstanceId": sys.argv[3]},
    TagSpecifications=[{"ResourceType": "snapshot", "Tags": [
        {"Key": key, "Value": value} for key, value in tags.items()]}])
print(made["Snapshots"][0]["SnapshotId"])
PY
    ) || fail "the other node's snapshot"
    # shellcheck disable=SC2034 # for the case
    readonly other_instance other_volume other_snapshot
}

each_is_needed() {
    local policy=$1 count number
    shift
    count=$(json "sum(len(s['Action']) if isinstance(s['Action'], list) else 1 for s in d['Statement'])" <"$policy")
    [ "$count" -ge 10 ] || fail "$count actions in $policy"
    for ((number = 0; number < count; number++)); do
        python3 "$LIB_DIR/iam_less.py" "$policy" "$number" >"$LAB/less.json" || fail "action $number of $policy"
        give_role node <"$LAB/less.json"
        assert_exit 5 "$@"
        assert_match 'ec2:[A-Za-z]+ is not allowed: ' "$OUT" "without action $number of $policy"
    done
}

spec() {
    echo "\"TagSpecifications\": [{\"ResourceType\": \"$1\", \"Tags\": [{\"Key\": \"stillpoint:instance\", \"Value\": \"$2\"}]}]"
}

tag() {
    echo "\"Tags\": [{\"Key\": \"$1\", \"Value\": \"$2\"}]"
}

far_daemon() {
    local role=$1 dir=$LAB/$1
    mkdir -p "$dir/run" "$dir/state"
    {
        printf '[aws]\nidentity = none\n'
        sed -n '/^region\|^endpoint_ec2\|^ca_bundle/p' "$LAB/stillpoint.conf"
        printf '[paths]\nrun = %s\nstate = %s\n' "$dir/run" "$dir/state"
        printf '%s\n' "${@:2}"
    } >"$dir/stillpoint.conf"
    "${BARE_ENV[@]}" AWS_ACCESS_KEY_ID="$(json "d['keys']['$role']['access_key']" <"$LAB/cloud.json")" \
        AWS_SECRET_ACCESS_KEY="$(json "d['keys']['$role']['secret_key']" <"$LAB/cloud.json")" \
        "$BUILD/stillpointd" --config "$dir/stillpoint.conf" 2>"$LAB/log/$role.log" &
    defer kill $!
    for _ in $(seq 600); do [ -S "$dir/run/control.sock" ] && break; sleep 0.05; done
}
far() { "$BUILD/stillpoint" --config "$LAB/$1/stillpoint.conf" "${@:2}"; }

each_is_needed_by() {
    local role=$1 policy=$2 of=$3 settled=$4 number=0 sid action status
    while read -r sid action; do
        python3 "$LIB_DIR/iam_less.py" "$policy" "$number" >"$LAB/less.json" || fail "action $number of $policy"
        give_role "$role" <"$LAB/less.json"
        number=$((number + 1))
        OUT=$("$of" "$sid" "$action" 2>&1)
        status=$?
        give_role "$role" <"$policy"
        [ "$status" -ne 77 ] || continue
        [ "$status" -ne 0 ] || fail "without $action of $sid nothing failed: $OUT"
        assert_match "$action is not allowed" "$OUT" "without $action of $sid (exit $status)"
        "$settled"
    done < <(python3 "$LIB_DIR/iam_less.py" "$policy")
    [ "$number" -ge 5 ] || fail "$number actions in $policy"
}
