#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A device that no volume stands behind, a mount that is not there, can't be frozen or was frozen by
# somebody else, a server's files outside of the set: refused, or labelled as what it is.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node
begin_refusals
data=$(mount_at data) root=$(mount_at root)
cp "$LAB/stillpoint.conf" "$LAB/right.conf"
cp "$LAB/map.json" "$LAB/right.json"
configure() { # LINES
    { cat "$LAB/right.conf" && printf '%b' "$1"; } >"$LAB/stillpoint.conf"
    stop_part daemon && start_part daemon
}
less() { # LABEL WHY COMMAND...
    local label=$1 why=$2
    shift 2
    assert_exit 3 "$@"
    assert_match "$label consistent, application was asked for" "$OUT" "the label"
    assert_match "why: .*($why)" "$OUT" "the reason"
    assert_match 'now: the backup is kept, and labelled as what it is' "$OUT" "what is said to be"
    assert_eq "$label" "$(sp show latest --json | json "d['consistency']")" "the tags' label"
    made
}

# The map that tells devices from volumes.
echo '{"/dev/' >"$LAB/map.json"
refused 2 "$LAB/map.json:[0-9]+: " 'write one JSON object' sp backup
echo '["/dev/sdf"]' >"$LAB/map.json"
refused 2 "$LAB/map.json: not one JSON object" 'write \{' sp backup
chmod 666 "$LAB/map.json"
refused 2 "$LAB/map.json: others than its owner can write it" 'chmod go-w' sp backup
rm "$LAB/map.json"
refused 2 "$LAB/map.json: No such file" 'make it, or take map out of \[devices\]' sp backup
made_nothing
sed "s/$(volume_of data)/vol-0123456789abcdef0/" "$LAB/right.json" >"$LAB/map.json"
less crash "is vol-0123456789abcdef0, which EC2 does not list as attached" sp backup --no-image
assert_exit 0 sp doctor
assert_match "warning +label .*$data .*does not list as attached" "$OUT" "doctor"
assert_match "a backup can reach crash" "$OUT" "doctor"
cp "$LAB/right.json" "$LAB/map.json"

# The list of mounts.
truncate -s 64M "$LAB/outside.img"
mkfs.ext4 -q "$LAB/outside.img"
mkdir -p "$root/srv/outside"
mount -o loop "$LAB/outside.img" "$root/srv/outside" || fail "no mount"
chown mysql "$root/srv/outside"
configure '[backup]\nmounts = /nothere\n'
refused 5 'nothing is mounted at /nothere' 'mount it, take it out of the list' sp backup
configure "[backup]\nmounts = $LAB/run\n"
refused 5 "$LAB/run" 'take it out of the list' sp backup
configure "[backup]\nmounts = $root/srv/outside\n"
refused 5 "$root/srv/outside \(ext4\) is on no volume of this instance" 'take it out of the list' sp backup
made_nothing

# Somebody else's freeze is found before anything is locked, and left as it is. The holder lets go when
# told, when this shell dies, and by itself.
configure ''
mkfifo "$LAB/run/told"
for mount in "$root" "$(mount_at binlog)"; do
    python3 -c '
import fcntl, os, select, sys
held = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
fcntl.ioctl(held, 0xC0045877, 0)
print("frozen", flush=True)
select.select([0], [], [], 20)
fcntl.ioctl(held, 0xC0045878, 0)' "$mount" <"$LAB/run/told" >"$LAB/run/holder" &
    holder=$!
    exec 8>"$LAB/run/told"
    until [ -s "$LAB/run/holder" ]; do sleep 0.05; done
    refused 5 "$mount is frozen already, by somebody else" "it was left as it is.*fsfreeze -u $mount" sp backup
    assert_match 'now: nothing is held by Stillpoint, no snapshot was made' "$OUT" "what is said to be"
    is_frozen "$mount" || fail "$mount was thawed"
    assert_eq true "$(sp status --json | json "d['guard']['reachable']")" "the guard answers"
    exec 8>&-
    wait "$holder" || fail "somebody else thawed $mount"
    rm "$LAB/run/holder"
    node_is_free
    made_nothing
done
backs_up --no-image

# The server's binary log lies outside of the set.
binlog() {
    stop_part mysql
    sed -i "s|^log_bin = .*|log_bin = $1/binlog|; s|^log_bin_index = .*|log_bin_index = $1/binlog.index|" "$LAB/my.cnf"
    start_part mysql
}
binlog "$root/srv/outside"
less filesystem "the binary log $root/srv/outside is outside of the set" sp backup --no-image
configure '[backup]\non_shortfall = discard\n'
refused 5 'the binary log .* is outside of the set' 'ask for --consistency filesystem' sp backup
sed -i 's/^\[mysql\]$/[mysql]\nrequired = yes/' "$LAB/right.conf"
configure ''
refused 5 'the binary log .* is outside of the set' 'move it onto a volume of this instance' sp backup
made_nothing
backs_up --no-image --consistency filesystem
binlog "$(mount_at binlog)"

# A mount that can't take the manifest: said, and nothing worse.
backs_up --no-image
[[ $OUT != *stillpoint-manifest* ]] || fail "a warning without a cause: $OUT"
rm "$data/.stillpoint-manifest.json"
mkdir -p "$data/.stillpoint-manifest.json/in-the-way"
backs_up --no-image
assert_match "$data/.stillpoint-manifest.json could not be written: Is a directory" "$OUT" "the warning"
assert_eq application "$(sp show latest --json | json "d['consistency']")" "label"
rm -r "$data/.stillpoint-manifest.json"
umount "$root/srv/outside"
end_refusals
