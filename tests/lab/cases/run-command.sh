#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
# stillpoint run: the command has stdin, stdout, signals and the exit code to itself, runs after the instant is
# fixed and not without a backup, and the way back is said at the end.
# shellcheck source=tests/lab/lib.sh disable=SC2119,SC2016
. "$(dirname "$0")/../lib.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
need script
start_cloud
start_node --no-mysql
cloud_set '{"snapshot_time_s": 600, "latency_ms": {"CreateSnapshots": 20}}'
arm_thaw 110 "$(mount_at root)"

run() { # CODE ARGUMENT...: stdout in $OUT, stderr in $ERR
    local wanted=$1 status
    shift
    OUT=$(sp run "$@" 2>"$LAB/err.txt" <<<"from stdin")
    status=$?
    ERR=$(<"$LAB/err.txt")
    [ "$status" = "$wanted" ] || fail "run $*: wanted exit $wanted, got $status: $ERR"
}
way_back='to go back to before the command: stillpoint rollback sp-'

# After the cut, with all its own.
run 7 --reason "before it" -- bash -c 'read -r line; echo "got $line"; exit 7'
assert_eq "got from stdin" "$OUT" "the command's stdin and stdout"
assert_match "backup sp-[^ ]+ pending.*$way_back" "$ERR" "stderr"
assert_eq "before it pending" "$(sp list --json | json "d[0]['reason'] + ' ' + d[0]['state']")" "the backup"

# The last one does for the rest.
run 143 --max-age 1h -q bash -c 'kill $$'
assert_eq "" "$ERR" "quiet"
run 0 --max-age 1h --json -- echo --json
assert_eq "--json" "$OUT" "the command's own option"
assert_eq "way_back 0 application" "$(tail -n 1 <<<"$ERR" | json "d['event'] + f\" {d['exit']} \" + d['consistency']")" "the last event"
assert_eq "" "$(grep -v '^{' <<<"$ERR")" "nothing but JSON"
assert_eq 1 "$(count_calls CreateSnapshots)" "backups"

# What only we get is passed on; SIGPIPE and the mask are as they were.
env --default-signal=INT "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" run --max-age 1h -- \
    bash -c 'trap "echo TERM; exit 3" TERM; trap "echo USR1" USR1; echo ready; while :; do sleep 0.05; done' >"$LAB/out.txt" 2>"$LAB/err.txt" &
client=$!
for _ in {1..200}; do ! grep -q ready "$LAB/out.txt" || break; sleep 0.05; done
kill -USR1 "$client"
for _ in {1..200}; do ! grep -q USR1 "$LAB/out.txt" || break; sleep 0.05; done
kill -TERM "$client"
wait "$client"
assert_eq 3 $? "exit code after SIGTERM"
assert_eq "ready USR1 TERM" "$(xargs <"$LAB/out.txt")" "signals"
assert_match "$way_back" "$(<"$LAB/err.txt")" "the way back after a signal"
# (32 and 33 are glibc's own, and posix_spawn's business: make's, too, whose child this may be.)
# shellcheck disable=SC2016 # awk's own
signals='/^Sig(Blk|Ign)/ { sub("0000000180000000", "0000000000000000", $2); print $2 }'
run 0 --max-age 1h -- awk "$signals" /proc/self/status
assert_eq "$(awk "$signals" /proc/self/status)" "$OUT" "signals of the command"

# A terminal is the command's; Ctrl-C at it goes to the command, once, and not to the way back.
cat >"$LAB/at-terminal.sh" <<END
[ -t 0 ] && [ -t 1 ] && echo a terminal
trap 'echo INT; exit 5' INT
echo ready; while :; do sleep 0.05; done
END
mkfifo "$LAB/keys"
{ for _ in {1..200}; do ! grep -q '^ready' "$LAB/tty.txt" 2>/dev/null || break; sleep 0.05; done; printf '\003'; sleep 0.5; } >"$LAB/keys" &
script -q -e -f -c "exec $(printf '%q ' "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" run --max-age 1h bash "$LAB/at-terminal.sh")" "$LAB/tty.txt" <"$LAB/keys" >/dev/null
assert_eq 5 $? "exit code after Ctrl-C at a terminal"
assert_match "a terminal.*INT.*${way_back% sp-}" "$(<"$LAB/tty.txt")" "at a terminal"

