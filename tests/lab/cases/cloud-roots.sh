#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# The root volume of an instance is replaced as EC2 does it, and fails as it does.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
python3 "$LIB_DIR/cloud_roots_test.py" "$LAB"
