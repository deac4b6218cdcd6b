#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# An image of the lab's cloud launches as on EC2: real disks, its orders kept or refused, its end.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
python3 "$LIB_DIR/cloud_launch_test.py" "$LAB"
