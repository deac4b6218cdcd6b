#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# alone: yes
# Every invariant of the fault matrix is seen to fail where it is broken on purpose (selftest.py).
export BUILD=${POINTS_BUILD:-build/points}
exec bash "$(dirname "$0")/shard.sh" selftest
