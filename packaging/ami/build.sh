#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Installs Stillpoint into an image that is being built, and seals it: the last thing that is done in
# the build. As root, on the instance that the image is made of or in a chroot. EC2 is not asked for
# anything. component.yaml and stillpoint.pkr.hcl run this; what they leave out is "none":
#
#   STILLPOINT_PACKAGE     the package's name, or a .deb or .rpm: a path here, https://... or s3://...
#   STILLPOINT_REPOSITORY  the file that names its repository (.list, .sources or .repo), likewise
#   STILLPOINT_KEY         the key that a .list or .sources file signs with, likewise: it becomes
#                          /usr/share/keyrings/stillpoint.gpg (.asc where it is called so)
#   STILLPOINT_CONFIG      settings of these nodes, likewise: it becomes conf.d/50-image.conf
set -euo pipefail

package=${STILLPOINT_PACKAGE:-stillpoint}
repository=${STILLPOINT_REPOSITORY:-none}
key=${STILLPOINT_KEY:-none}
config=${STILLPOINT_CONFIG:-none}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    printf 'stillpoint: %s\n' "$*" >&2
    exit 1
}

fetch() { # FROM TO
    case $1 in
    https://*) curl --fail --silent --show-error --location --retry 3 --max-time 300 -o "$2" "$1" ;;
    s3://*) aws s3 cp --only-show-errors "$1" "$2" ;;
    /*) cp "$1" "$2" ;;
    *) fail "$1: neither a path nor https:// nor s3://" ;;
    esac || fail "$1 could not be had"
    chmod 644 "$2"
}

[ "$(id -u)" = 0 ] || fail "needs root"
if command -v apt-get >/dev/null; then
    manager=apt sources=/etc/apt/sources.list.d
elif command -v dnf >/dev/null; then
    manager=dnf sources=/etc/yum.repos.d
else
    fail "neither apt-get nor dnf is here"
fi

if [ "$key" != none ]; then
    case $key in *.asc) ring=stillpoint.asc ;; *) ring=stillpoint.gpg ;; esac
    mkdir -p /usr/share/keyrings
    fetch "$key" "/usr/share/keyrings/$ring"
fi
if [ "$repository" != none ]; then
    fetch "$repository" "$sources/stillpoint.${repository##*.}"
fi
case $package in
*.deb | *.rpm)
    fetch "$package" "$work/${package##*/}"
    package=$work/${package##*/}
    chmod 755 "$work" # apt reads it as a user of its own
    ;;
esac

if [ "$manager" = apt ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update
    apt-get -q -y -o DPkg::Lock::Timeout=300 install "$package"
else
    dnf -y install "$package"
fi

if [ "$config" != none ]; then
    fetch "$config" /etc/stillpoint/conf.d/50-image.conf
fi
stillpoint config --quiet

# As the package's preset has it, or one of the image's own in /etc/systemd/system-preset.
systemctl --root=/ preset stillpoint-guard.service stillpoint-hook.socket stillpointd.service \
    stillpoint-backup@nightly.timer

# On an instance the package has started them. They come with the image's first boot.
if [ -d /run/systemd/system ]; then
    systemctl stop 'stillpoint-*.timer' stillpointd.service stillpoint-hook.socket \
        stillpoint-guard.service
fi
stillpoint seal
