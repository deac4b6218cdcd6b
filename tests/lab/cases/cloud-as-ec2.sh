#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The lab's cloud refuses what EC2 refuses, keeps what EC2 keeps and misbehaves as ordered.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
python3 "$LIB_DIR/cloud_test.py" "$LAB"
