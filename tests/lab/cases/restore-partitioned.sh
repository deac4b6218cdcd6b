#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A filesystem in a partition: what a set's manifest says of its place is found on the copy, behind a filesystem
# that it is not, checked, mounted and served by verify, and files are restored out of it. The lab's node has
# no partitions (its kernel reads no table): they are put into the snapshot of its data volume.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"

need sfdisk partx
start_cloud
start_node
cloud_set '{"snapshot_time_s": 0.2}'
node_sql "CREATE TABLE lab.kept (id INT) ENGINE=InnoDB; INSERT INTO lab.kept VALUES (7)" || fail "a table"
back_up good --no-image
data=$(mount_at data)

# Its filesystem moves into the third partition; the first holds another one, of the same type and larger.
partition() { # DEVICE
    local slice
    mkdir -p "$LAB/old" "$LAB/new"
    mount -o ro "$1" "$LAB/old" && cp -a "$LAB/old" "$LAB/kept" && umount "$LAB/old" || return
    wipefs -qa "$1"
    printf 'label: gpt\nsize=450MiB\nsize=4MiB\nsize=400MiB\n' | sfdisk -q --no-reread --no-tell-kernel "$1" || return
    for n in 1 3; do
        slice=$(losetup -f --show -o "$(partx -gbo START -n $n "$1" | awk '{ print $1 * 512 }')" \
            --sizelimit "$(partx -gbo SIZE -n $n "$1" | tr -d ' ')" "$1") || return
        mkfs.ext4 -q "$slice" && mount "$slice" "$LAB/new" || return
        [ $n = 1 ] || cp -a "$LAB/kept/." "$LAB/new"
        umount "$LAB/new" && losetup -d "$slice" || return
    done
}
in_third() { # FOLDER: what the node would have written
    python3 - "$1/.stillpoint-manifest.json" "$data" <<'PY'
import json, sys
with open(sys.argv[1], encoding="utf-8") as stream:
    manifest = json.load(stream)
for mount in manifest["mounts"]:
    if mount["path"] == sys.argv[2]:
        mount["place"] = "p3"
with open(sys.argv[1], "w", encoding="utf-8") as stream:
    json.dump(manifest, stream)
PY
}
damage_files "$(snapshot_of good root)" in_third
damage "$(snapshot_of good data)" partition

verify_now 0 --deep
assert_no_findings
assert_eq ok "$(check_of "filesystem $data")" "the filesystem in the partition"
assert_eq ok "$(check_of 'tables mysql')" "its tables"
assert_eq true "$(v "d['databases'][0]['tables'] == d['databases'][0]['tables_checked'] > 30")" "tables"

sp restore files latest "$data/lab/kept.ibd" --to "$LAB/back" --quiet || fail "restore files ended with $?"
cmp "$LAB/kept/lab/kept.ibd" "$LAB/back$data/lab/kept.ibd" || fail "another file"
assert_no_loans
