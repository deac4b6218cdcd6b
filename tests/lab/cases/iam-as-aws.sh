#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The lab judges IAM policies as AWS does, and refuses what IAM would pass over in silence.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

need python3
python3 -c 'import moto' 2>/dev/null || skip "moto is missing"
python3 "$LIB_DIR/iam_test.py" || fail "a policy was judged wrongly"
