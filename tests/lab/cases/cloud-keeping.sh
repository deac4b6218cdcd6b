#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# What keeps a snapshot or an image from going - Recycle Bin, locks, archive, owners, keys - keeps it as on EC2.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
python3 "$LIB_DIR/cloud_keeping_test.py" "$LAB"
