#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# `make cover`: which lines the tests run. Builds with COVER=1 (and points), runs the groups below,
# prints each source's share, and each line of the named parts that no test reaches and no reason
# stands beside (cover.py). Exit 1 where there is such a line, or a test failed.
#
#   BUILD=build/cover tests/cover/cover.sh [GROUP...]     groups of tests/run.sh
#
# Takes longer than the tests by themselves; results in build/cover/cover.txt.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/lab/python.sh
. tests/lab/python.sh

BUILD=$(realpath -m "${BUILD:-build/cover}")
POINTS_BUILD=$BUILD
export BUILD POINTS_BUILD
groups=("$@")
# Last those in which nothing is killed while it writes its counters, which are lost then.
[ $# != 0 ] || groups=(guard lab servers faults unit corpus)

# Programs of two users add to the same counters.
find "$BUILD" -name '*.gcda' -delete
find "$BUILD" -name '*.gcno' -exec sh -c 'for f; do : >"${f%.gcno}.gcda"; chmod a+rw "${f%.gcno}.gcda"; done' - {} +
bash tests/run.sh "${groups[@]}"
status=$?
python3 tests/cover/cover.py "$BUILD" | tee "$BUILD/cover.txt"
[ "${PIPESTATUS[0]}" = 0 ] && [ "$status" = 0 ]
