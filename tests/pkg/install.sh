#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# `make install` with another PREFIX: the units and the package managers' hooks run the programs where they
# were put, files of others beside them stay as they are, and a path that would be taken apart is refused.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/pkg/lib.sh
. tests/pkg/lib.sh
unset MAKEFLAGS MFLAGS MAKELEVEL PREFIX DESTDIR
work=$(mktemp -d "${TMPDIR:-/tmp}/stillpoint-install.XXXXXX") # a name with /stillpoint in it, on purpose
trap 'rm -rf "$work"' EXIT

installs() { # NAME=VALUE...: what was built for the tests (-o all)
    make -s --no-print-directory -o all B="${BUILD:-build/plain}" HOOKS='apt dnf' PYSITE=/usr/lib/python3/site "$@" \
        install install-kaltura >"$work/said" 2>&1
}

for prefix in /usr /usr/local /opt/still; do
    root=$work$prefix-root
    units=$root$prefix/lib/systemd/system
    mkdir -p "$units/stillpointd.service.d"
    printf '[Service]\nExecStart=/usr/bin/other /usr/bin/stillpoint\n' |
        tee "$units/other.service" "$units/stillpoint-other.service" >"$units/stillpointd.service.d/site.conf"
    for name in upgrade kaltura; do install -D /dev/null "$root/etc/stillpoint/conf.d/$name.conf"; done
    installs DESTDIR="$root" PREFIX=$prefix || fail "PREFIX=$prefix: $(cat "$work/said")"

    for file in other.service stillpoint-other.service stillpointd.service.d/site.conf; do
        grep -qx 'ExecStart=/usr/bin/other /usr/bin/stillpoint' "$units/$file" ||
            fail "PREFIX=$prefix: $file was changed"
        rm "$units/$file"
    done
    for name in upgrade kaltura; do
        [ ! -s "$root/etc/stillpoint/conf.d/$name.conf" ] || fail "PREFIX=$prefix: $name.conf is not as it was"
    done
    [ -s "$root/etc/stillpoint/conf.d/backup.conf" ] || fail "PREFIX=$prefix: no backup.conf"
    hooks=("$root/etc/apt/apt.conf.d/80stillpoint" "$root/usr/lib/python3/site/dnf-plugins/stillpoint.py")
    for file in "${hooks[@]}" "$units"/*.service; do
        programs=$(grep -oE '/[a-z/]+/(bin|sbin|libexec)/stillpoint[a-z/-]*' "$file" | sort -u) ||
            fail "PREFIX=$prefix: ${file##*/} runs nothing"
        for program in $programs; do
            [[ $program = "$prefix"/* && -x $root$program ]] || fail "PREFIX=$prefix: ${file##*/} runs $program"
        done
    done
    grep -q '"/usr/bin/test ' "${hooks[0]}" || fail "PREFIX=$prefix: test(1) is not stillpoint's"
done

refused() { # NAME VALUE
    ! installs DESTDIR="$work/none" "$1=$2" || fail "$1='$2' is installed to"
    grep -qF "$1=\"$2\": " "$work/said" || fail "$1='$2': it is not said why: $(cat "$work/said")"
}
for name in DESTDIR PREFIX KALTURA_DESTDIR; do
    for value in "$work/i 2" "$work/i " "$work/i;id" "$work/i'2" "$work/i&2"; do refused $name "$value"; done
done
for value in '' usr ./usr; do refused PREFIX "$value"; done
left=$(find "$work" -maxdepth 1 -name 'i*' -o -maxdepth 1 -name none)
[ -z "$left" ] || fail "refused, and written: $left"
