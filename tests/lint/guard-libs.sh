#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The programs that run as root link libc and nothing else (glibc before 2.34 has its threads in a
# file of their own).
# usage: guard-libs.sh BUILD-FOLDER
set -euo pipefail

build=${1:?usage: guard-libs.sh BUILD-FOLDER}
case $build in
*address* | *thread* | *undefined* | *points*)
    echo "guard libraries: skipped, a sanitizer's build links its runtime"
    exit 77
    ;;
esac

failed=0
for program in stillpoint-guard stillpoint-hook; do
    needed=$(readelf -d "$build/$program" |
        sed -n '/libpthread\.so\.0/d; s/.*(NEEDED).*\[\(.*\)\]/\1/p')
    if [ "$needed" != "libc.so.6" ]; then
        echo "$program: needs $(tr '\n' ' ' <<<"$needed"), libc.so.6 alone is allowed" >&2
        failed=1
    fi
done
[ "$failed" -eq 0 ] && echo "guard libraries: ok"
exit "$failed"
