#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds every tests/fuzz/fuzz_NAME.c with clang's libFuzzer, ASan and UBSan (the project's sources
# with them, in build/fuzz) and lets each run for SECONDS_EACH seconds (60), one on each core (JOBS).
# BUILD_ONLY=1 ends before that.
#
#   SECONDS_EACH=60 tests/fuzz/fuzz.sh [NAME...]
#
# What is found goes on in build/fuzz/corpus/NAME and is the start of the next run; to keep some of
# it, merge it into tests/fuzz/corpus/NAME. A crash ends the run with the reproducer's path.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${SECONDS_EACH:-60}
B=build/fuzz

for tool in clang make; do
    command -v "$tool" >/dev/null || { echo "fuzz: $tool is missing: tests/packages.sh" >&2; exit 1; }
done

targets=()
for source in tests/fuzz/fuzz_*.c; do
    [ -e "$source" ] || { echo "fuzz: there is no target" >&2; exit 1; }
    name=${source##*/fuzz_}
    name=${name%.c}
    if [ $# = 0 ] || [[ " $* " == *" $name "* ]]; then targets+=("$name"); fi
done
[ ${#targets[@]} -gt 0 ] || { echo "fuzz: no target of that name: $*" >&2; exit 2; }

# The same objects as any sanitizer build, with the fuzzer's counters in them; the link adds its main.
flags="-O1 -g -fsanitize=fuzzer-no-link"
make --no-print-directory -j"${JOBS:-2}" B="$B" CC=clang SANITIZE=address,undefined CFLAGS="$flags" \
    LDFLAGS="-fsanitize=fuzzer" "${targets[@]/#/$B/fuzzer/fuzz_}"

[ -z "${BUILD_ONLY:-}" ] || exit 0

fuzz_one() { # NAME: what is found goes to stdout
    local name=$1 found=$B/corpus/$1 crashes=$B/crashes/$1 dictionary=()
    mkdir -p "$found" "$crashes"
    echo "== $name, $seconds s"
    [ ! -e "tests/fuzz/$name.dict" ] || dictionary=(-dict="tests/fuzz/$name.dict")
    if ! "$B/fuzzer/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
        -artifact_prefix="$crashes/" -print_final_stats=1 "${dictionary[@]}" \
        "$found" "tests/fuzz/corpus/$name" >"$B/$name.log" 2>&1; then
        tail -n 60 "$B/$name.log"
        echo "fuzz: $name failed. The input: $(find "$crashes" -type f -newer "$B/fuzzer/fuzz_$name" |
            tail -n 1)  The log: $B/$name.log"
        return 1
    fi
    sed -n 's/^stat::number_of_executed_units: */   executions /p
            s/^stat::average_exec_per_sec: */   a second   /p' "$B/$name.log"
    grep -oE 'cov: [0-9]+ ft: [0-9]+' "$B/$name.log" | tail -n 1 | sed 's/^/   /'
}

# One a core. After the first that fails no other begins.
cores=$(nproc) failed=0 running=0
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
reap() {
    local name status=0
    wait -n -p pid || status=$?
    running=$((running - 1))
    name=${names[$pid]}
    cat "$B/$name.said"
    [ "$status" = 0 ] || failed=1
}
declare -A names=()
for name in "${targets[@]}"; do
    [ "$running" -lt "${JOBS:-$cores}" ] || reap
    [ "$failed" = 0 ] || break
    fuzz_one "$name" >"$B/$name.said" 2>&1 &
    names[$!]=$name
    running=$((running + 1))
done
while [ "$running" -gt 0 ]; do reap; done
[ "$failed" = 0 ] || exit 1
echo "fuzz: ${#targets[@]} targets ran for $seconds s each, nothing found"
