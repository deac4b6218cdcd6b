# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What building a deb and an rpm have in common. Sourced, in the repository's root.

# Not what the caller's make was told: the package's own flags count.
unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR PREFIX CFLAGS CPPFLAGS LDFLAGS
export LC_ALL=C.UTF-8 TZ=UTC
umask 022

in_git() { [ "$(git rev-parse --show-prefix 2>/dev/null || echo none)" = '' ]; }

# The last commit's time; without a repository the changelog's.
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$({ in_git && git log -1 --format=%ct; } ||
        date -d "$(sed -n 's/^ -- .*>  //p' packaging/debian/changelog | head -n 1)" +%s)
fi
export SOURCE_DATE_EPOCH

check_version() { # VERSION: what dpkg, rpm and the compiler's command line all take
    [[ $1 =~ ^[0-9][A-Za-z0-9.+~]*$ ]] || {
        echo "PKG_VERSION=$1 is no version for a package: a digit, then letters, digits, and . + ~" >&2
        exit 2
    }
}

# empty_folder FOLDER: there, and empty but for the mark that this made it. What others have in theirs stays:
# only without OUT it is ours by its place.
mark=.stillpoint-packages
empty_folder() {
    if [ -n "${OUT:-}" ] && [ -e "$1" ] && [ ! -e "$1/$mark" ] && [ -n "$(ls -A "$1")" ]; then
        echo "$1 is not empty, and not of an earlier build: empty it, or name another folder with OUT=" >&2
        exit 2
    fi
    rm -rf "$1"
    mkdir -p "$1"
    : >"$1/$mark"
}

copy_sources() { # FOLDER: the work tree as it is, without what git ignores
    mkdir -p "$1"
    if in_git; then
        git ls-files -z --cached --others --exclude-standard --deduplicate
    else
        find . -path ./build -prune -o -type f -print0
    fi | while IFS= read -r -d '' file; do
        [ ! -e "$file" ] || [ "${file##*/}" = $mark ] || printf '%s\0' "$file"
    done |
        tar -c --null -T - --mode=u+rw,go+rX,go-w --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 | tar -x -C "$1"
}
