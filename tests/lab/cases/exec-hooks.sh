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
    "slow-$1") sleep 8 ;;
esac
SH
chmod 755 "$hook"
echo fine >"$LAB/behave"
cat >>"$LAB/stillpoint.conf" <<CONF
[hook pause]
exec = $hook
CONF
for part in guard hook daemon; do start_part $part; done
arm_thaw 250 "$(mount_at root)"
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

# A dry run names it and does not call it.
: >"$LAB/hook.log"
assert_exit 0 sp backup -n
assert_match 'pause +a program of yours: not called in a dry run' "$OUT" "the plan"
assert_eq '' "$(phases)" "a dry run called the hook"

# One that comes later is not in force yet, and doctor says so.
assert_match 'ok +configuration ' "$(sp doctor)" "doctor"
install -m 755 "$hook" "$LAB/hooks.d/later"
assert_match 'warning +configuration .*have changed since the daemon.s start.*do: restart it' "$(sp doctor)" "doctor"
rm "$LAB/hooks.d/later"

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

# What a release did not let go of is told, and that not all runs again.
echo fail-release >"$LAB/behave"
run 3
assert_match "warning: .*$hook release exited with 3" "$OUT" "the phase that failed"
assert_match 'do: .*what it held may still be held' "$OUT" "what to do"
[[ ! $OUT =~ "everything runs again" ]] || fail "it says that everything runs again: $OUT"
assert_match 'as consistent as asked for, but something else is missing' "$OUT" "why it is 3"
sp show latest --json >"$LAB/shown.json" || fail show
assert_eq application "$(json "d['consistency']" <"$LAB/shown.json")" "label"

# Ctrl-C while a release takes its time: the cut was made, the backup goes on.
echo slow-release >"$LAB/behave"
: >"$LAB/hook.log"
env --default-signal=INT "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" backup --no-image >"$LAB/out.txt" 2>&1 &
client=$!
for _ in {1..200}; do
    grep -q '^release' "$LAB/hook.log" && break
    sleep 0.05
done
assert_match 'step release' "$(sp status)" "status"
kill -INT "$client"
wait "$client"
assert_eq 6 $? "exit code: $(cat "$LAB/out.txt")"
assert_match 'the cut was made before the cancel: backup (sp-[0-9A-Za-z-]+) goes on' "$(cat "$LAB/out.txt")" "the answer"
id=${BASH_REMATCH[1]}
for _ in {1..100}; do
    [ "$(sp show "$id" --json 2>/dev/null | json "d['state']")" != complete ] || break
    sleep 0.1
done
assert_eq complete "$(sp show "$id" --json | json "d['state']")" "its end"

# A hold of which it does not let go says so.
echo fail-release >"$LAB/behave"
assert_exit 0 sp hold --lease 20s
assert_exit 3 sp release
assert_match 'as was asked for; not all.* why: pause: .*release exited with 3.*without a gap.* do: ' "$(tr '\n' ' ' <<<"$OUT")" "a release that failed"

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
assert_exit 1 sp backup --no-image
assert_eq 'prepare hold release finish ' "$(phases)" "phases of a required hook that failed"

# No mount to freeze: what the hook holds is in the set all the same, which is crash consistent.
sed -i '/^required = yes/d' "$LAB/stillpoint.conf"
echo "[backup]
exclude_mounts = $(json "', '.join(m['at'] for m in d['mounts'])" <"$LAB/node.json")" >>"$LAB/stillpoint.conf"
stop_part daemon
start_part daemon
echo fine >"$LAB/behave"
run 3
assert_match "$(mount_at root) .*was not frozen: exclude_mounts names it" "$OUT" "why it is less"
assert_eq 'prepare hold release finish ' "$(phases)" "phases without a mount"
assert_eq crash "$(sp show latest --json | json "d['consistency']")" "a set without a mount"
disarm_thaw
