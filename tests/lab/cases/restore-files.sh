#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# `restore files`: files and folders of a backup, with owners and modes, into a new or empty folder; what is not
# there, or no room for it, is refused; then everything is gone again.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"

start_cloud
make_waits
start_node "${WAITS[@]}"
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
kind_is() { # KIND ID [OPTION...]: of the refusal
    local kind=$1 id=$2
    shift 2
    assert_eq "$kind" "$(sp restore files "$id" "$root/srv/app" --to "$LAB/new" --json "$@" 2>/dev/null | tail -n 1 | json "d['kind']")" \
        "the kind of the refusal of $id $*"
}
kind_is not-found sp-20200101T000000Z-aaaaa
kind_is not-found sp-20200101T000000Z-aaaaa -n
kind_is not-found nonsense
assert_exit 5 sp restore files latest "$root/srv/nothing" --to "$LAB/new"
assert_match 'srv/nothing' "$OUT" "a path that is not in the backup"
[ ! -e "$LAB/new" ] || fail "a folder was left: $(ls -A "$LAB/new")"
assert_exit 0 sp restore files latest "$root/srv/app" --to "$LAB/new" -n
[ ! -e "$LAB/new" ] || fail "a dry run made a folder"
for size in 64k 2m; do
    mkdir -m 755 "$LAB/$size"
    mount -t tmpfs -o "size=$size,mode=755" tmpfs "$LAB/$size" || fail "a small folder"
    defer umount "$LAB/$size"
done
assert_exit 5 sp restore files latest "$(mount_at data)" --to "$LAB/2m"
assert_match 'files: [0-9]+ MiB are needed, [12] MiB are free' "$OUT" "too much for a folder"
assert_eq '' "$(ls -A "$LAB/2m")" "what is left of what had no room"
assert_no_loans

appears() { # PATTERN
    for _ in {1..600}; do
        compgen -G "$1" >/dev/null && return
        sleep 0.05
    done
    fail "$1 never came"
}

# A folder that is refused, is refused before a volume is made; a dry run says the same.
to_refused() { # REGEX REMEDY DIR
    local regex=$1 remedy=$2 dry
    for dry in '' -n; do
        cloud_post calls '{}' >/dev/null
        # shellcheck disable=SC2086 # none, or one
        assert_exit 5 sp restore files latest "$root/srv/app" --to "$3" $dry
        assert_match "$regex" "$OUT" "--to $3 $dry"
        assert_match "do: .*($remedy)" "$OUT" "remedy of --to $3 $dry"
        assert_eq 0 "$(count_calls CreateVolume)" "volumes made for --to $3 $dry"
    done
}
mkdir -m 777 "$LAB/open"
mkdir -m 755 "$LAB/open/mine" "$LAB/theirs" "$LAB/theirs/mine"
chown daemon "$LAB/theirs"
mkdir -m 755 "$LAB/his"
chown daemon "$LAB/his"
to_refused "$LAB/open, above .*, can be written by others than root" "chmod go-w $LAB/open" "$LAB/open/mine"
to_refused "$LAB/open, above .*, can be written by others than root" "chmod go-w $LAB/open" "$LAB/open/new"
[ ! -e "$LAB/open/new" ] || fail "a folder was left"
chmod 770 "$LAB/open"
to_refused "$LAB/open, above .*, can be written by others than root" "chmod go-w $LAB/open" "$LAB/open/mine"
to_refused "$LAB/theirs, above .*, is not owned by root" "a folder of root's" "$LAB/theirs/mine"
to_refused "$LAB/theirs, above .*, is not owned by root" "a folder of root's" "$LAB/theirs/new"
to_refused 'is not owned by root' "empty folder of root's" "$LAB/his"
mkdir -m 775 "$LAB/group"
to_refused 'can be written by others than root' "chmod go-w it" "$LAB/group"
touch "$LAB/file"
to_refused 'not a folder' 'a folder' "$LAB/file"
to_refused 'Not a directory|not a folder' 'a folder' "$LAB/file/below"
ln -s theirs "$LAB/link"
to_refused "$LAB/link" 'without links' "$LAB/link/mine"
to_refused "$LAB/no" 'make (the folder above it|that folder) first' "$LAB/no/such"
to_refused 'not empty' 'not there yet, or is empty' "$to"
to_refused '1 MiB are needed, 0 MiB are free' 'make room' "$LAB/64k"
mount -o remount,ro "$LAB/64k"
to_refused 'Read-only file system' '.' "$LAB/64k"
(cd "$LAB/open" && to_refused "$LAB/open, above" 'chmod go-w' relative) || exit 1
# Where only root can rename what is root's, all may write: as in /tmp.
chmod 1777 "$LAB/open"
assert_exit 0 sp restore files latest "$root/srv/app" --to "$LAB/open/mine"
assert_eq one "$(cat "$LAB/open/mine$root/srv/app/one")" "a file below a folder like /tmp"
assert_exit 0 sp restore files latest "$root/srv/app" --to "$LAB/open/new" -n
# It is judged again when the volumes are there: it may have changed meanwhile. They are attached when no backup has
# the node, and this one has it for as long as we like.
mkdir -m 755 "$LAB/later"
hold_node
sp restore files latest "$root/srv/app" --to "$LAB/later" >"$LAB/later.out" 2>&1 &
client=$!
appears "$LAB/state/loans/*"
chmod 777 "$LAB/later"
let_go_of_node
wait "$client"
assert_eq 5 $? "exit code of: $(cat "$LAB/later.out")"
assert_match 'can be written by others than root.*now: no file was copied; all volumes are gone again' "$(cat "$LAB/later.out")" "a folder that changed"
assert_no_loans

# Not root: the daemon's user can't have files written.
assert_exit 5 setpriv --reuid stillpoint --regid stillpoint --clear-groups \
    "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" restore files latest /etc --to /tmp/never
assert_match root "$OUT" "somebody else"
assert_exit 5 setpriv --reuid stillpoint --regid stillpoint --clear-groups \
    "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" restore files latest /etc --to /tmp/never -n
assert_match 'only root' "$OUT" "somebody else's dry run"
