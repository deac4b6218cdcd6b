#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A set that is good, taken under load, has no finding, and a second look is not taken unless asked for. Of more
# sets and kinds: verify-20-good.sh.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"

start_cloud
start_node
start_writers

back_up good --no-image
stop_writers >/dev/null
verify_now 0
assert_no_findings
assert_match '^ok 20[0-9T:-]*Z$' "$(v "d['verified']")" "verdict"
assert_match '^binlog.000001:' "$(v "d['databases'][0]['binlog_end']")" "the copy's binary log"
assert_exit 0 sp verify latest
assert_match 'not looked at again' "$OUT" "in words"
