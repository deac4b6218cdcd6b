#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Of a set that records no mount and no database nothing can be looked into: the verdict is no more than partly.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"
# shellcheck source=tests/lab/prune.sh
. "$LIB_DIR/prune.sh"

start_cloud
start_node --no-mysql
plant aaaaa 2
verify_now 3
assert_eq ok "$(check_of volumes)" "the volumes"
assert_eq skipped "$(check_of mounts)" "what is on them"
assert_match '^partly .*: mounts: no mount is recorded .* nothing on its volumes was looked' "$(cloud_get snapshots | json "d[0]['tags']['stillpoint:verified']")" "the verdict"
