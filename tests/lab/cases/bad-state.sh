#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The state directory is full, read-only, gone or somebody else's: no backup is begun that could not be
# remembered, and what is there can still be listed. Also: what list and show say where there is nothing.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node
begin_refusals
state=$LAB/state

# Nothing there yet.
assert_exit 0 sp list
assert_match "^no backups; .stillpoint backup. takes one$" "$OUT" "an empty list"
assert_eq '[]' "$(sp list --json)" "an empty list"
refused 5 'there is no good backup yet' 'stillpoint backup' sp show latest
refused 5 "no backup has the id 'sp-20260101T000000Z-abcde'" 'stillpoint list' sp show sp-20260101T000000Z-abcde
refused 5 "no backup has the id 'nothing'" 'stillpoint list' sp show nothing
refused 2 'show needs ID' 'stillpoint list shows the ids' sp show
assert_match 'warning +last backup +there is no good backup of this node' "$(sp doctor)" "doctor"

# Full.
stop_part daemon
mount -t tmpfs -o size=64k tmpfs "$state" || fail "no tmpfs"
chown stillpoint "$state"
start_part daemon
for _ in {1..200}; do [ -e "$state/identity.json" ] && break; sleep 0.02; done # a daemon's first look
rm "$state/identity.json" || fail "the daemon remembers nothing at its start"
setpriv --reuid=stillpoint --clear-groups dd if=/dev/zero of="$state/fill" bs=1k count=1000 2>/dev/null
refused 5 'identity.json.new: .*No space left on device' "make room in $state" sp backup
assert_match 'now: nothing was held or frozen, no snapshot was made' "$OUT" "what is said to be"
[ ! -e "$state/identity.json.new" ] || fail "a half file is left"
assert_exit 5 sp doctor
assert_match "failed +state directory +$state: 0 MiB free" "$OUT" "doctor"
assert_match "do: make room" "$OUT" "doctor's remedy"
assert_exit 0 sp list
made_nothing
rm "$state/fill"
backs_up --no-image

# Read-only: the one writes the job, the other this node's identity.
mount -o remount,ro "$state" || fail "no remount"
refused 5 'the journal: .*Read-only file system' "$state is on .* read-only here: mount it read-write" sp backup
mount -o remount,rw "$state" && rm "$state/identity.json" && mount -o remount,ro "$state"
refused 5 'identity.json.new: .*Read-only file system' "$state is on .* read-only here: mount it read-write" sp backup
mount -o remount,rw "$state"
made_nothing

# Somebody else's, and gone.
chown root "$state"
chmod 755 "$state"
refused 5 'identity.json.new: .*Permission denied' "the daemon.s user must be able to write in $state" sp backup
assert_exit 5 sp doctor
assert_match "failed +state directory +$state: Permission denied" "$OUT" "doctor"
assert_exit 0 sp list
assert_match '1 backup: 1 good' "$OUT" "the list"
umount "$state"
mv "$state" "$state.away"
refused 5 'identity.json.new: .*No such file' "make the folder $state; it must belong to the daemon.s user" sp backup
made_nothing
mv "$state.away" "$state"
backs_up --no-image

# Several begin alike.
ids=$(sp list --json | json "[b['id'] for b in d]")
refused 2 "several backups begin with 'sp-2'" 'write more of the id' sp show sp-2
one=$(json "d[0]" <<<"$ids")
assert_eq "$one" "$(sp show "${one%?}" --json | json "d['id']")" "a prefix that is the only one"
assert_eq "$one" "$(sp show latest --json | json "d['id']")" "latest"
end_refusals
