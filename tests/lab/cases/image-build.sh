#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# timeout: 900
# An image is built: the steps of the documents in packaging/ami, run in a fresh root without network and
# without systemd at work, install our package, configure it, check it, and leave nothing of the build's
# machine. What they must not do is wait for an EC2 that is not there.
# shellcheck source=tests/lab/lib.sh disable=SC2119,SC2031,SC2016
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/servers/lib.sh
. "$TOP/tests/servers/lib.sh"

need_root
need mmdebstrap dpkg-scanpackages unshare chroot systemctl
python3 -c 'import yaml' 2>/dev/null || skip "PyYAML is missing"
cd "$TOP" || exit

# --- the package and the root, both kept in build/ ------------------------------------------------
newest() { find agent aws hooks conf.d packaging Makefile -type f -newer "$1" | head -n 1; }
deb=$(find build/deb -maxdepth 1 -name 'stillpoint_*.deb' 2>/dev/null | head -n 1)
if [ -z "$deb" ] || [ -n "$(newest "$deb")" ]; then
    make --no-print-directory deb >/dev/null 2>&1 || fail "make deb: $(tail -n 20 build/deb/build.log)"
    deb=$(find build/deb -maxdepth 1 -name 'stillpoint_*.deb' | head -n 1)
fi
needs=$(dpkg-deb -f "$deb" Depends | tr ',' '\n' | sed 's/|.*//; s/(.*//; s/ //g' | paste -sd,)
packages=$needs,systemd,curl
root=build/image/root.tar
# shellcheck disable=SC1091
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mkdir -p build/image
if [ "$(cat "$root.packages" 2>/dev/null)" != "$suite $packages" ]; then
    timeout 400 mmdebstrap --quiet --variant=apt --include="$packages" "$suite" "$root" "$(servers_mirror)" \
        >build/image/log 2>&1 || skip "no $suite root: $(grep -m 1 '^E:' build/image/log)"
    echo "$suite $packages" >"$root.packages"
fi
tree=$(mktemp -d)
defer rm -rf --one-file-system "$tree"
tar -C "$tree" --exclude='./dev/*' -xf "$root" || fail "the root can't be unpacked"

