#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# The documents of packaging/ssm: the service takes them, their scripts are what shellcheck likes, no
# value of a parameter becomes a word of the shell, and run as the agent runs them they back up, and
# hold for the snapshots of Data Lifecycle Manager: a consistent set to the judge, each other way its
# exit code.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

backup=$TOP/packaging/ssm/stillpoint-backup.yaml
dlm=$TOP/packaging/ssm/stillpoint-dlm.yaml
document() { python3 "$LIB_DIR/ssm_document.py" "$@"; }
need shellcheck
start_cloud
for one in "$backup" "$dlm"; do
    document check "$one" || fail "$one: what is wrong stands above"
    document hostile "$one" || fail "$one takes what it must not"
    document script "$one" "$LAB/script.sh" || fail "no script in $one"
    shellcheck -s sh "$LAB/script.sh" || fail "$one: its script"
done

# A stand-in says what it was called with: each value that is allowed arrives as it is, and runs nothing.
mkdir "$LAB/said" "$LAB/bin"
# shellcheck disable=SC2016 # the stand-in's own
printf '#!/bin/sh\nprintf "%%s\\n" "$@" >"%s/said/words"\nexit "${CODE:-0}"\n' "$LAB" >"$LAB/said/stillpoint"
chmod 755 "$LAB/said/stillpoint"
for reason in 'a  b' '-n' 'END_OF_REASON' '#=;/(x)' 'x@y, (z) + 1: 2' '--config=/x'; do
    document script "$backup" "$LAB/script.sh" "Reason=$reason" Keep=30d Image=no || fail "refuses '$reason'"
    for shell in sh bash; do
        (cd "$LAB/said" && PATH=$LAB/said:$PATH "$shell" "$LAB/script.sh") || fail "'$reason': ended with $?"
        assert_eq "backup --reason $reason --wait cut --no-image --keep 30d" \
            "$(paste -sd ' ' "$LAB/said/words")" "words of '$reason'"
    done
done
CODE=3 PATH=$LAB/said:$PATH sh "$LAB/script.sh"
assert_eq 3 $? "the exit code of stillpoint"
document script "$backup" "$LAB/script.sh" OnLess=accept
CODE=3 PATH=$LAB/said:$PATH sh "$LAB/script.sh"
assert_eq 0 $? "less is accepted"
CODE=4 PATH=$LAB/said:$PATH sh "$LAB/script.sh"
assert_eq 4 $? "another job has the node"

start_node
printf '#!/bin/sh\nexec "%s" --config "%s" "$@"\n' "$BUILD/stillpoint" "$LAB/stillpoint.conf" >"$LAB/bin/stillpoint"
chmod 755 "$LAB/bin/stillpoint"
start_writers
arm_thaw 250 "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"
run() { # WANTED DOCUMENT NAME=VALUE...: the script, as root, its code and what it said in $OUT
    document script "$2" "$LAB/script.sh" "${@:3}" || fail "no script for ${*:2}"
    OUT=$(PATH=$LAB/bin:$PATH sh "$LAB/script.sh" 2>&1)
    assert_eq "$1" $? "${*:3}: $OUT"
}

run 0 "$backup" 'Reason=a fleet' Image=no Wait=complete
assert_match 'a fleet' "$(sp list)" "the reason of the backup"

# Pre-script, somebody else's snapshots, post-script.
id=executionId=0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f other=executionId=ffffffff-0a1b-2c3d-4e5f-0a1b2c3d4e5f
run 0 "$dlm" command=dry-run
assert_nothing_frozen
run 205 "$dlm" command=post-script "$id"
run 0 "$dlm" command=pre-script "$id" Lease=30s
is_frozen "$(mount_at data)" || fail "the pre-script holds nothing"
run 204 "$dlm" command=pre-script "$id"
run 205 "$dlm" command=post-script "$other"
is_frozen "$(mount_at data)" || fail "let go by another execution's post-script"
python3 "$LIB_DIR/other_tool.py" "$LAB" >"$LAB/snapshots.json" || fail "the snapshots"
run 0 "$dlm" command=post-script "$id"
assert_nothing_frozen
json "{**d['hold_last'], 'snapshots': $(cat "$LAB/snapshots.json")}" < <(sp status --json) >"$LAB/set.json"
assert_eq application "$(json "d['consistency']" <"$LAB/set.json")" "what the hold proved"
run 205 "$dlm" command=post-script "$id"

