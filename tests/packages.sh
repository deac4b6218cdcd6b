#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The one place that lists what the build, the lab and the tests need from the system. Installs
# what is missing, and nothing at all where nothing is (which then takes well under a second).
#
#   tests/packages.sh           install what is missing
#   tests/packages.sh bench     that, and what only the peers in `make bench` need
#   tests/packages.sh --list    print the Debian names, one a line, and stop
#
# No package in the list starts a service: of MariaDB it is the programs alone (-core), the lab
# starts its own server. SKIP_SETUP=1 skips everything (another distribution, an image of one's own).
set -euo pipefail
cd "$(dirname "$0")/.."

build=(gcc libc6-dev make pkg-config libuv1-dev libjansson-dev libexpat1-dev libcurl4-openssl-dev
    libssl-dev libmariadb-dev libinih-dev libcmocka-dev)
lint=(clang libclang-rt-dev clang-tidy clang-format cppcheck shellcheck git man-db mandoc systemd)
# mariadb-client for mariadb-binlog, dosfstools for /boot/efi's vfat, mmdebstrap and the keyring for
# the other servers' trees.
# strace fails the guard's system calls. lvm2 is for its metadata alone: nothing is activated.
# fdisk has sfdisk, for a partitioned volume. Completion is asked for in both shells.
lab=(strace mariadb-server-core mariadb-client-core mariadb-client xfsprogs e2fsprogs btrfs-progs
    dnf createrepo-c rpm dosfstools lvm2 qemu-system-x86 fdisk util-linux mount procps time openssl ca-certificates mmdebstrap
    debian-archive-keyring python3 python3-venv bash-completion zsh)
# make deb and make rpm, and what judges what they make. dpkg-dev: dpkg-buildpackage; elfutils: rpm's debuginfo.
packaging=(debhelper dpkg-dev lintian rpm rpmlint debugedit elfutils)
packages=("${build[@]}" "${lint[@]}" "${lab[@]}" "${packaging[@]}")
modules=("moto[server]>=5.0" boto3)

say() { printf 'setup: %s\n' "$*" >&2; }

again() { # COMMAND...: what fetches, at most three times: a mirror's hiccup is over in a moment
    local pause
    for pause in 5 15; do
        ! "$@" || return 0
        say "that failed, once more in $pause s"
        sleep $pause
    done
    "$@"
}

case "${1:-}" in
--list)
    printf '%s\n' "${packages[@]}"
    exit 0
    ;;
bench) command -v aws >/dev/null || packages+=(awscli) ;;
'') ;;
*)
    say "unknown argument $1 (see the head of this file)"
    exit 2
    ;;
esac
[ -z "${SKIP_SETUP:-}" ] || exit 0

missing_packages() {
    dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null |
        awk -v wanted="${packages[*]}" '
            $2 == "installed" { have[$1] = 1 }
            END { n = split(wanted, want, " ")
                  for (i = 1; i <= n; i++) if (!(want[i] in have)) print want[i] }'
}

install_packages() { # the missing ones as arguments
    local sudo=()
    if ! command -v apt-get >/dev/null; then
        say "no apt-get here. Install what your system calls these, then set SKIP_SETUP=1: $*"
        return 1
    fi
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            say "not root and no sudo. As root: apt-get install $*"
            return 1
        fi
        sudo=(sudo)
    fi
    say "installing $*"
    local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q
        -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120)
    if ! again "${apt[@]}" update >&2; then
        say "apt-get update failed (no network?). Still missing: $*"
        return 1
    fi
    if ! again "${apt[@]}" install -y --no-install-recommends "$@" >&2; then
        say "apt-get could not install all of: $*"
        return 1
    fi
}

install_modules() { # an environment of our own: the system's Python is not ours to change
    say "making build/venv with ${modules[*]}"
    mkdir -p build
    rm -rf build/venv
    if ! python3 -m venv build/venv >&2 ||
        ! again build/venv/bin/pip install -q --retries 1 --disable-pip-version-check "${modules[@]}" >&2; then
        rm -rf build/venv
        say "could not install the Python modules (no network?): ${modules[*]}"
        return 1
    fi
}

have_modules() {
    # shellcheck source=tests/lab/python.sh
    . tests/lab/python.sh
    python3 - <<'PY' 2>/dev/null
import importlib.util as u, sys
sys.exit(any(u.find_spec(m) is None for m in ("moto", "boto3", "botocore", "flask", "werkzeug", "cryptography")))
PY
}

# Prometheus' package starts a service, and only its promtool is wanted: taken out of it.
have_promtool() {
    command -v promtool >/dev/null || [ -x build/promtool ]
}

fetch_promtool() {
    local work
    say "fetching promtool out of Debian's prometheus"
    work=$(mktemp -d)
    mkdir -p build
    if ! (cd "$work" && again apt-get -q download prometheus >&2) ||
        ! dpkg-deb -x "$work"/prometheus_*.deb "$work/tree" || ! mv "$work/tree/usr/bin/promtool" build/promtool; then
        rm -rf "$work"
        say "could not fetch the package prometheus (no network? then put promtool into PATH)"
        return 1
    fi
    rm -rf "$work"
}

missing=()
if command -v dpkg-query >/dev/null; then
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
else
    say "no dpkg here. Install what your system calls these, then set SKIP_SETUP=1: ${packages[*]}"
    exit 1
fi
have_promtool || fetch_promtool
have_modules || install_modules
