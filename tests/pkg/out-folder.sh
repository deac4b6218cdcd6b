#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What `make deb` and `make rpm` are told: a folder of somebody's is never emptied, one that they made is;
# what is no version is refused before anything is done.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/pkg/lib.sh
. tests/pkg/lib.sh
work=$(mktemp -d "${TMPDIR:-/tmp}/stillpoint-out.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/precious" "$work/empty"
echo x >"$work/precious/important"

refuses() { # WHAT KIND NAME=VALUE...
    local what=$1 kind=$2 code=0
    shift 2
    env "$@" timeout 5 bash "packaging/build-$kind.sh" >"$work/said" 2>&1 || code=$?
    [ $code = 2 ] || fail "build-$kind.sh, $what: exit $code: $(cat "$work/said")"
}
for kind in deb rpm; do
    refuses "somebody's folder" $kind OUT="$work/precious"
    grep -q 'OUT=' "$work/said" || fail "build-$kind.sh: no remedy: $(cat "$work/said")"
    [ "$(ls -A "$work/precious")" = important ] || fail "build-$kind.sh emptied somebody's folder"
    for version in 1/2 0.1-1 v1 '1 2'; do
        refuses "PKG_VERSION=$version" $kind OUT="$work/none" PKG_VERSION="$version"
        grep -q 'PKG_VERSION' "$work/said" || fail "build-$kind.sh, $version: $(cat "$work/said")"
    done
    [ ! -e "$work/none" ] || fail "build-$kind.sh made its folder and refused"
done

for folder in empty new new; do
    OUT=x bash -c '. packaging/build-lib.sh; empty_folder "$1"' - "$work/$folder" || fail "$folder is refused"
    [ "$(ls "$work/$folder")" = '' ] || fail "$folder is not empty"
    touch "$work/$folder/of-a-build"
done
