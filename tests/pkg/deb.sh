#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# timeout: 900
# The Debian packages: lintian finds nothing, all of `make install` is in them at its place, each setting
# is a conffile, and what they depend on is what is linked.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/pkg/lib.sh
. tests/pkg/lib.sh
need dpkg-buildpackage lintian dh

out=$(packages_built deb)
work=$(mktemp -d "${TMPDIR:-/tmp}/stillpoint-deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
ours=("$out"/stillpoint_*.deb) kaltura=("$out"/stillpoint-kaltura_*.deb) symbols=("$out"/stillpoint-dbgsym_*.deb)

said=$(lintian --allow-root --display-info --pedantic "$out"/*.changes 2>&1) || fail "lintian: $said"
[ -z "$said" ] || fail "lintian: $said"

# The version that packaging/debian/changelog names is the program's.
[ "$(dpkg-deb -f "${ours[0]}" Version)" = "$VERSION" ] || fail "not of version $VERSION"
grep -q "^stillpoint ($VERSION)" packaging/debian/changelog || fail "debian/changelog is of another version"
grep -q "^Version: *$VERSION$" packaging/rpm/stillpoint.spec || fail "stillpoint.spec is of another version"

files() { dpkg-deb -c "$1" | awk '$1 !~ /^d/ { sub(/^\.\//, "", $6); print $6 }' | sort; }
# -o all: what was built for the tests, not anew for /usr.
make -s --no-print-directory -o all B="${BUILD:-build/plain}" DESTDIR="$work/tree" PREFIX=/usr HOOKS=apt \
    UNITDIR="$(pkg-config --variable=systemdsystemunitdir systemd)" ZSHDIR=/usr/share/zsh/vendor-completions \
    install install-kaltura >/dev/null
(cd "$work/tree" && find . -type f | sed 's,^\./,,; /share\/man\//s/$/.gz/') | sort >"$work/installed"
{ files "${ours[0]}"; files "${kaltura[0]}"; } | grep -v -e '^usr/share/doc/' -e '^usr/share/lintian/' |
    sort >"$work/packaged"
diff "$work/installed" "$work/packaged" || fail "make install and the packages differ (<, >)"
for file in usr/bin/stillpoint usr/libexec/stillpoint/stillpoint-guard usr/share/man/man8/stillpoint.8.gz \
    usr/lib/sysusers.d/stillpoint.conf usr/share/bash-completion/completions/stillpoint \
    usr/share/stillpoint/ssm/README.md; do
    grep -qx "$file" "$work/packaged" || fail "$file is missing"
done
files "${symbols[0]}" | has '\.debug$' || fail "no debug symbols"

dpkg-deb -e "${ours[0]}" "$work/control"
dpkg-deb -e "${kaltura[0]}" "$work/kaltura"
(cd "$work/tree" && find etc -type f | sed 's,^,/,') | sort >"$work/etc"
sort "$work/control/conffiles" "$work/kaltura/conffiles" | diff - "$work/etc" || fail "not each file of /etc is a conffile"

depends=$(dpkg-deb -f "${ours[0]}" Depends)
for package in libc6 libcurl4 libexpat1 libinih1 libjansson4 libmariadb3 libssl3 libuv1 ca-certificates systemd; do
    grep -qE "(^|, )$package( |,|$)" <<<"$depends" || fail "does not depend on $package: $depends"
done
dpkg-deb -f "${ours[0]}" Recommends | has -w stillpoint-kaltura || fail "does not recommend stillpoint-kaltura"
# Nothing of the place where it was built.
! grep -rqa "$PACKAGES_DIR" "$work/control" || fail "the scripts name the build's folder"
dpkg-deb -x "${ours[0]}" "$work/unpacked"
before=$(packages_built deb "$PREVIOUS")
dpkg-deb -x "$before"/stillpoint_*.deb "$work/before"
has -F "$PREVIOUS" < <("$work/before/usr/bin/stillpoint" --version) || fail "PKG_VERSION is not the program's version"
! grep -rqaF "$PACKAGES_DIR" "$work/unpacked" || fail "the programs name the build's folder"