# No such program: no backup either.
run 127 -- /no/such/program
assert_match "/no/such/program: No such file.*now: no backup was taken" "$ERR" "no such program"
run 127 no-such-program
run 126 -- "$LAB/stillpoint.conf"
assert_match "Permission denied" "$ERR" "not executable"
printf '\177ELF' >"$LAB/broken"
chmod 755 "$LAB/broken"
run 126 --max-age 1h -- "$LAB/broken"
assert_match "Exec format error.*now: the backup is kept" "$ERR" "no program"
printf 'echo "plain $1 $2"\n' >"$LAB/plain"
printf '#! /nowhere/sh -e\n' >"$LAB/script"
chmod 755 "$LAB/plain" "$LAB/script"
run 0 --max-age 1h -- "$LAB/plain" "a word" b
assert_eq "plain a word b" "$OUT" "a script without #!"
run 127 -- "$LAB/script"
assert_match "its interpreter /nowhere/sh: No such file.*now: no backup was taken" "$ERR" "no interpreter"
env -u PATH "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" run --max-age 1h -q -- losetup --version >"$LAB/out.txt" 2>&1 ||
    fail "without PATH: $(<"$LAB/out.txt")"

# Looked at only.
run 0 -n -- touch "$LAB/ran"
[ ! -e "$LAB/ran" ] || fail "-n has run it"

# No backup, no command; best-effort all the same.
cloud_set '{"deny": ["CreateSnapshots"]}'
run 125 touch "$LAB/ran"
assert_match "ec2:CreateSnapshots.*the command is not run, since there is no backup; --best-effort" "$ERR" "not run"
[ ! -e "$LAB/ran" ] || fail "it has run without a backup"
run 0 --best-effort -q touch "$LAB/ran"
assert_match "WARNING: the command is run with no backup.*there is no way back to before the command" "$ERR" "best effort"
[ -e "$LAB/ran" ] || fail "best-effort has not run it"
cloud_set '{"deny": []}'

# Ctrl-C while the backup is taken: neither.
rm "$LAB/ran"
cloud_set '{"latency_ms": {"DescribeVolumes": 5000}}'
env --default-signal=INT "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" run --best-effort -- touch "$LAB/ran" >"$LAB/out.txt" 2>&1 &
client=$!
for _ in {1..200}; do ! grep -q started "$LAB/out.txt" || break; sleep 0.05; done
sleep 0.2
kill -INT "$client"
wait "$client"
assert_eq 125 $? "exit code of what was interrupted"
assert_match "the command is not run: interrupted" "$(<"$LAB/out.txt")" "interrupted"
[ ! -e "$LAB/ran" ] || fail "what was interrupted has run"
cloud_set '{"latency_ms": {}}'

# Without a daemon, and with bad words.
stop_part daemon
run 125 true
assert_match "start it: systemctl start stillpointd" "$ERR" "no daemon"
printf '[backup]\nimage = perhaps\n' >"$LAB/fault.conf"
rm "$LAB/ran"
assert_exit 125 "$BUILD/stillpoint" --config "$LAB/fault.conf" run touch "$LAB/ran"
[ ! -e "$LAB/ran" ] || fail "a fault in the configuration, and it has run"
assert_exit 0 "$BUILD/stillpoint" --config "$LAB/fault.conf" run --best-effort -q touch "$LAB/ran"
assert_match "fault.conf:2: image: .*WARNING: the command is run with no backup.*there is no way back" "$OUT" "best effort, a fault"
[ -e "$LAB/ran" ] || fail "best-effort with a fault has not run it"
# Ctrl-C that came when nobody listened.
rm -f "$LAB/ran"
python3 -c 'import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
os.kill(os.getpid(), signal.SIGINT)
os.execv(sys.argv[1], sys.argv[1:])' "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" run --best-effort touch "$LAB/ran" 2>"$LAB/err.txt"
assert_eq 125 $? "exit code of what was interrupted without a daemon"
assert_match "the command is not run: interrupted" "$(<"$LAB/err.txt")" "interrupted without a daemon"
[ ! -e "$LAB/ran" ] || fail "what was interrupted without a daemon has run"
run 125 --wait soon true
run 125 --nonsense true
run 125
disarm_thaw
