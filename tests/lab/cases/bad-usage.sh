#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Each command that the program has, with a wrong option, a word too many, a bad duration: exit code 2 (run:
# 125), on stderr one line of cause and one of remedy, on stdout nothing, with --json the error as JSON; and
# nobody was asked for anything. (Each option of each command: tests/unit/test_cli_misuse.c.)
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

dir=$(mktemp -d "${TMPDIR:-/tmp}/stillpoint-usage.XXXXXX")
defer rm -rf "$dir"
mkdir "$dir/run" "$dir/state"
printf '[paths]\nrun = %s/run\nstate = %s/state\n' "$dir" "$dir" >"$dir/stillpoint.conf"
# Whoever is asked leaves a line.
python3 - "$dir" <<'PY' &
import select, socket, sys
heard = {}
for name, kind in (("control", socket.SOCK_STREAM), ("guard", socket.SOCK_SEQPACKET), ("hook", socket.SOCK_SEQPACKET)):
    one = socket.socket(socket.AF_UNIX, kind)
    one.bind(f"{sys.argv[1]}/run/{name}.sock")
    one.listen()
    heard[one] = name
while True:
    for one in select.select(list(heard), [], [])[0]:
        conn = one.accept()[0]
        with open(sys.argv[1] + "/asked", "a", encoding="utf-8") as stream:
            stream.write(heard[one] + "\n")
        conn.close()  # the asker goes on from here
PY
defer kill $!
for _ in {1..100}; do
    [ "$(find "$dir/run" -type s | wc -l)" = 3 ] && break
    sleep 0.05
done

try() { # EXIT WORDS...
    local want=$1 status
    shift
    "$BUILD/stillpoint" --config "$dir/stillpoint.conf" "$@" >"$dir/out" 2>"$dir/err" </dev/null
    status=$?
    assert_eq "$want" "$status" "exit code of $*: $(cat "$dir/err")"
    assert_match $'^stillpoint: [^\n]+\n  do:  [^\n]+$' "$(cat "$dir/err")" "$*: what is said"
    case " $* " in
    *' --json '*) assert_eq "error $want" "$(json "d['event'] + ' ' + str(d['exit'])" <"$dir/out")" "$*: its JSON" ;;
    *) [ ! -s "$dir/out" ] || fail "$*: stdout has $(cat "$dir/out")" ;;
    esac
}

count=0
for command in $("$BUILD/stillpoint" --complete '' | cut -f1); do
    code=2
    [ "$command" != run ] || code=125
    try "$code" "$command" --nonsense
    try "$code" "$command" --json --nonsense
    try "$code" "$command" --config
    try "$code" "$command" --quiet=yes
    [ "$command" = run ] || try "$code" "$command" one two --nonsense
    for option in $("$BUILD/stillpoint" "$command" --help | sed -nE 's/^ +(--[a-z-]+) DURATION .*/\1/p'); do
        try "$code" "$command" "$option" 10
    done
    count=$((count + 1))
done
[ "$count" -ge 15 ] || fail "only $count commands"
try 2 nonsense
try 2 --nonsense
[ ! -e "$dir/asked" ] || fail "asked for something: $(cat "$dir/asked")"
assert_eq '' "$(ls -A "$dir/state")" "what is in the state folder"
"$BUILD/stillpoint" --config "$dir/stillpoint.conf" list >/dev/null 2>&1 # that it would have been heard
assert_eq control "$(cat "$dir/asked")" "who hears what is right"
