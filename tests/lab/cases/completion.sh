#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# bash and zsh at a terminal complete commands, kinds, options, values, files and ids; where the daemon does not
# answer, or takes long, they have what there is without it, in time and without a word about it.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
need bash zsh
[ -e /usr/share/bash-completion/bash_completion ] || { echo "bash-completion is missing"; exit 77; }

start_cloud
start_node --no-mysql
assert_exit 0 sp backup --no-image --reason drill --consistency filesystem
id=$(sp show latest --json | json "d['id']")
conf="--config $LAB/stillpoint.conf"
touch "$LAB/one file.conf" "$LAB/outfile"
mkdir "$LAB/outside"

ask() { # SHELL: lines on stdin; what it makes of each, without a blank or / at the end
    mkdir -p "$LAB/$1"
    PATH=$BUILD:$PATH timeout 100 python3 "$TOP/tests/lab/complete_try.py" "$1" "$LAB/$1" | sed 's,[ /]*$,,'
}
becomes() { # SHELL LINE WANT
    assert_eq "$3" "$(ask "$1" <<<"$2")" "$1: $2"
}

for shell in bash zsh; do
    got=$(ask "$shell" <<LINES
stillpoint res
stillpoint restore v
stillpoint backup --no-im
stillpoint backup --consistency f
stillpoint list --state pe
stillpoint $conf show l
stillpoint $conf show ${id:0:12}
stillpoint $conf restore files latest --to $LAB/out
stillpoint status --config=$LAB/one
stillpoint nonsense
LINES
    )
    want="stillpoint restore
stillpoint restore volumes
stillpoint backup --no-image
stillpoint backup --consistency filesystem
stillpoint list --state pending
stillpoint $conf show latest
stillpoint $conf show $id
stillpoint $conf restore files latest --to $LAB/outside
stillpoint status --config=$LAB/one\\ file.conf
stillpoint nonsense"
    assert_eq "$want" "$got" "$shell"
done

# `pin' has both latest and the id; the daemon that is slow has cost its time once.
assert_match "pin latest $id\$" "$(ask bash <<<"stillpoint $conf pin ")" "latest, and the id"
cloud_set '{"latency_ms": {"DescribeSnapshots": 30000}}'
begin=$SECONDS
becomes zsh "stillpoint $conf pin " "stillpoint $conf pin latest"
[ $((SECONDS - begin)) -lt 10 ] || fail "a slow daemon held the shell for $((SECONDS - begin)) s"
stop_part daemon
said=$("$BUILD/stillpoint" --complete --config "$LAB/stillpoint.conf" pin '' 2>&1)
assert_eq "latest	this node's newest" "$said" "without a daemon"
