#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# `make deb`: the Debian packages into build/deb (OUT), out of a copy of the sources with packaging/debian
# as its debian/. The same sources give the same bytes, wherever they lie.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=packaging/build-lib.sh
. packaging/build-lib.sh

out=$(realpath -m "${OUT:-build/deb}")
[ -z "${PKG_VERSION:-}" ] || check_version "$PKG_VERSION"
empty_folder "$out"
copy_sources "$out/src"
cp -r packaging/debian "$out/src/debian"
cd "$out/src"
if [ -n "${PKG_VERSION:-}" ]; then
    sed -i "1s/(.*)/($PKG_VERSION)/" debian/changelog
    sed -i "s/^VERSION := .*/VERSION := $PKG_VERSION/" Makefile
fi

# DEB_BUILD_OPTIONS may name more; a package for which something is missing is told so by dpkg.
DEB_BUILD_OPTIONS="parallel=$(nproc) ${DEB_BUILD_OPTIONS:-}" DH_VERBOSE=${V:-} \
    dpkg-buildpackage --build=binary --no-sign --root-command= >"$out/build.log" 2>&1 || {
    tail -n 40 "$out/build.log"
    echo "deb: dpkg-buildpackage failed; all of it is in $out/build.log" >&2
    exit 1
}
cd "$out"
rm -rf src
printf '%s\n' "$out"/*.deb
