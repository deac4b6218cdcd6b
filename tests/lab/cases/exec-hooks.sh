#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# An operator's program runs as root in each phase with what it needs to know; one that others can
# write to never runs; one that fails in prepare refuses; one that fails or hangs in hold lowers the
# label, and its release is called all the same.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
start_node --no-mysql --no-agent
hook=$LAB/hooks.d/pause
install -d -m 755 "$LAB/hooks.d" && : >"$LAB/hook.log"
cat >"$hook" <<'SH'
#!/bin/sh
echo "$1 $STILLPOINT_PHASE $STILLPOINT_ID $STILLPOINT_REASON ${STILLPOINT_OUTCOME:--} $(id -u) ${HOME:-nohome}" >>"$(dirname "$0")/../hook.log"
case "$(cat "$(dirname "$0")/../behave")" in
    "fail-$1") echo "no $1 today" >&2; exit 3 ;;
    "hang-$1") sleep 60 ;;
esac
SH
chmod 755 "$hook"
echo fine >"$LAB/behave"
cat >>"$LAB/stillpoint.conf" <<CONF
[hook pause]
exec = $hook
CONF
for part in guard hook daemon; do start_part $part; done
arm_thaw 100 "$(mount_at root)"
cloud_set '{"snapshot_time_s": 0.2}'

run() { # WANTED EXIT
    : >"$LAB/hook.log"
    assert_exit "$1" sp backup --no-image --reason drill
}
phases() { cut -d' ' -f1 "$LAB/hook.log" | tr '\n' ' '; }

run 0
assert_eq 'prepare hold release finish ' "$(phases)" "phases"
assert_match '^prepare prepare sp-[^ ]+ drill - 0 nohome' "$(cat "$LAB/hook.log")" "what a hook sees"
assert_match 'release release sp-[^ ]+ drill cut 0' "$(cat "$LAB/hook.log")" "the outcome"

echo fail-prepare >"$LAB/behave"
run 5
assert_match 'pause' "$OUT" "the hook's name"
assert_match 'no prepare today|exit(ed)?( with| code)? 3' "$OUT" "why"
assert_match 'nothing (was held or frozen|is held by Stillpoint)' "$OUT" "now"
assert_eq 'prepare finish ' "$(phases)" "phases after a failed prepare"
assert_match 'event=hook_output .*hook=pause phase=prepare text="no prepare today"' \
    "$(cat "$LAB/log/daemon.log")" "its words in the daemon's log"

echo fail-hold >"$LAB/behave"
run 3
assert_eq 'prepare hold release finish ' "$(phases)" "phases after a failed hold"
sp show latest --json >"$LAB/shown.json" || fail show
assert_eq filesystem "$(json "d['consistency']" <"$LAB/shown.json")" "label"
assert_match pause "$(json "d['shortfall'][0]" <"$LAB/shown.json")" "shortfall"

echo hang-hold >"$LAB/behave"
begin=$SECONDS
run 3
[ $((SECONDS - begin)) -lt 15 ] || fail "a hook that hangs held the node for $((SECONDS - begin)) s"
assert_match 'hold release finish ' "$(phases)" "phases after a hook that hung"
assert_eq '' "$(pgrep -f "$hook" || true)" "processes of the hook that are left"

echo fine >"$LAB/behave"
chmod 775 "$hook"
: >"$LAB/hook.log"
assert_exit 5 sp backup --no-image
assert_match "$hook" "$OUT" "which file"
assert_match 'writ' "$OUT" "why it is refused"
assert_eq '' "$(phases)" "a hook that others can write to ran"
assert_exit 5 sp doctor
assert_match 'hook.*pause' "$OUT" "doctor"
chmod 755 "$hook"

# Required: no hold, no backup.
printf 'required = yes\n' >>"$LAB/stillpoint.conf"
stop_part daemon
start_part daemon
echo fail-hold >"$LAB/behave"
: >"$LAB/hook.log"
assert_exit 5 sp backup --no-image
assert_eq 'prepare hold release finish ' "$(phases)" "phases of a required hook that failed"
disarm_thaw
