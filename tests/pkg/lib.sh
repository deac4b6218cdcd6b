# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What the tests of the packages share. Sourced, in the repository's root.

PACKAGES_DIR=$(pwd)/build/packages
VERSION=$(sed -n 's/^VERSION := //p' Makefile)
# shellcheck disable=SC2034 # for those who source this
PREVIOUS=$VERSION~previous # sorts before it, for dpkg and for rpm

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

skip() {
    echo "$*"
    exit 77
}

# grep -q that reads to the end: with pipefail a writer that loses its reader is a failure.
has() { grep "$@" >/dev/null; }

need() {
    local tool
    for tool in "$@"; do command -v "$tool" >/dev/null || skip "no $tool: tests/packages.sh installs it"; done
}

# shellcheck source=tests/lab/leave_labs.sh
. tests/lab/leave_labs.sh

# own_mounts "$@": the script goes on, from its beginning, in a mount namespace of its own.
own_mounts() {
    [ "$(id -u)" = 0 ] || skip "needs root, for a mount namespace"
    [ "${1-}" = inside ] || exec unshare --mount bash "$0" inside
    mount --make-rprivate /
    leave_labs
}

# packages_built deb|rpm [VERSION]: says where they are, built of the sources as they stand.
packages_built() {
    local kind=$1 version=${2:-$VERSION} out lock
    out=$PACKAGES_DIR/$kind-$version
    mkdir -p "$PACKAGES_DIR"
    exec {lock}>"$out.lock"
    flock "$lock" # one builder at a time, also of two test runs
    if [ ! -e "$out/done" ] || [ -n "$(find Makefile README.md agent aws hooks conf.d packaging \
        -newer "$out/done" -print -quit)" ]; then
        rm -rf "$out"
        : >"$out.begun" # what changes from now on is not in it
        OUT=$out PKG_VERSION=$version bash "packaging/build-$kind.sh" >"$out.said" 2>&1 || {
            cat "$out.said" >&2
            fail "make $kind does not build"
        }
        touch -r "$out.begun" "$out/done"
    fi
    exec {lock}>&-
    echo "$out"
}

# tree_made: the archive of a Debian with all that our packages need and nothing of ours.
tree_made() {
    local suite=${1:-bookworm} include=$2 tar mirror lock
    tar=$PACKAGES_DIR/$suite.tar
    mkdir -p "$PACKAGES_DIR"
    exec {lock}>"$tar.lock"
    flock "$lock"
    if [ "$(cat "$tar.packages" 2>/dev/null)" != "$include" ]; then
        # shellcheck source=tests/servers/lib.sh
        . tests/servers/lib.sh
        mirror=$(servers_mirror)
        [ -n "$mirror" ] || skip "apt has no mirror"
        again_if_quick timeout 600 mmdebstrap --quiet --variant=apt --include="$include" \
            --aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$tar" "$mirror" >"$tar.log" 2>&1 ||
            skip "no $suite could be had: $(grep -m 1 '^E:' "$tar.log")"
        echo "$include" >"$tar.packages"
    fi
    exec {lock}>&-
    echo "$tar"
}

# in_tree TREE COMMAND...: there, with its own /proc, /run and processes. What hangs is killed with it.
in_tree() {
    local tree=$1
    shift
    # shellcheck disable=SC2016 # the inner shell expands these
    unshare --mount --pid --fork --kill-child bash -c '
        mount --make-rprivate / && leave_labs && mount -t proc proc "$0/proc" && mount -t tmpfs run "$0/run" || exit 125
        cd / && exec chroot "$0" env -i HOME=/root TERM=dumb LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"' "$tree" "$@" </dev/null
}
