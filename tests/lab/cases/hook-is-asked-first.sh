#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Without stillpoint-hook, whatever is the matter with it, verify, restore files and rollback end with 5, with cause
# and remedy, before anything is made; their dry runs, too. doctor says it.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"
# shellcheck source=tests/lab/cases/lib_rollback.sh
. "$(dirname "$0")/lib_rollback.sh"
# shellcheck source=tests/lab/cases/lib_hook.sh
. "$(dirname "$0")/lib_hook.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_rollback_node
back_up good --no-image
set=$(json "d['id']" <"$LAB/good.json")

asks_first() { # CAUSE REMEDY COMMAND...
    refused 5 "$@"
    shift 2
    assert_match 'now: nothing was (made|done)' "$OUT" "what is left by $*"
    assert_eq '[]' "$(cloud_calls who=role | json "[c['action'] for c in d if not c['dry_run'] and c['action'][:8] != 'Describe']")" \
        "what EC2 was asked to do by $*"
    assert_eq '' "$(cat "$LAB/hook.log" "$LAB/state/loans/"* 2>/dev/null)" "services stopped, or loans, by $*"
    [ ! -e "$LAB/to" ] || fail "$* left a folder"
}

all_ask_first() { # CAUSE REMEDY [-n]
    cloud_post calls '{}' >/dev/null
    asks_first "$1" "$2" sp verify "$set" "${@:3}"
    asks_first "$1" "$2" sp restore files "$set" /etc --to "$LAB/to" "${@:3}"
    asks_first "$1" "$2" sp rollback "$set" --data-only --yes "${@:3}"
}

doctor_says() { # CAUSE REMEDY
    assert_exit 5 sp doctor
    assert_match "failed +stillpoint-hook .*($1).*do: .*($2)" "$OUT" "doctor"
}

assert_match 'ok +stillpoint-hook ' "$(sp doctor)" "doctor"
stop_part hook
all_ask_first "$LAB/run/hook.sock: Connection refused" 'systemctl start stillpoint-hook.socket'
all_ask_first "$LAB/run/hook.sock: Connection refused" 'systemctl start stillpoint-hook.socket' -n
rm "$LAB/run/hook.sock"
all_ask_first "$LAB/run/hook.sock: No such file" 'systemctl start stillpoint-hook.socket'

# It listens, and what it starts ends at once.
hook_is /bin/false
all_ask_first 'stillpoint-hook: ' 'journalctl -u .stillpoint-hook@'
all_ask_first 'stillpoint-hook: ' 'journalctl -u .stillpoint-hook@' -n
doctor_says 'stillpoint-hook: ' 'journalctl -u .stillpoint-hook@'
hook_goes
# The daemon's user is not the one whom it serves, or whom its socket lets in.
hook_is "$BUILD/stillpoint-hook" --user nobody
all_ask_first 'we may not ask stillpoint-hook' 'run the daemon as the user stillpoint'
doctor_says 'we may not ask stillpoint-hook' 'run the daemon as the user stillpoint'
chown root:root "$LAB/run/hook.sock"
all_ask_first "$LAB/run/hook.sock: Permission denied" 'as the user stillpoint.*systemctl restart stillpoint-hook.socket'
hook_goes

# A verdict that stands needs nothing done, and no stillpoint-hook.
no_tags_left
assert_no_volumes
start_part hook
verify_now 0
stop_part hook
verify_now 0
assert_eq true "$(v "d['skipped']")" "a verdict that stands"
# Nor does the way back from a rollback begin without it.
start_part hook
assert_exit 0 sp rollback "$set" --data-only --no-backup --yes
now=$(data_volumes)
stop_part hook
for dry in '' -n; do
    # shellcheck disable=SC2086 # none, or one
    refused 5 "$LAB/run/hook.sock: " 'systemctl start stillpoint-hook.socket' sp rollback --undo --yes $dry
    assert_match 'now: nothing was done' "$OUT" "what is left"
    assert_match ' done ' "$(state_tag)" "the step that it is at"
    assert_eq "$now" "$(data_volumes)" "volumes"
done
start_part hook
assert_exit 0 sp rollback --undo --yes
