#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Each header compiles by itself, with both compilers, and each module includes its own header first.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

# shellcheck disable=SC2016 # make expands these
mapfile -t flags < <(make -s --no-print-directory \
    --eval='lint-flags: ; @printf "%s\n" $(DEFS) $(PKGCFL) $(WARN)' lint-flags)
failed=0 count=0

for compiler in gcc clang; do
    command -v "$compiler" >/dev/null || { echo "$compiler is missing: tests/packages.sh"; exit 1; }
done

mapfile -t headers < <(find agent hooks aws tests -name '*.h' | sort)
for header in "${headers[@]}"; do
    count=$((count + 1))
    for compiler in gcc clang; do
        # Not the header itself as the source: what is only declared in it would count as unused.
        if ! printf '#include "%s"\n' "$header" |
            "$compiler" -std=c11 -I. "${flags[@]}" -Werror -fsyntax-only -xc -; then
            echo "$header does not compile by itself ($compiler)"
            failed=1
        fi
    done
done

mapfile -t modules < <(find agent hooks aws -name '*.c' | sort)
for module in "${modules[@]}"; do
    own=${module%.c}.h
    [ -e "$own" ] || continue
    first=$(sed -n 's/^#include *//p' "$module" | head -n 1)
    if [ "$first" != "\"$own\"" ]; then
        echo "$module includes $first first, not its own header"
        failed=1
    fi
done

[ "$count" -gt 0 ] || { echo "no header found"; exit 1; }
exit $failed
