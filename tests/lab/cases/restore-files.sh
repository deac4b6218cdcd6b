#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# `restore files`: files and folders of a backup, with owners and modes, into a new or empty folder; what is not
# there, or no room for it, is refused; then everything is gone again.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"

start_cloud
start_node
cloud_set '{"snapshot_time_s": 0.2}'
root=$(mount_at root)
mkdir -p "$root/srv/app/sub"
echo one >"$root/srv/app/one"
echo two >"$root/srv/app/sub/two"
chown daemon:mail "$root/srv/app/one"
chmod 640 "$root/srv/app/one"
ln -s one "$root/srv/app/link"
back_up good --no-image
echo later >"$root/srv/app/one"
to=$LAB/back

sp restore files latest "$root/srv/app" "$(mount_at binlog)/binlog.000001" --to "$to" --json >"$LAB/files.events" ||
    fail "restore files ended with $?: $(tail -n 1 "$LAB/files.events")"
assert_no_loans
assert_eq one "$(cat "$to$root/srv/app/one")" "a file"
assert_eq 'daemon mail 640' "$(stat -c '%U %G %a' "$to$root/srv/app/one")" "its owner and mode"
assert_eq one "$(readlink "$to$root/srv/app/link")" "a link"
assert_eq two "$(cat "$to$root/srv/app/sub/two")" "a file below"
[ -s "$to$(mount_at binlog)/binlog.000001" ] || fail "a file of another volume is missing"
assert_eq "$(echo "$root" | cut -d/ -f2)" "$(ls -A "$to")" "what lies in the folder"

# Bad input.
assert_exit 5 sp restore files latest "$root/srv/app" --to "$to"
assert_match 'not empty' "$OUT" "a folder that has something in it"
assert_exit 2 sp restore files latest "$root/srv/app"
assert_exit 2 sp restore files latest --to "$LAB/new"
assert_exit 2 sp restore files latest srv/app --to "$LAB/new"
assert_match 'absolute' "$OUT" "a path that is not absolute"
assert_exit 2 sp restore files latest "$root/srv/../etc" --to "$LAB/new"
assert_match "'\.\.' in it" "$OUT" "a path that goes up"
assert_exit 0 sp restore files latest "$root//srv/./app/" --to "$LAB/slashes"
assert_eq one "$(cat "$LAB/slashes$root/srv/app/one")" "a file of a folder with a slash behind"
assert_exit 5 sp restore files sp-20200101T000000Z-aaaaa "$root/srv/app" --to "$LAB/new"
assert_exit 5 sp restore files latest "$root/srv/nothing" --to "$LAB/new"
assert_match 'srv/nothing' "$OUT" "a path that is not in the backup"
[ ! -e "$LAB/new" ] || fail "a folder was left: $(ls -A "$LAB/new")"
assert_exit 0 sp restore files latest "$root/srv/app" --to "$LAB/new" -n
[ ! -e "$LAB/new" ] || fail "a dry run made a folder"
mkdir -m 755 "$LAB/small"
mount -t tmpfs -o size=64k tmpfs "$LAB/small" || fail "a small folder"
defer umount "$LAB/small"
assert_exit 5 sp restore files latest "$(mount_at data)" --to "$LAB/small"
assert_eq '' "$(ls -A "$LAB/small")" "what is left of what had no room"
assert_no_loans
# Not root: the daemon's user can't have files written.
assert_exit 5 setpriv --reuid stillpoint --regid stillpoint --clear-groups \
    "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" restore files latest /etc --to /tmp/never
assert_match root "$OUT" "somebody else"
