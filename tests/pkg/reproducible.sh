#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# timeout: 900
# The same sources give the same packages, byte by byte, also where they lie in another folder, of another
# length, with another umask, user environment and time of the files.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/pkg/lib.sh
. tests/pkg/lib.sh
# shellcheck source=packaging/build-lib.sh
. packaging/build-lib.sh
need dpkg-buildpackage rpmbuild

work=$(mktemp -d "${TMPDIR:-/tmp}/stillpoint-again.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/another/and longer"
copy_sources "$work/another/and longer/place"
find "$work/another" -type f -exec touch -d '2026-11-01 12:00:00' {} +

for kind in deb rpm; do
    out=$(packages_built $kind)
    (
        umask 077
        cd "$work/another/and longer/place"
        env TZ=Pacific/Auckland LC_ALL=C USER=somebody HOME="$work" SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
            OUT="$work/$kind" bash packaging/build-$kind.sh >"$work/said" 2>&1 || { cat "$work/said"; exit 1; }
    ) || fail "$kind: does not build in another folder"
    for package in "$out"/*."$kind"; do
        cmp "$package" "$work/$kind/${package##*/}" || fail "${package##*/} differs"
    done
done
