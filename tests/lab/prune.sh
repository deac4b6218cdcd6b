# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# For the cases about what is kept and what goes, after lib.sh and start_node.
#
#   plant TAIL WHEN [KEY=VALUE...]        a set of the past (history.py); its id in $ID
#   start_pruner [LINE...]                a daemon without identity, under the policy that iam-policy prints for
#                                         it, with these lines of configuration; `far` asks it
#   are_left ID...                        these sets have snapshots in EC2, and no others
#   in_ec2                                every snapshot and image of ours there is, by id
#   until_called ACTION NUMBER [WHO]      the pruner's (WHO's) call of that number is with the cloud, not yet answered
#   hold_removals                         no DeleteSnapshot is acted on or answered, until cloud_faults_off
#   tag_set ID KEY VALUE                  as another machine does, on all its snapshots
#   take_plan COMMAND...                  what `COMMAND --json` says, for row
#   row ID                                of it: "keep slot 2 3"
set -u

# shellcheck disable=SC2034 # for the case
plant() { ID=$(cd "$LIB_DIR" && python3 history.py "$LAB" "$@") || fail "plant $*"; }

start_pruner() {
    mkdir -p "$LAB/pruner/run" "$LAB/pruner/state"
    {
        printf '[aws]\nidentity = none\n'
        sed -n '/^region\|^endpoint_ec2\|^ca_bundle/p' "$LAB/stillpoint.conf"
        printf '[paths]\nrun = %s\nstate = %s\n' "$LAB/pruner/run" "$LAB/pruner/state"
        printf '%s\n' "$@"
    } >"$LAB/pruner/stillpoint.conf"
    cloud_post iam "{\"role\": \"pruner\", \"policy\": $(far iam-policy --role pruner)}" >/dev/null || fail "no policy"
    run_pruner
}

run_pruner() {
    rm -f "$LAB/pruner/run/control.sock"
    "${BARE_ENV[@]}" AWS_ACCESS_KEY_ID="$(_pruner_key access_key)" \
        AWS_SECRET_ACCESS_KEY="$(_pruner_key secret_key)" \
        "$BUILD/stillpointd" --config "$LAB/pruner/stillpoint.conf" 2>>"$LAB/log/pruner.log" &
    pruner=$!
    defer end_pruner "$pruner"
    for _ in {1..200}; do [ -S "$LAB/pruner/run/control.sock" ] && return; sleep 0.05; done
    fail "the pruner did not start: $(tail -n 3 "$LAB/log/pruner.log")"
}

end_pruner() { kill "$1" 2>/dev/null || true; }

_pruner_key() { json "d['keys']['pruner']['$1']" <"$LAB/cloud.json"; }

far() { "$BUILD/stillpoint" --config "$LAB/pruner/stillpoint.conf" "$@"; }

are_left() {
    local wanted
    wanted=$(printf '%s\n' "$@" | sort | xargs)
    assert_eq "$wanted" "$(cloud_get snapshots |
        json "' '.join(sorted({s['tags']['stillpoint:id'] for s in d if 'stillpoint:id' in s['tags']}))")" \
        "the sets that are left"
}

in_ec2() { { cloud_get snapshots; cloud_get images; } | sed -nE 's/^  "id": "(.*)",/\1/p' | sort; }

take_plan() { PLAN=$("$@" --json -q) || fail "$*: exit $?"; }

row() {
    json "[' '.join(str(r[k]) for k in ('action', 'why', 'nth', 'of') if r[k] is not None)
        for r in d['rows'] if r['id'] == '$1'][0]" <<<"$PLAN"
}

until_called() {
    python3 - "$LIB_DIR" "$LAB" "$1" "$2" "${3:-pruner}" <<'EOF' || fail "no call $2 of $1: $(tail -n 5 "$LAB/out.txt")"
import sys, time
sys.path.insert(0, sys.argv[1])
from labclient import Lab
lab = Lab(sys.argv[2])
for _ in range(1500):
    calls = [c for c in lab.get("calls", action=sys.argv[3], who=sys.argv[5]) if not c["dry_run"]]
    if len(calls) == int(sys.argv[4]) and calls[-1]["answered_mono"] is None:
        sys.exit(0)
    time.sleep(0.01)
sys.exit(1)
EOF
}

hold_removals() { cloud_fault '{"action": "DeleteSnapshot", "kind": "hang", "count": -1, "dry_run": false}'; }

tag_set() {
    python3 - "$LIB_DIR" "$LAB" "$@" <<'EOF' || fail "tag_set $*"
import sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
lab, (set_id, key, value) = Lab(sys.argv[2]), sys.argv[3:]
ids = [s["id"] for s in lab.get("snapshots") if s["tags"].get("stillpoint:id") == set_id]
lab.ec2().create_tags(Resources=ids, Tags=[{"Key": f"stillpoint:{key}", "Value": value}])
EOF
}
