#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The lab's volumes are made, attached, detached and deleted as EC2's are, with real devices.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
python3 "$LIB_DIR/cloud_volumes_test.py" "$LAB"
