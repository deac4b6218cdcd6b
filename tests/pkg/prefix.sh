#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What is compiled is of the PREFIX and VERSION that make is told now, not of those it was told before; and
# only what has them in it is compiled anew.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/pkg/lib.sh
. tests/pkg/lib.sh
unset MAKEFLAGS MFLAGS MAKELEVEL PREFIX
work=$(mktemp -d "${TMPDIR:-/tmp}/stillpoint-prefix.XXXXXX")
trap 'rm -rf "$work"' EXIT
build=$work/build
objects=("$build"/agent/cli/cli_thaw.o "$build"/agent/hookrun/hookrun_main.o "$build"/agent/base/clock.o)

compile() { make -s --no-print-directory -j2 B="$build" CFLAGS=-O0 "$@" "${objects[@]}" >/dev/null; }
since() { # what was compiled since the last call
    find "$build" -name '*.o' -newer "$work/mark" -printf '%f\n' | sort | xargs
    touch "$work/mark"
}
contains() { grep -qaF "$2" "$build/agent/$1.o" || fail "$1.o has no $2"; }

touch -d '1 minute ago' "$work/mark"
compile
[ "$(since)" = 'cli_thaw.o clock.o hookrun_main.o' ] || fail "the first make compiles not all of it"
contains cli/cli_thaw /usr/local/libexec/stillpoint
contains hookrun/hookrun_main "$VERSION"
compile
compiled=$(since)
[ -z "$compiled" ] || fail "the same again compiles $compiled"
make -q --no-print-directory B="$build" CFLAGS=-O0 "${objects[@]}" || fail "the same again has something to do"

for told in PREFIX=/usr PREFIX=/opt/still VERSION=9.8.7; do
    compile "$told"
    [ "$(since)" = 'cli_thaw.o hookrun_main.o' ] || fail "$told does not compile what has it in it, and that alone"
    case $told in
    PREFIX=*) contains cli/cli_thaw "${told#*=}/libexec/stillpoint" ;;
    VERSION=*) contains hookrun/hookrun_main "${told#*=}" ;;
    esac
    compile "$told"
    compiled=$(since)
    [ -z "$compiled" ] || fail "$told again compiles $compiled"
done
