#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What runs while filesystems are frozen may call this list and nothing else: no memory is
# allocated, nothing is logged, no path is looked up, nothing forks (agent/guard/guard_frozen.h).
# usage: frozen-symbols.sh BUILD-FOLDER
set -euo pipefail

build=${1:?usage: frozen-symbols.sh BUILD-FOLDER}
objects=(guard_frozen guard_frozen_freezer guard_frozen_keeper guard_frozen_bus guard_conn guard_pass guard_rules)
allowed='
    ioctl poll __poll_chk recv __recv_chk recvmsg send sendmsg accept4 getsockopt shutdown close
    pread pread64 __pread_chk __pread64_chk pwrite pwrite64 read __read_chk write timerfd_settime kill _exit sigaction
    getpid memcpy memset memmove memcmp __memcpy_chk __memset_chk __errno_location
    __stack_chk_fail _GLOBAL_OFFSET_TABLE_ clock_boot_ms clock_boot_us clock_utc_us
'

case $build in
*address* | *thread* | *undefined* | *points*)
    echo "frozen symbols: skipped, a build for tests calls more"
    exit 77
    ;;
esac

failed=0
own=$(for object in "${objects[@]}"; do
    nm --defined-only --extern-only "$build/agent/guard/$object.o" | awk '{ print $3 }'
done)
for object in "${objects[@]}"; do
    wanted=$(nm --undefined-only "$build/agent/guard/$object.o" | awk '{ print $2 }')
    for symbol in $wanted; do
        if ! grep -qxF "$symbol" <<<"$(tr -s ' \n' '\n' <<<"$allowed $own")"; then
            echo "agent/guard/$object.c: wants $symbol, which may not run while frozen" >&2
            failed=1
        fi
    done
done
[ "$failed" -eq 0 ] && echo "frozen symbols: ok"
exit "$failed"
