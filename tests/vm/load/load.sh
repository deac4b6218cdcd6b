#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What is at work on the machine in a case of the machine lab, from load.service's start until SIGTERM. Its
# records are in /run (tmpfs), so that none of them waits for a disk.
#
#   /run/load/ready         there when all of it is at work
#   /run/load/orders        the orders that MariaDB acknowledged, a line each, from 1 on without a gap;
#                           shop.orders has at least these
#   /run/load/logins        a line for each login: its exit code, the milliseconds that it took
#   /run/load/said          how many lines journald was given, "line N"
#   /run/load/stalls.json   at the end: writers' longest waits, a file each on /, /var/lib/mysql and
#                           /srv/media (stall.c)
set -u
here=/run/load
mkdir -p "$here"
over=
trap 'over=1' TERM

orders() { # one connection; what it prints after an order's COMMIT is the acknowledgement
    local n
    for ((n = 1; ; n++)); do
        [ ! -e "$here/over" ] || break
        echo "INSERT INTO shop.orders VALUES ($n, REPEAT('o', 150)); SELECT $n;"
        sleep 0.1
    done | mariadb --unbuffered --skip-column-names >"$here/orders"
}

logins() {
    local begin code
    while :; do
        begin=${EPOCHREALTIME/./}
        su -l clerk -c 'touch ~/was-here' >/dev/null 2>&1
        code=$?
        echo "$code $(((${EPOCHREALTIME/./} - begin) / 1000))" >>"$here/logins"
        sleep 1.5
    done
}

lines() {
    local n
    for ((n = 1; ; n++)); do
        [ ! -e "$here/over" ] || break
        echo "line $n"
        echo "$n" >"$here/said"
        sleep 0.2
    done | systemd-cat -t load
}

stall /var/tmp/stall /var/lib/mysql/stall.txt /srv/media/stall >"$here/stalls.json" &
stall=$!
orders &
orders=$!
logins &
lines &
lines=$!
echo "written at $(date)" >/boot/efi/lab.txt
until [ -s "$here/orders" ] && [ -s "$here/logins" ] && [ -s "$here/said" ]; do sleep 0.1; done
: >"$here/ready"
while [ -z "$over" ]; do sleep 0.2; done
kill "$stall"
wait "$stall"
# What they noted has arrived before they are gone: a line that was in the pipe when both its ends were killed
# would be one that journald had lost.
: >"$here/over"
wait "$orders" "$lines"
