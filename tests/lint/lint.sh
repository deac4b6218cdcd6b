#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Everything that can be judged without running a test. `make lint` calls it when all is built.
#
#   BUILD=build/plain tests/lint/lint.sh [STEP...]     steps: those at the end of this file, in order
#
# Each step prints what it found and ok or FAIL; all run, and one that fails makes the exit code 1.
# A tool that is missing is a failure, never a step left out.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

BUILD=${BUILD:-build/plain}
export BUILD
jobs=${JOBS:-2}
failed=()

files() { # GLOB...: what git tracks, as it is in the work tree (a tarball, or no say: what is there)
    local glob args=()
    {
        git ls-files -- "$@" 2>/dev/null || {
            for glob in "$@"; do args+=(-o -path "./${glob#./}"); done
            find . -path ./build -prune -o -type f \( "${args[@]:1}" \) -print | sed 's,^\./,,'
        }
    } | while read -r file; do [ ! -f "$file" ] || echo "$file"; done | sort
}

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || { echo "$tool is missing: tests/packages.sh installs it"; return 1; }
    done
}

# What the compiler is told beside warnings: from the Makefile, so that there is one place.
compile_flags() {
    # shellcheck disable=SC2016 # make expands these
    make -s --no-print-directory --eval='lint-flags: ; @printf "%s\n" $(DEFS) $(PKGCFL)' lint-flags
}

step_tree() { # the top level is fixed
    local bad=0 name
    for name in $(files '*' | cut -d/ -f1 | sort -u); do
        case $name in
        Makefile | README.md | LICENSE | agent | hooks | aws | packaging | tests | conf.d | .*) ;;
        *)
            echo "$name does not belong at the top of the tree"
            bad=1
            ;;
        esac
    done
    for name in $(files '*.c' '*.h' '*.sh' '*.py'); do
        if ! head -n 3 "$name" | grep -q 'SPDX-License-Identifier: BSD-2-Clause'; then
            echo "$name does not begin with its licence line"
            bad=1
        fi
    done
    return $bad
}

step_format() {
    need clang-format || return
    files '*.c' '*.h' | xargs -r clang-format --dry-run -Werror
}

step_headers() { bash tests/lint/headers.sh; }

step_tidy() {
    need clang-tidy xargs || return
    local flags
    mapfile -t flags < <(compile_flags)
    # Its findings are on stdout; on stderr it says how many it held back, and what went wrong.
    if files '*.c' | grep -v '^agent/base/err.c$' | xargs -r -P "$jobs" -I '{}' clang-tidy --quiet '{}' \
        -- -std=c11 -I. "${flags[@]}" -include tests/lint/analyzer.h 2>"$tidy_noise" &&
        clang-tidy --quiet agent/base/err.c -- -std=c11 -I. "${flags[@]}" 2>"$tidy_noise"; then
        return 0
    fi
    grep -E 'error' "$tidy_noise"
    return 1
}

step_cppcheck() {
    need cppcheck || return
    # normalCheckLevelMaxBranches and missingIncludeSystem tell of cppcheck's own limits.
    # unknownMacro: a library's macros, whose headers it is not given.
    # constParameterCallback: signatures that uv, curl and expat give us.
    # memleak, resourceLeak: it does not know __attribute__((cleanup)); the leak sanitizer does.
    files '*.c' | xargs -r cppcheck --quiet --std=c11 -I. -D_GNU_SOURCE -j "$jobs" --inline-suppr \
        --enable=warning,performance,portability --error-exitcode=1 \
        --suppress=missingIncludeSystem --suppress=missingInclude --suppress=unknownMacro \
        --suppress=constParameterCallback --suppress=memleak --suppress=resourceLeak \
        --template='{file}:{line}: {id}: {message}'
}

step_shell() { # side by side: what each one sources is read again and again
    need shellcheck bash || return
    {
        files '*.sh' '*.bash' '.ci/*'
        files '*' | while read -r file; do
            if head -c 64 "$file" | head -n 1 | grep -aqE '^#!.*\b(ba)?sh\b'; then echo "$file"; fi
        done
    } | sort -u | xargs -r -P "$jobs" -n 12 shellcheck -x
}

step_python() { # syntax and warnings; the labs are judged by the tests that they carry
    need python3 || return
    files '*.py' | xargs -r python3 -W error -c '
import sys
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as stream:
        compile(stream.read(), name, "exec")'
}

step_frozen() { bash tests/lint/frozen-symbols.sh "$BUILD"; }
step_guard_libs() { bash tests/lint/guard-libs.sh "$BUILD"; }
step_no_points() { bash tests/lint/no-points.sh "$BUILD"; }
step_hazards() {
    # shellcheck source=tests/lab/python.sh
    . tests/lab/python.sh
    python3 tests/lint/hazards.py
}
step_man() {
    need mandoc man || return
    bash tests/lint/man-help.sh && bash tests/lint/man-pages.sh
}
step_completion() {
    need zsh || return
    bash tests/lint/completion.sh
}
step_monitoring() {
    need python3 || return
    bash tests/monitoring/check.sh
}
step_units() {
    need systemd-analyze || return
    bash tests/lint/units.sh "$BUILD"
}

work=$(mktemp -d "${TMPDIR:-/tmp}/stillpoint-lint.XXXXXX")
trap 'rm -rf "$work"' EXIT
tidy_noise=$work/tidy

[ -n "$(files '*.c')" ] || { echo "lint: no source found" >&2; exit 1; }
steps=(tree format headers shell python frozen guard_libs no_points hazards man completion units monitoring cppcheck tidy)
[ $# = 0 ] || steps=("$@")
for step in "${steps[@]}"; do
    declare -F "step_$step" >/dev/null || { echo "lint: no step named $step" >&2; exit 2; }
    if "step_$step" >"$work/out" 2>&1; then
        echo "ok   $step"
    else
        sed 's/^/     | /' "$work/out"
        echo "FAIL $step"
        failed+=("$step")
    fi
done

if [ ${#failed[@]} != 0 ]; then
    echo "lint: ${failed[*]} failed"
    exit 1
fi
echo "lint: nothing found"
