#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 240
# Every system call of a guard that starts, and of --thaw, fails once (syscalls_fail.py).
# shellcheck source=tests/lab/python.sh
. "$(dirname "$0")/../lab/python.sh"
case ${BUILD:-} in
*address* | *undefined* | *thread*)
    echo "a sanitizer's own calls would fail, and end the program"
    exit 77
    ;;
esac
command -v strace >/dev/null || {
    echo "strace is missing: tests/packages.sh installs it"
    exit 1
}
exec python3 "$(dirname "$0")/syscalls_fail.py" "${BUILD:-build/plain}/stillpoint-guard"
