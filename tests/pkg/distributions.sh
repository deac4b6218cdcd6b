#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# asked: yes
# timeout: 1500
# The Debian packages build on the oldest and the newest Debian that they are for, and install there: only
# `make check-packages` asks for this, since it fetches two releases.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/pkg/lib.sh
. tests/pkg/lib.sh
need mmdebstrap unshare
[ "$(id -u)" = 0 ] || skip "needs root, for a tree"
# shellcheck source=packaging/build-lib.sh
. packaging/build-lib.sh

needs=build-essential,debhelper,fakeroot,pkg-config,ca-certificates,systemd
needs+=,libcurl4-openssl-dev,libexpat1-dev,libinih-dev,libjansson-dev,libmariadb-dev,libssl-dev,libuv1-dev
for suite in bullseye trixie; do
    more=
    [ $suite = bullseye ] || more=,systemd-dev
    archive=$(tree_made $suite "$needs$more") || skip "$archive"
    tree=$(mktemp -d "$PACKAGES_DIR/$suite.XXXXXX")
    trap 'rm -rf --one-file-system "$tree"' EXIT
    tar -x -f "$archive" -C "$tree" --exclude='./dev/*'
    for node in null:3 zero:5 full:7 random:8 urandom:9; do
        mknod -m 666 "$tree/dev/${node%:*}" c 1 "${node#*:}"
    done
    copy_sources "$tree/srv/stillpoint"
    in_tree "$tree" sh -c 'cd /srv/stillpoint && bash packaging/build-deb.sh && dpkg -i build/deb/stillpoint_*.deb \
        build/deb/stillpoint-kaltura_*.deb && stillpoint --version && stillpoint config >/dev/null &&
        [ -L /etc/systemd/system/timers.target.wants/stillpoint-backup@nightly.timer ] &&
        dpkg -P stillpoint-kaltura stillpoint && [ ! -e /etc/stillpoint ]' >"$tree/said" 2>&1 ||
        fail "$suite: $(tail -n 40 "$tree/said")"
    echo "$suite: $(grep '^stillpoint [0-9]' "$tree/said")"
    rm -rf --one-file-system "$tree"
done
