#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What the spec file asks for on each distribution that it is for, by rpm's own reading of it.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/pkg/lib.sh
. tests/pkg/lib.sh
need rpmspec
spec=packaging/rpm/stillpoint.spec

builds_with() { # DEFINE [OPTION]
    rpmspec -q --buildrequires --define "$1" ${2:+"$2"} $spec 2>&1 | sort | tr '\n' ' '
}
every='gcc make pkgconfig(expat) pkgconfig(inih) pkgconfig(jansson) pkgconfig(libcrypto) pkgconfig(libcurl)'
expect() { # DEFINE OPTION EXPECTED
    local got
    got=$(builds_with "$1" "$2")
    [ "$got" = "$3 " ] || fail "$1 $2: expected
$3
got
$got"
}
expect 'rhel 8' '' "$every pkgconfig(libmariadb) pkgconfig(libuv) python3 systemd"
for system in 'rhel 9' 'rhel 10' 'amzn 2023'; do
    expect "$system" '' "$every pkgconfig(libmariadb) pkgconfig(libuv) python3 systemd-rpm-macros"
    expect "$system" --with=mysqlclient "$every pkgconfig(libuv) pkgconfig(mysqlclient) python3 systemd-rpm-macros"
done
said=$(rpmspec -q --define 'rhel 7' $spec 2>&1) && fail "RHEL 7 is taken"
grep -q 'RHEL 7 is not supported' <<<"$said" || fail "RHEL 7: $said"

for system in 'rhel 8' 'rhel 9' 'rhel 10' 'amzn 2023'; do
    requires=$(rpmspec -q --requires --define "$system" $spec | sort -u | tr '\n' ' ')
    for one in ca-certificates coreutils systemd "stillpoint = $VERSION-1"; do
        grep -qF "$one" <<<"$requires" || fail "$system: does not require $one: $requires"
    done
    # No scriptlet may end with an error of ours: rpm would take the whole transaction for failed.
    for script in pre post preun postun posttrans; do
        body=$(rpmspec -P --define "$system" $spec | awk -v s="%$script" '$0 == s { on = 1; next } /^%/ { on = 0 } on')
        [ -n "$body" ] || fail "$system: no %$script"
        grep -qE '\|\| :|^fi' <<<"$body" || fail "$system: %$script may fail"
        bash -n <<<"$body" || fail "$system: %$script is no shell"
    done
done
