#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What ships has no point to stop at (agent/base/point.h).
# usage: no-points.sh BUILD-FOLDER
set -euo pipefail

build=${1:?usage: no-points.sh BUILD-FOLDER}
case $build in
*points*)
    echo "no points: skipped, this build is made to have them"
    exit 77
    ;;
esac

failed=0
for program in stillpoint stillpointd stillpoint-guard stillpoint-hook; do
    if nm "$build/$program" | grep -q ' point_' || grep -qa STILLPOINT_POINTS "$build/$program"; then
        echo "$program: has points of the fault tests in it" >&2
        failed=1
    fi
done
[ "$failed" -eq 0 ] && echo "no points: ok"
exit "$failed"
