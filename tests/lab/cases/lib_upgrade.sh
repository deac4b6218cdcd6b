# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# A package manager of the lab's own on the lab's node; after lib.sh and start_cloud.
#
#   on_node COMMAND...           in a mount namespace where systemd seems to run, as on a node
#   sp_program                   makes $LAB/bin/stillpoint: with the lab's configuration, for hooks
#   start_apt [HOOK-FILE]        an apt whose status, lists and packages lie in $LAB/apt, with our hook
#   make_deb NAME VERSION [REMARK]  $LAB/apt/NAME_VERSION.deb, whose only file is below $LAB
#   apt_get ARGUMENT...          that apt, on the node
#   upgrade_conf LINE...         [upgrade] with these lines
#   reasons                      of all backups, one a line, the oldest first
need unshare

on_node() {
    # shellcheck disable=SC2016 # the inner shell's
    unshare --mount --propagation private bash -c \
        'mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec "$@"' - "$@"
}

sp_program() {
    mkdir -p "$LAB/bin"
    printf '#!/bin/sh\nexec %q --config %q "$@"\n' "$BUILD/stillpoint" "$LAB/stillpoint.conf" >"$LAB/bin/stillpoint"
    chmod 755 "$LAB/bin/stillpoint"
}

upgrade_conf() {
    mkdir -p "$LAB/conf.d"
    { echo '[upgrade]'; printf '%s\n' "$@"; } >"$LAB/conf.d/upgrade.conf"
}

start_apt() {
    need apt-get dpkg-deb
    local top=$LAB/apt
    mkdir -p "$top"/{conf,etc,state/lists/partial,cache/archives/partial,dpkg/{info,updates,triggers}} "$LAB/tree"
    : >"$top/dpkg/status"
    : >"$top/dpkg/available"
    sed "s,/usr/bin/stillpoint,$LAB/bin/stillpoint,g" "${1:-$TOP/packaging/apt/80stillpoint}" >"$top/conf/80stillpoint"
    cat >"$top/apt.conf" <<END
Dir::Etc::main "/dev/null";
Dir::Etc::parts "$top/conf";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$top/state";
Dir::State::status "$top/dpkg/status";
Dir::State::extended_states "$top/state/extended_states";
Dir::Cache "$top/cache";
Dir::Log "$top";
DPkg::Options { "--admindir=$top/dpkg"; "--log=$top/dpkg.log"; "--force-not-root"; };
DPkg::Use-Pty "false";
DPkg::Lock::Timeout "0";
APT::Sandbox::User "root";
Debug::NoLocking "true";
END
}

make_deb() {
    local name=$1 version=$2 tree=$LAB/apt/tree
    rm -rf "$tree"
    mkdir -p "$tree/DEBIAN" "$tree$LAB/tree"
    echo "$version" >"$tree$LAB/tree/$name"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: lab <lab@localhost>\nDescription: of the lab\n%s' \
        "$name" "$version" "${3:+$3$'\n'}" >"$tree/DEBIAN/control"
    dpkg-deb --root-owner-group -Znone --build "$tree" "$LAB/apt/${name}_$version.deb" >/dev/null || fail "dpkg-deb $name"
}

apt_get() { on_node env APT_CONFIG="$LAB/apt/apt.conf" apt-get -y --allow-downgrades "$@" </dev/null; }

reasons() { sp list --json | json "'\n'.join(b['reason'] for b in reversed(d))"; }
