#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# timeout: 900
# The rpm packages: rpmlint finds nothing, they have what the deb has, and their life in a tree of its own
# (rpm --root): installed, upgraded, downgraded, erased; configuration is kept, presets are followed.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/pkg/lib.sh
. tests/pkg/lib.sh
need rpmbuild rpmlint mmdebstrap
[ "$(id -u)" = 0 ] || skip "needs root, for a tree"

now=$(packages_built rpm)
before=$(packages_built rpm "$PREVIOUS")
said=$(rpmlint -c packaging/rpm/rpmlint.toml "$now"/*.rpm 2>&1) || fail "rpmlint: $said"
grep -q ' 0 errors, 0 warnings' <<<"$said" || fail "rpmlint: $said"

ours=("$now"/stillpoint-"$VERSION"*.x86_64.rpm) kaltura=("$now"/stillpoint-kaltura-*.rpm)
[ -e "${ours[0]}" ] || ours=("$now"/stillpoint-"$VERSION"*."$(uname -m)".rpm)
requires=$(rpm -qp --requires "${ours[0]}")
for library in libcurl.so.4 libcrypto.so libexpat.so.1 libinih.so libjansson.so.4 libmariadb.so.3 libuv.so.1; do
    grep -q "^$library" <<<"$requires" || fail "does not require $library"
done
rpm -qp --recommends "${ours[0]}" | has -x stillpoint-kaltura || fail "does not recommend stillpoint-kaltura"
rpm -qpl "$now"/stillpoint-debuginfo-*.rpm | has '\.debug$' || fail "no debug symbols"
rpm -qpc "${ours[0]}" | has -x /etc/stillpoint/conf.d/backup.conf || fail "backup.conf is no configuration file"

work=$(mktemp -d "${TMPDIR:-/tmp}/stillpoint-rpm.XXXXXX")
tree=$(mktemp -d "$PACKAGES_DIR/rpm-life.XXXXXX")
trap 'rm -rf --one-file-system "$tree" "$work"' EXIT
# -o all: what was built for the tests, not anew for /usr.
make -s --no-print-directory -o all B="${BUILD:-build/plain}" DESTDIR="$work/tree" PREFIX=/usr HOOKS=dnf \
    install install-kaltura >/dev/null
rpm -qpl "${ours[0]}" | has '/dnf-plugins/stillpoint.py$' || fail "dnf's plugin is missing"
(cd "$work/tree" && find . -type f | sed 's,^\.,,; /share\/man\//s/$/.gz/') | sort >"$work/installed"
rpm -qpl --dump "${ours[0]}" "${kaltura[0]}" 2>/dev/null | awk '$5 ~ /^0?10/ { print $1 }' |
    grep -v -e '^/usr/share/doc/' -e '^/usr/share/licenses/' | sort >"$work/packaged"
diff "$work/installed" "$work/packaged" || fail "make install and the packages differ (<, >)"

# The tree is Debian's: dependencies are not asked there, scriptlets run in it for real.
archive=$(tree_made bookworm ca-certificates,libcurl4,libexpat1,libinih1,libjansson4,libmariadb3,libssl3,libuv1,systemd)
tar -x -f "$archive" -C "$tree" --exclude='./dev/*'
mknod -m 666 "$tree/dev/null" c 1 3
# What RHEL's own last preset says of everything else.
echo 'disable *' >"$tree/usr/lib/systemd/system-preset/99-default.preset"
rpm_in() {
    # shellcheck disable=SC2016 # the inner shell expands these
    said=$(unshare --mount --pid --fork --kill-child bash -c 'mount --make-rprivate / && leave_labs && mount -t tmpfs run "$0/run" &&
        mount -t proc proc "$0/proc" && exec rpm --root "$0" --nodeps "$@"' "$tree" "$@" 2>&1) ||
        fail "rpm $*: exit $?: $said"
    ! grep -iE 'scriptlet failed|not found' <<<"$said" || fail "rpm $*: $said"
}
link() { [ -L "$tree/etc/systemd/system/$1" ]; }
(cd "$tree" && find etc usr var/lib ! -path 'var/lib/dpkg*' | sort) >"$work/before"

rpm_in -iv "$before"/stillpoint-"$PREVIOUS"*.rpm "$before"/stillpoint-kaltura-*.rpm
has "^stillpoint-[0-9]" < <(grep -m 1 '^stillpoint-' <<<"$said") || fail "Kaltura's hooks come before the daemon: $said"
chroot "$tree" stat -c '%U %G %a' /var/lib/stillpoint | has -x 'stillpoint stillpoint 750' || fail "no state folder"
for one in multi-user.target.wants/stillpoint-guard.service multi-user.target.wants/stillpointd.service \
    sockets.target.wants/stillpoint-hook.socket timers.target.wants/stillpoint-backup@nightly.timer; do
    link $one || fail "not enabled by preset: $one"
done
! link timers.target.wants/stillpoint-prune.timer || fail "the pruner is enabled by preset"
sed -i 's/^#hold_deadline = .*/hold_deadline = 5s/' "$tree/etc/stillpoint/conf.d/backup.conf"
echo '{}' >"$tree/var/lib/stillpoint/journal.json"
rm "$tree/etc/systemd/system/timers.target.wants/stillpoint-backup@nightly.timer"
for step in "$now" "$before" "$now"; do
    rpm_in -U --oldpackage "$step"/stillpoint-[0-9]*"$(uname -m)".rpm "$step"/stillpoint-kaltura-*.rpm
    grep -q '^hold_deadline = 5s' "$tree/etc/stillpoint/conf.d/backup.conf" || fail "configuration was not kept"
    ! link timers.target.wants/stillpoint-backup@nightly.timer || fail "an upgrade enables what was disabled"
done
chroot "$tree" systemctl enable stillpoint-backup@weekly.timer 2>/dev/null
link timers.target.wants/stillpoint-backup@weekly.timer || fail "a weekly backup can't be enabled"
rpm --root "$tree" -q stillpoint | has "^stillpoint-$VERSION-1" || fail "not upgraded"
chroot "$tree" stillpoint config >/dev/null || fail "the configuration is refused"

# As dnf leaves it, beside another's.
compiled=$(find "$tree/usr/lib" -name dnf-plugins)/__pycache__
mkdir "$compiled"
touch "$compiled/stillpoint.cpython-39.opt-1.pyc" "$compiled/stillpoint.cpython-39.pyc" "$compiled/other.cpython-39.pyc"
rpm_in -e stillpoint-kaltura stillpoint
[ "$(ls "$compiled")" = other.cpython-39.pyc ] || fail "of dnf's plugins erasing leaves $(ls "$compiled")"
rm -r "$compiled"
! find "$tree/etc/systemd/system" -name 'stillpoint*' | grep . || fail "erased, and still enabled"
# rpm keeps what was changed, and the state.
(cd "$tree" && find etc usr var/lib ! -path 'var/lib/dpkg*' ! -path 'var/lib/rpm*' | sort) >"$work/after"
left=$(comm -13 "$work/before" "$work/after")
expected='etc/stillpoint
etc/stillpoint/conf.d
etc/stillpoint/conf.d/backup.conf.rpmsave
var/lib/stillpoint
var/lib/stillpoint/journal.json'
# The folders that RHEL's own packages have, and a Debian tree has not, stay.
theirs='^(etc/.*-|etc/systemd.*|usr/share/licenses|usr/lib/python3[.0-9]*(/site-packages(/dnf-plugins)?)?)$'
[ "$(grep -vE "$theirs" <<<"$left")" = "$expected" ] || fail "erasing leaves: $left"
