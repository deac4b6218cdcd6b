#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# `make rpm`: the packages for this machine and the source package into build/rpm (OUT). The same sources
# give the same bytes, wherever they lie. For another distribution: rpmbuild --rebuild (or mock) with the
# source package there; here, on Debian, it is for tests.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=packaging/build-lib.sh
. packaging/build-lib.sh

out=$(realpath -m "${OUT:-build/rpm}")
version=${PKG_VERSION:-$(sed -n 's/^Version: *//p' packaging/rpm/stillpoint.spec)}
name=stillpoint-$version

check_version "$version"
empty_folder "$out"
mkdir -p "$out/top/SOURCES"
copy_sources "$out/top/$name"
sed -i "s/^VERSION := .*/VERSION := $version/" "$out/top/$name/Makefile"
sed "s/^Version:.*/Version:        $version/" packaging/rpm/stillpoint.spec >"$out/top/stillpoint.spec"
tar -C "$out/top" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 -c "$name" |
    gzip -9n >"$out/top/SOURCES/$name.tar.gz"

chmod 644 "$out/top/stillpoint.spec" "$out/top/SOURCES/$name.tar.gz"
touch -d "@$SOURCE_DATE_EPOCH" "$out/top/stillpoint.spec" "$out/top/SOURCES/$name.tar.gz"

# --nodeps: where dpkg has the libraries, rpm's database knows of none.
missing=()
! command -v dpkg >/dev/null || missing=(--nodeps)
run_rpmbuild() { # TOPDIR OPTION
    rpmbuild "$2" "${missing[@]}" --define "_topdir $1" --define '_buildhost stillpoint' \
        --define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' \
        "$out/top/stillpoint.spec"
}
# The source package has the spec in it as it was read, folders and all: there they are named from here.
if ! { run_rpmbuild "$out/top" -bb && cd "$out/top" && run_rpmbuild . -bs; } >"$out/build.log" 2>&1; then
    tail -n 40 "$out/build.log"
    echo "rpm: rpmbuild failed; all of it is in $out/build.log" >&2
    exit 1
fi
cd "$out"
find "$out/top/RPMS" "$out/top/SRPMS" -name '*.rpm' -exec mv -t "$out" {} +
rm -rf "$out/top"
printf '%s\n' "$out"/*.rpm
