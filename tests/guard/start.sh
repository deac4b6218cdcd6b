#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What a guard says of the place that it is started in: the wrong user, a folder that others own, a
# user who may connect and is none, a run folder that it can't have.
set -uo pipefail
guard=${BUILD:-build/plain}/stillpoint-guard
folder=$(mktemp -d /run/stillpoint-start.XXXXXX) || exit
pid=
end() {
    [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null
    wait
    rm -rf --one-file-system "$folder"
}
trap end EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$folder"
mkdir "$folder/run" "$folder/theirs"
printf '[paths]\nrun = %s/run\n' "$folder" >"$folder/conf"

fail() {
    echo "start: $*: $(cat "$folder/log")"
    exit 1
}

start() { # OPTION...: until it is ready
    "$guard" --config "$folder/conf" --rcu-expedited "$folder/rcu" "$@" 2>"$folder/log" &
    pid=$!
    for _ in {1..200}; do
        grep -q event=start "$folder/log" && return
        sleep 0.05
    done
    fail "no guard with $*"
}

stop() {
    kill -TERM "$pid"
    wait "$pid" || fail "it ended with $?"
    pid=
}

setpriv --reuid=65534 --regid=65534 --clear-groups "$guard" --config "$folder/conf" 2>"$folder/log"
[ $? = 1 ] || fail "not root: not exit 1"
grep -q '^<3>.*needs root' "$folder/log" || fail "not root: not said"

"$guard" --config "$folder/conf" --user no-such-user-of-ours 2>"$folder/log"
[ $? = 1 ] || fail "no such user: not exit 1"
grep -q '^<3>event=start_failed what="user"' "$folder/log" || fail "no such user: not said"

printf '[paths]\nrun = run\n' >"$folder/relative"
timeout 10 "$guard" --config "$folder/relative" 2>"$folder/log"
[ $? = 2 ] || fail "a relative run folder: not exit 2"
grep -q 'relative:2: \[paths\] run: not an absolute path' "$folder/log" || fail "a relative run folder: not said"

chown 65534 "$folder/theirs"
start --user nobody --record "$folder/theirs/guard.lease"
grep -q "event=record_not_protected folder=\"$folder/theirs\"" "$folder/log" || fail "others' folder: not said"
stop
[ ! -e "$folder/theirs/guard.lease" ] || fail "a record was left"