# --- what the image's maker brings ----------------------------------------------------------------
mkdir -p "$tree/srv/repository" "$tree/srv/ami"
cp build/deb/stillpoint_*.deb build/deb/stillpoint-kaltura_*.deb "$tree/srv/repository"
(cd "$tree/srv/repository" && dpkg-scanpackages . >Packages 2>/dev/null) || fail "no repository"
rm -f "$tree"/etc/apt/sources.list "$tree"/etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/repository ./' >"$tree/srv/stillpoint.list"
echo 'a key' >"$tree/srv/key.gpg"
printf '[backup]\nhold_deadline = 7s\n' >"$tree/srv/nodes.conf"
cp packaging/ami/*.sh "$tree/srv/ami"
printf '#!/bin/sh\nexec "$@"\n' >"$tree/usr/local/bin/sudo"
chmod 755 "$tree/usr/local/bin/sudo"

# shellcheck source=tests/lab/leave_labs.sh
. "$LIB_DIR/leave_labs.sh"
# In a network of its own, which has nothing; what is left running in there ends with it.
in_tree() { # SECONDS COMMANDS
    timeout -k 5 "$1" unshare --mount --propagation private --net --pid --fork --kill-child bash -c '
        leave_labs && mount -t proc proc "$1/proc" && mount -t devtmpfs devtmpfs "$1/dev" &&
            mount -t tmpfs tmpfs "$1/run" && exec chroot "$1" /usr/bin/env -i \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root bash -c "$2"
    ' - "$tree" "$2" </dev/null
}

traces() {
    find "$tree/var/lib/stillpoint" "$tree/var/lib/systemd/timers" -mindepth 1 -path '*stillpoint*' 2>/dev/null
    find "$tree" -maxdepth 1 -name '.stillpoint*'
}

image_is_whole() {
    local unit
    grep -q '^stillpoint:' "$tree/etc/passwd" || fail "no user stillpoint"
    grep -q '^stillpoint:' "$tree/etc/group" || fail "no group stillpoint"
    for unit in stillpoint-guard.service stillpoint-hook.socket stillpointd.service stillpoint-backup@nightly.timer; do
        assert_eq enabled "$(systemctl --root="$tree" is-enabled "$unit" 2>&1)" "$unit"
    done
    assert_eq '' "$(traces)" "what of the build's machine is in the image"
    [ -d "$tree/var/lib/stillpoint" ] || fail "the state directory itself is gone"
    [ -e "$tree/etc/stillpoint/conf.d/aws.conf" ] || fail "configuration is gone"
}

# --- Image Builder's component --------------------------------------------------------------------
component() { python3 tests/pkg/ami_component.py --step "$@" || fail "no such step: $*"; }

assert_exit 0 in_tree 120 "$(component build Repository=/srv/stillpoint.list RepositoryKey=/srv/key.gpg Config=/srv/nodes.conf)"
assert_match 'sealed: nothing of this machine is kept$' "$OUT" "the build's end"
assert_exit 0 in_tree 30 "$(component validate)"
assert_match 'ok +nothing of this machine is kept' "$OUT" "the validation"
image_is_whole
assert_eq 'a key' "$(cat "$tree/usr/share/keyrings/stillpoint.gpg")" "the repository's key"
assert_exit 0 in_tree 10 'stillpoint config'
assert_match "# /etc/stillpoint/conf.d/50-image.conf:2"$'\n''hold_deadline = 7s' "$OUT" "the nodes' settings"

# --- the same image, used: validate tells what seal then mends --------------------------------------
# The daemon comes up without EC2's metadata service and answers; nothing waits for it.
assert_exit 0 in_tree 40 '
    mkdir -p /run/stillpoint && chown root:stillpoint /run/stillpoint && chmod 1775 /run/stillpoint
    setpriv --reuid=stillpoint --regid=stillpoint --clear-groups stillpointd 2>/tmp/log &
    for i in $(seq 100); do [ -S /run/stillpoint/control.sock ] && break; sleep 0.1; done
    timeout 10 stillpoint status || exit
    timeout 20 stillpoint seal && { echo "sealed under a daemon"; exit 1; }
    kill $! && wait $!'
assert_match 'stillpointd runs, and would write down again' "$OUT" "seal beside a daemon"
echo '{"instance": "i-0aaaaaaaaaaaaaaa1"}' >"$tree/var/lib/stillpoint/identity.json"
echo '{}' >"$tree/.stillpoint-manifest.json"
mkdir -p "$tree/var/lib/systemd/timers"
: >"$tree/var/lib/systemd/timers/stamp-stillpoint-backup@nightly.timer"
systemctl --root="$tree" disable stillpointd.service stillpoint-backup@nightly.timer >/dev/null 2>&1
assert_exit 1 in_tree 30 "$(component validate)"
assert_match 'FAILED  a timer of backups is enabled: none is' "$OUT" "no backup is ever taken"
assert_match 'FAILED  stillpointd.service is enabled: it is disabled' "$OUT" "a unit that is off"
assert_match 'FAILED  nothing of this machine is kept: would remove /var/lib/stillpoint/identity.json' "$OUT" "traces"

# --- Packer's template, from a file ---------------------------------------------------------------
commands=$(python3 tests/pkg/ami_packer.py --run "package=/srv/repository/$(basename "$deb")" config=/srv/nodes.conf)
assert_exit 0 in_tree 120 "set -e"$'\n'"$commands"
assert_match 'removed /.stillpoint-manifest.json: the manifest of a backup' "$OUT" "what is sealed"
image_is_whole
mkdir "$tree/etc/systemd/system/service.d"
printf '[Service]\nEnvironment=AWS_SECRET_ACCESS_KEY=of-everybody\n' >"$tree/etc/systemd/system/service.d/all.conf"
assert_exit 1 in_tree 30 "$(component validate)"
assert_match 'FAILED  nothing of this machine is kept: .*service.d/all.conf.*a secret access key of AWS' "$OUT" "a key"
rm -r "$tree/etc/systemd/system/service.d"

# --- a build that can't succeed says why, and that it did not -----------------------------------------
assert_exit 1 in_tree 30 "$(component build Package=/srv/missing.deb)"
assert_match 'stillpoint: /srv/missing.deb could not be had' "$OUT" "a package that is not there"
assert_exit 1 in_tree 30 "$(component build Config=nodes.conf)"
assert_match 'nodes.conf: neither a path nor https:// nor s3://' "$OUT" "a configuration that is no file"
printf '[backup]\nhold_dedline = 7s\n' >"$tree/srv/wrong.conf"
assert_exit 2 in_tree 30 "$(component build Config=/srv/wrong.conf)"
assert_match "50-image.conf:2: unknown key 'hold_dedline'" "$OUT" "a configuration with a fault"
