#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The man pages as pages: groff and mandoc find no fault, each page of ours that anything names is there,
# stillpoint(8) has each unit, and no other. The hooks of stillpoint-hooks(7) are judged as scripts, and the
# first of them is run through the phases.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

failed=0
no() {
    echo "$*"
    failed=1
}

for tool in man mandoc shellcheck; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: tests/packages.sh"; exit 1; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/stillpoint-pages.XXXXXX")
trap 'rm -rf "$work"' EXIT

plain() { sed -e 's/\\-/-/g' -e 's/\\f[BIRP]//g' -e 's/\\&//g' "$@"; }

for page in packaging/man/*.[1-9]; do
    said=$(MANROFFSEQ='' LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -E UTF-8 -l "$page" 2>&1 >/dev/null)
    [ -z "$said" ] || no "$page: man: $said"
    mandoc -T lint -W warning "$page" >"$work/said" 2>&1 || no "$page: $(cat "$work/said")"
    name=$(basename "${page%.*}") section=${page##*.}
    awk -v n="${name^^}" -v s="$section" '/^\.TH / { gsub(/\\-/, "-"); ok = $2 == n && $3 == s } END { exit !ok }' \
        "$page" || no "$page: .TH is not $name's of section $section"
done

# ".BR stillpoint\-hook (8)" and "stillpoint-hook(8)".
while IFS=: read -r page reference; do
    name=${reference%% (*} section=${reference##*(}
    [ -e "packaging/man/$name.${section%)}" ] || no "$page: names $reference, which is not there"
done < <(for page in packaging/man/*.[1-9]; do
    plain "$page" | grep -oE '\bstillpoint[a-z.-]* ?\([0-9]\)' | sed "s,^,$page:,; s/\([a-z]\)(/\1 (/"
done | sort -u)
# And wherever else a page is named.
while IFS=: read -r file reference; do
    name=${reference%%(*} section=${reference##*(}
    [ -e "packaging/man/$name.${section%)}" ] || no "$file: names $reference, which is not there"
done < <(git grep -oE '\bstillpoint[a-z.-]*\([0-9]\)' -- . ':!packaging/man' ':!tests/lint' | sort -u)

units=$(find packaging/systemd -maxdepth 1 -type f -printf '%f\n' | sort)
named=$(plain packaging/man/stillpoint.8 | awk '/^\.SH / { on = /UNITS/ } on' |
    grep -oE 'stillpoint[a-z-]*(@[a-z]*)?\.(service|timer|socket)' | sed 's/@[a-z]*/@/' | sort -u)
[ "$units" = "$named" ] || no "stillpoint(8), UNITS: $(diff <(echo "$named") <(echo "$units"))"

# --- the examples of hooks -----------------------------------------------------------------------
plain packaging/man/stillpoint-hooks.7 | awk -v to="$work/hook" '
    /^\.EX/ { on = ++n; next } /^\.EE/ { on = 0 } on { print > (to "-" n) }'
for hook in "$work"/hook-[1-9]; do
    shellcheck -s sh "$hook" || no "stillpoint-hooks(7): ${hook##*-}. example"
done

mkdir "$work/bin"
cat >"$work/bin/systemctl" <<SH
#!/bin/sh
echo "\$*" >>"$work/asked"
[ "\$1" != thaw ] || [ ! -e "$work/ended" ] || exit 1
[ "\$1" != is-active ] || [ ! -e "$work/ended" ] || exit 3
SH
printf '#!/bin/sh\n' >"$work/bin/sync"
chmod 755 "$work/bin/"* "$work/hook-1"
hook() { # PHASE: with the environment that a hook has
    env -i PATH="$work/bin:/usr/bin:/bin" STILLPOINT_ID=sp-1 STILLPOINT_OUTCOME=complete "$work/hook-1" "$1"
}
for phase in prepare hold release release finish; do
    hook "$phase" >"$work/said" 2>&1 || no "the example of stillpoint-hooks(7): $phase: $(cat "$work/said")"
done
want=$'is-active --quiet search.service\nfreeze search.service\nthaw search.service\nthaw search.service'
[ "$(cat "$work/asked")" = "$want" ] || no "the example of stillpoint-hooks(7) asked systemd for: $(cat "$work/asked")"
: >"$work/ended"
hook release || no "the example of stillpoint-hooks(7): release of a service that has ended fails"
! hook prepare || no "the example of stillpoint-hooks(7): prepare of a service that has ended is well"
exit $failed
