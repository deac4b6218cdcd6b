#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Makes what a machine of the machine lab boots from, and keeps it in build/vm.
#
#   BUILD=build/plain tests/vm/root.sh        prints the folder: vmlinuz, cmdline and disk0 (/, with /boot/efi), disk1
#                                             and disk2 (LVM "data": /var/lib/mysql), disk3 (XFS: /srv/media);
#                                             before: every path of / before the agent was installed
#
# Two layers, each made when what it is made of has changed: base-HASH is Debian 12 as mmdebstrap and one
# boot (first_boot.sh) make it, about 90 s; node-HASH is that with the agent in it, about 10 s, installed
# without a boot as whoever bakes an image does it. Needs root, loop devices, network for the first only.
set -Eeuo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
build=${BUILD:-build/plain}
case $build in /*) ;; *) build=$top/$build ;; esac
cache=${VM_CACHE:-$top/build/vm}
debs=${VM_DEBS:-$top/build/deb}
work=
say() { echo "vm: $*" >&2; }

# Takes down what this run has mounted.
# shellcheck disable=SC2317 # the trap calls it
clean() {
    local status=$?
    [ -z "$work" ] || take_down
    exit "$status"
}
trap clean EXIT
trap 'say "root.sh: line $LINENO failed"' ERR
trap 'exit 143' TERM
trap 'exit 130' INT

take_down() {
    [ ! -e "$work/machine/pid" ] || python3 "$here/machine.py" cut "$work/machine" || true
    umount -q -R "$work/root" 2>/dev/null || true
    losetup -j "$work/disk0" -O NAME --noheadings | while read -r device; do losetup -d "$device"; done
    rm -rf --one-file-system "$work"
}

# A killed run's leftovers: folders of a process that is no more.
sweep_work() {
    for work in "$cache"/work.*; do
        [ ! -d "$work" ] || kill -0 "${work##*.}" 2>/dev/null || take_down
    done
    work=
}

# shellcheck source=tests/vm/base.sh
. "$here/base.sh"

# --- with the agent -----------------------------------------------------------------------------

into() { chroot "$work/root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }

# By apt from a folder of packages, as on any node; no service can start in a chroot.
install_debs() { # FOLDER
    mkdir -p "$work/root/srv/packages"
    find "$1" -maxdepth 1 -name '*.deb' ! -name '*-dbgsym_*' -exec cp -t "$work/root/srv/packages" {} +
    (cd "$work/root/srv/packages" && dpkg-scanpackages -m . 2>/dev/null >Packages)
    echo "deb [trusted=yes] file:/srv/packages ./" >"$work/root/etc/apt/sources.list.d/stillpoint.list"
    {
        into apt-get -q update
        into apt-get -q install -y --no-install-recommends stillpoint
    } >"$work/install.log" 2>&1 || { tail -n 30 "$work/install.log" >&2; return 1; }
}

make_node() { # BASE DIR
    say "installing the agent into it"
    cp --sparse=always "$1"/disk? "$1/vmlinuz" "$1/cmdline" "$work/"
    mount_root
    (cd "$work/root" && find . -xdev -printf '%P\n') | LC_ALL=C sort >"$work/before"
    mount -t proc proc "$work/root/proc"
    install_debs "$debs"
    umount "$work/root/proc"
    umount_root
    rm -rf "$work/root"
    mv "$work" "$2"
    work=
}

hash_of() { cat "$@" | sha256sum | cut -c 1-16; }

forget_old() { # of each layer those used last stay: another work tree may share the folder
    local kind
    for kind in base:2 node:6; do
        find "$cache" -maxdepth 1 -name "${kind%:*}-*" -printf '%T@ %p\n' | sort -rn |
            tail -n +$((${kind#*:} + 1)) | cut -d' ' -f2- | xargs -r rm -rf
    done
}

main() {
    local base node
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9 # one maker at a time, also of two runs
    sweep_work
    [ -n "$(find "$debs" -name 'stillpoint_*.deb' 2>/dev/null)" ] || { say "no package in $debs: make deb"; return 1; }
    base=$cache/base-$(hash_of "$here"/{base,inside,first_boot}.sh "$here"/guest/* "$here/runner.c")
    node=$cache/node-$(hash_of <(echo "$base") "$here/root.sh" "$debs"/*.deb)
    if [ ! -d "$base" ]; then
        work=$cache/work.$$
        mkdir -p "$work"
        make_base "$base"
    fi
    if [ ! -d "$node" ]; then
        work=$cache/work.$$
        mkdir -p "$work"
        make_node "$base" "$node"
    fi
    touch "$base" "$node"
    forget_old
    echo "$node"
}
main "$@"
exit
