#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A verify whose volumes stillpoint-hook refuses ends without a verdict: with 5, whatever the refusal is, and with
# 6 where they can't be given back.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"
# shellcheck source=tests/lab/cases/lib_hook.sh
. "$(dirname "$0")/lib_hook.sh"

add=2 bad_argument=5 in_use=12 # copy_wire.h's

start_cloud
start_node --no-mysql
cloud_set '{"snapshot_time_s": 0.2}'
back_up good --no-image
stop_part hook

no_verdict() { # EXIT REGEX NOW
    assert_exit "$1" sp verify latest
    assert_match "$2" "$OUT" "cause"
    assert_match "now: no verdict was written; $3" "$OUT" "what is left"
    assert_eq null "$(sp show latest --json | json "d.get('verified')")" "verdict in the tags"
}

# A volume that something on the node took is no other job, and a refused request no wrong usage.
hook_is "$LIB_DIR/hook_answers.py" $add $in_use /dev/nvme9n1
no_verdict 5 'the node uses /dev/nvme9n1' 'all volumes are gone again'
assert_no_loans
cloud_set '{"deny": ["DeleteVolume"]}'
no_verdict 6 'the node uses /dev/nvme9n1' 'the daemon still gives volumes back: .stillpoint status.'
assert_match 'unreturned +ln-' "$(sp status)" "status"
cloud_set '{"deny": []}'
until_no_loans
hook_goes
hook_is "$LIB_DIR/hook_answers.py" $add $bad_argument volume
no_verdict 5 'refused: volume' 'all volumes are gone again'
assert_no_loans
hook_goes
