#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# timeout: 900
# The life of the Debian packages in a Debian of its own: installed, upgraded from the previous build,
# downgraded, removed, purged. Configuration is kept until the purge, which leaves the tree as it was (but
# for the account). With a systemd that hangs in every call all of that comes to its end, too.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/pkg/lib.sh
. tests/pkg/lib.sh
need dpkg-buildpackage mmdebstrap unshare
[ "$(id -u)" = 0 ] || skip "needs root, for a tree"

now=$(packages_built deb)
before=$(packages_built deb "$PREVIOUS")
archive=$(tree_made bookworm ca-certificates,libcurl4,libexpat1,libinih1,libjansson4,libmariadb3,libssl3,libuv1,systemd)
mkdir -p "$PACKAGES_DIR"
tree=$(mktemp -d "$PACKAGES_DIR/life.XXXXXX")
trap 'rm -rf --one-file-system "$tree"' EXIT
tar -x -f "$archive" -C "$tree" --exclude='./dev/*'
mknod -m 666 "$tree/dev/null" c 1 3
mkdir "$tree/tmp/now" "$tree/tmp/before"
cp "$now"/stillpoint_*.deb "$now"/stillpoint-kaltura_*.deb "$tree/tmp/now"
cp "$before"/stillpoint_*.deb "$before"/stillpoint-kaltura_*.deb "$tree/tmp/before"

# Every path with kind, mode, owner and content, without what dpkg and the account change.
shape() {
    (cd "$tree" && find . -xdev \( -path ./tmp -o -path ./proc -o -path ./run -o -path ./var/lib/dpkg \
        -o -path ./var/log -o -path ./var/cache \) -prune -o ! -path . -printf '%p %y %m %u %g %l\n' |
        grep -vE '^\./etc/((g?shadow|passwd|group|subuid|subgid)-?|\.pwd\.lock) ' | sort
        find etc usr/lib/systemd -type f ! -name 'passwd*' ! -name 'group*' ! -name '*shadow*' ! -name '.pwd.lock' \
            -exec sha256sum {} + | sort)
}
dpkg_in() { in_tree "$tree" sh -c "dpkg $* 2>&1" || fail "dpkg $*: exit $?"; }
said=
quietly() { said=$("$@") || { echo "$said" >&2; exit 1; }; }
# shellcheck disable=SC2016 # dpkg-query expands it
version() { in_tree "$tree" dpkg-query -W -f '${Version}' stillpoint; }
is() { [ "$(stat -c '%U %G %a' "$tree$1" 2>/dev/null || echo missing)" = "$2" ] || fail "$3: $1 is $(stat -c '%u %g %a' "$tree$1" 2>&1), not $2"; }
link() { [ -L "$tree/etc/systemd/system/$1" ]; }

shape >"$tree/tmp/shape.before"
quietly dpkg_in -i '/tmp/before/*.deb'
[ "$(version)" = "$PREVIOUS" ] || fail "the previous build is not installed: $(version)"
in_tree "$tree" getent passwd stillpoint | has ':/usr/sbin/nologin$' || fail "no locked account"
in_tree "$tree" stat -c '%U %G %a' /var/lib/stillpoint | has -x 'stillpoint stillpoint 750' ||
    fail "the state's folder is not the daemon's"
for one in multi-user.target.wants/stillpoint-guard.service multi-user.target.wants/stillpointd.service \
    sockets.target.wants/stillpoint-hook.socket timers.target.wants/stillpoint-backup@nightly.timer; do
    link $one || fail "after installing: $one is not enabled"
done
! link timers.target.wants/stillpoint-prune.timer || fail "the pruner is enabled by installing"
in_tree "$tree" stillpoint config >/dev/null || fail "the configuration as shipped is refused"
in_tree "$tree" stillpoint config | has 'kaltura-services' || fail "Kaltura's hooks are not configured"

# What the administrator did stays.
sed -i 's/^#hold_deadline = .*/hold_deadline = 5s/' "$tree/etc/stillpoint/conf.d/backup.conf"
in_tree "$tree" systemctl disable stillpoint-backup@nightly.timer 2>/dev/null
in_tree "$tree" systemctl enable stillpoint-prune.timer stillpoint-backup@weekly.timer 2>/dev/null
echo '{}' >"$tree/var/lib/stillpoint/journal.json"
for step in now before now; do # upgrade, downgrade, upgrade
    quietly dpkg_in -i "/tmp/$step/*.deb"
    in_tree "$tree" stillpoint config | has '^hold_deadline = 5s' || fail "to $step: configuration was not kept"
    ! link timers.target.wants/stillpoint-backup@nightly.timer || fail "to $step: enabled what was disabled"
    link timers.target.wants/stillpoint-prune.timer || fail "to $step: disabled what was enabled"
    [ -e "$tree/var/lib/stillpoint/journal.json" ] || fail "to $step: the journal is gone"
done
[ "$(version)" = "$VERSION" ] || fail "not upgraded: $(version)"

quietly dpkg_in -r stillpoint-kaltura stillpoint
[ ! -e "$tree/usr/bin/stillpoint" ] || fail "removed, and still there"
grep -q '^hold_deadline = 5s' "$tree/etc/stillpoint/conf.d/backup.conf" || fail "removing took the configuration"
[ -e "$tree/var/lib/stillpoint/journal.json" ] || fail "removing took the state"
quietly dpkg_in -P stillpoint-kaltura stillpoint
shape >"$tree/tmp/shape.after"
diff "$tree/tmp/shape.before" "$tree/tmp/shape.after" || fail "purge leaves something (>)"

# Once more where systemd hangs: nothing may wait for it.
cat >"$tree/usr/local/sbin/systemctl" <<'E2'
#!/bin/sh
trap '' TERM
exec sleep 600
E2
chmod 755 "$tree/usr/local/sbin/systemctl"
hung() {
    local started=$SECONDS
    in_tree "$tree" sh -c "mkdir -p /run/systemd/system /run/stillpoint; timeout 120 dpkg $* >/tmp/said 2>&1" ||
        fail "systemd hangs: dpkg $*: exit $?: $(cat "$tree/tmp/said")"
    echo "systemd hangs: dpkg $*: $((SECONDS - started)) s"
}
rm "$tree"/tmp/*/stillpoint-kaltura*
hung -i '/tmp/before/*.deb'
hung -i '/tmp/now/*.deb'
hung -r stillpoint
hung -P stillpoint
