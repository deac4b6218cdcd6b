#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# A set that is not what its tags say is found and named: a snapshot of another backup in it (with this one's
# tags), a manifest of another id, a filesystem that needs fsck.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"

start_cloud
start_node
cloud_set '{"snapshot_time_s": 0.2}'

back_up early --no-image
back_up late --no-image
early=$(json "d['id']" <"$LAB/early.json")
# The early data volume's snapshot takes the place of the late one's, tags and all.
python3 - "$LIB_DIR" "$LAB" "$(snapshot_of early data)" "$(snapshot_of late data)" <<'PY' || fail "tags"
import sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
ec2 = Lab(sys.argv[2]).ec2("admin")
stranger, member = sys.argv[3:5]
tags = ec2.describe_snapshots(SnapshotIds=[member])["Snapshots"][0]["Tags"]
ec2.create_tags(Resources=[stranger], Tags=tags)
ec2.delete_snapshot(SnapshotId=member)
PY
verify_now 1
assert_finding manifest "the manifest on /dev/sdf .* is of another backup: $early"

other_id() { sed -i 's/"id": "sp-[^"]*"/"id": "sp-20200101T000000Z-aaaaa"/' "$1/.stillpoint-manifest.json"; }
back_up renamed --no-image
damage_files "$(snapshot_of renamed binlog)" other_id
verify_now 1
assert_finding manifest 'the manifest on /dev/sdg .* is of another backup: sp-20200101T000000Z-aaaaa'

# An inode whose count of links is wrong.
miscount() { debugfs -w -R 'sif /var links_count 77' "$1" 2>/dev/null; }
back_up unclean --no-image
damage "$(snapshot_of unclean root)" miscount
verify_now 1
assert_finding filesystem 'ext4 needs fsck .*77'
