#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A configuration that is not right is refused by daemon and command alike, with exit code 2, the file,
# the line and what to write instead; the daemon does not start with half of it.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

need_program stillpointd stillpoint stillpoint-guard
scratch=$(mktemp -d)
defer rm -rf "$scratch"
mkdir "$scratch/conf.d"
conf=$scratch/stillpoint.conf more=$scratch/conf.d/10-more.conf

# The daemon logs fields, for journald: as a message they have the command's form.
daemon() {
    local out status
    out=$(timeout 10 "$BUILD/stillpointd" --config "$conf" 2>&1 </dev/null)
    status=$?
    sed -nE 's/^<[0-7]>event=failed .*error="(.*)" remedy="(.*)"$/stillpointd: \1\n  do:  \2/p' <<<"$out"
    return "$status"
}

both() { # CAUSE REMEDY
    refused 2 "$1" "$2" daemon
    refused 2 "$1" "$2" "$BUILD/stillpoint" config --config "$conf"
    refused 2 "$1" "$2" "$BUILD/stillpoint" backup --config "$conf"
    assert_match 'now: nothing was done' "$OUT" "what a backup says"
}

written() { # what the file has after two lines that are fine
    printf '[paths]\nrun = %s\n%b' "$scratch" "$1" >"$conf"
}

written '[backup]\nhold_dedline = 5s\n'
both "$conf:4: unknown key 'hold_dedline' in \[backup\]" 'did you mean hold_deadline\?'
written '[bakup]\nimage = yes\n'
both "$conf:3: unknown section \[bakup\]" 'did you mean \[backup\]\?'
written '[backup]\n\n# a comment\nhold_deadline = 5 seconds\n'
both "$conf:6: hold_deadline: '5 seconds' is not a duration" 'number with its unit: .*10s'
written '[backup]\nhold_deadline = 90s\n'
both "$conf:4: hold_deadline: 90s is out of range" 'from 2s to 1m'
written '[backup]\nimage = perhaps\n'
both "$conf:4: image: 'perhaps' is neither yes nor no" 'write yes or no'
written '[backup]\ntags = Team=a, Name=x\n'
both "$conf:4: tags: the tag Name is set by Stillpoint" 'choose another key'
written 'some words\n'
both "$conf:3: neither" 'comments begin with'

# The one key that the guard has of its own; the others are none of its business, lest a typing error
# keep a node without its guard. Neither is started again and again for it.
printf '[paths]\nrun = here\n' >"$conf"
both "$conf:2: run: 'here' is not a plain absolute path" 'write it from / on'
assert_exit 2 timeout 10 "$BUILD/stillpoint-guard" --config "$conf"
assert_match "$conf:2: \[paths\] run: not an absolute path" "$OUT" "the guard's message"
for unit in stillpointd stillpoint-guard; do
    grep -q '^RestartPreventExitStatus=2\b' "$TOP/packaging/systemd/$unit.service" || fail "$unit would start again and again"
done

# A drop-in is named as itself; later ones win, so the main file can't make up for it.
written '[backup]\nlock_wait = 1s\n'
printf '[backup]\nlock_wait = 1h\n' >"$more"
both "$more:2: lock_wait: 1h is out of range" 'from 1s to '

# Who can write the file can have the daemon do what he likes.
printf '[backup]\nlock_wait = 1s\n' >"$more"
chmod 646 "$more"
both "$more: others than its owner can write it \(mode 0646\)" "chmod go-w $more"
assert_exit 2 timeout 10 "$BUILD/stillpoint-guard" --config "$conf"
assert_match "$more: is writable by others" "$OUT" "the guard's message"
chmod 644 "$more"
chown 65534 "$more"
both "$more: belongs to user 65534, who could change it" "chown root $more"
assert_exit 2 timeout 10 "$BUILD/stillpoint-guard" --config "$conf"
assert_match "$more: is writable by others than root" "$OUT" "the guard's message"
chown 0 "$more"
chmod 777 "$scratch/conf.d" # and who can write the folder can put a file into it
both "$scratch/conf.d: others than its owner can write it \(mode 0777\)" "chmod go-w $scratch/conf.d"
assert_exit 2 timeout 10 "$BUILD/stillpoint-guard" --config "$conf"
assert_match "$scratch/conf.d: is writable by others than root" "$OUT" "the guard's message"
chmod 755 "$scratch/conf.d"
chmod 666 "$conf"
both "$conf: others than its owner can write it \(mode 0666\)" "chmod go-w $conf"
chmod 644 "$conf"
assert_exit 0 "$BUILD/stillpoint" config --config "$conf"
assert_match "# $more:2"$'\n''lock_wait = 1s' "$OUT" "the effective configuration"

# What is written well and can't be used.
printf '[aws]\nidentity = none\n[paths]\nrun = %s/none\nstate = %s\n' "$scratch" "$scratch" >"$conf"
refused 1 "listen at $scratch/none/control.sock" '\[paths\] run must be there and belong to' daemon

rm "$conf"
both "$conf: No such file or directory" 'name a file that is there with --config'
assert_exit 2 timeout 10 "$BUILD/stillpoint-guard" --config "$conf"
assert_match "$conf: No such file" "$OUT" "the guard's message"
[ ! -e "$scratch/control.sock" ] || fail "a daemon listened"