# Let go before the post-script; another backup at work; a server that dies in the hold; no Stillpoint.
run 0 "$dlm" command=pre-script "$id" Lease=2s
lease_ends
run 203 "$dlm" command=post-script "$id"
run 0 "$dlm" command=pre-script "$id" Lease=2s
lease_ends
sp hold --lease 20s >/dev/null || fail "somebody else's hold"
run 203 "$dlm" command=post-script "$id"
is_frozen "$(mount_at data)" || fail "the post-script let go of somebody else's hold"
sp release >/dev/null || fail "somebody else's release"
cloud_fault '{"action": "CreateSnapshots", "kind": "held", "dry_run": false}'
sp backup --no-image --wait cut >"$LAB/out.txt" 2>&1 &
wait_cut
run 206 "$dlm" command=pre-script "$id"
cloud_faults_off # answers it
wait $! || fail "the backup: $(cat "$LAB/out.txt")"
stop_writers >/dev/null
judge "$LAB/set.json" >"$LAB/verdict.json" || fail "judge: $(cat "$LAB/verdict.json")"
run 0 "$dlm" command=pre-script "$id"
kill_part mysql
run 202 "$dlm" command=post-script "$id"
stop_part mysql KILL
for command in dry-run pre-script; do
    run 201 "$dlm" command=$command "$id" OnLess=fail
    assert_nothing_frozen
done

# The daemon hangs: each script has its exit code, in time, and once the daemon goes on nothing is held for it.
daemon=$(part_pid daemon)
hung() { # COMMAND: in the background, its code and what it said into files
    document script "$dlm" "$LAB/$1.sh" command="$1" "$id" || fail "no script for $1"
    (PATH=$LAB/bin:$PATH timeout 30 sh "$LAB/$1.sh" >"$LAB/$1.said" 2>&1; echo $? >"$LAB/$1.code") &
    running+=($!)
}
running=()
kill -STOP "$daemon"
defer kill -CONT "$daemon"
for command in pre-script post-script dry-run; do hung $command; done
wait "${running[@]}"
kill -CONT "$daemon"
for command in pre-script:206 post-script:202 dry-run:206; do
    said=$LAB/${command%:*}
    assert_eq "${command#*:}" "$(cat "$said.code")" "$command of a daemon that hangs: $(cat "$said.said")"
    assert_match 'stillpoint status did not end in 8 seconds' "$(cat "$said.said")" "$command"
done
assert_eq null "$(sp status --json | json "d['hold']")" "what is held for a pre-script that gave up"
assert_nothing_frozen
# It hangs in the midst of the hold, for which the bound is lowered.
document script "$dlm" "$LAB/script.sh" command=pre-script "$id" || fail "no script"
sed -i 's/^hold_bound=.*/hold_bound=2/' "$LAB/script.sh"
cloud_set '{"latency_ms": {"DescribeVolumes": 4000}}'
(PATH=$LAB/bin:$PATH timeout 20 sh "$LAB/script.sh" >"$LAB/script.said" 2>&1; echo $? >"$LAB/script.code") &
script=$!
wait_call DescribeVolumes
kill -STOP "$daemon"
wait "$script"
kill -CONT "$daemon"
cloud_set '{"latency_ms": {"DescribeVolumes": 5}}'
assert_eq 206 "$(cat "$LAB/script.code")" "hangs in the hold: $(cat "$LAB/script.said")"
assert_match 'stillpoint hold did not end in 2 seconds' "$(cat "$LAB/script.said")" "what is late"
for _ in {1..100}; do
    [ "$(sp status --json | json "d['hold'] is None and d['job'] is None")" = true ] && break
    sleep 0.1
done
assert_eq null "$(sp status --json | json "d['hold']")" "what is held for a pre-script that gave up"
assert_nothing_frozen

# df fails: what the agent writes to could be held. The daemon dies in the hold: it was held, and not to the end.
printf '#!/bin/sh\nexit 1\n' >"$LAB/bin/df"
chmod 755 "$LAB/bin/df"
for command in dry-run pre-script; do run 206 "$dlm" command=$command "$id"; done
assert_nothing_frozen
rm "$LAB/bin/df"
run 0 "$dlm" command=pre-script "$id"
stop_part daemon KILL
run 202 "$dlm" command=post-script "$id"
rm "$LAB/bin/stillpoint"
run 206 "$dlm" command=pre-script "$id"
disarm_thaw
