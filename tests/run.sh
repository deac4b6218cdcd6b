#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs the tests and counts them. `make check` and its parts call it when everything is built.
#
#   BUILD=build/plain tests/run.sh GROUP...     all, or of: unit guard corpus lab whole servers sample
#                                               faults thread packages vm
#
# unit     build/…/tests/unit/test_*: cmocka, one test counted for each that the binary has
# guard    build/…/tests/guard/test_* the same way, and tests/guard/*.sh
# corpus   build/…/tests/fuzz/fuzz_*: every fuzz target once over its corpus
# lab      tests/lab/cases/*.sh: exit 0 passed, 77 skipped (the last line says why), else failed
# whole    those of them that say `# whole: yes`: they take long, so `all` leaves them out
# packages tests/pkg/*.sh, as lab; `all` has those without `# whole: yes` or `# asked: yes`, and `whole` the
#          former; the latter fetch other releases of Debian
# servers  tests/servers/run.sh: lines "ok …", "not ok …", "skip …"; tests/servers/consistency.sh,
#          as lab
# faults   tests/faults/arguments.sh and selftest.sh, as lab, and the whole matrix (matrix.sh), as lines;
#          `all` has a sample of it (sample.sh) and 40 random kills (soak.sh); both say their seed
# vm       tests/vm/cases/*.sh, two at a time; `all` has the first only
# thread   what a build with SANITIZE=thread can judge: the unit tests (the guard forks and has no
#          threads) and the cases that say `# thread: yes`. `all` means this in such a build.
#
# A script may say in its first lines `# alone: yes` (runs when nothing else does: it measures time)
# and `# timeout: SECONDS` (300 otherwise, 1200 where a line is a test). JOBS (4) run side by side, since
# labs mostly wait; of the binaries at most two begin beside others, and the scripts while the last of
# these end.
# ONLY='*glob*' picks by name.
# Output is shown of what failed, at most 60 lines. The last line is `N passed, N failed`, with
# `, N skipped` where there were some; the exit code is 1 if anything failed or nothing ran.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
# shellcheck source=tests/lab/python.sh
. tests/lab/python.sh

BUILD=$(realpath -m "${BUILD:-build/plain}")
export BUILD
jobs_max=${JOBS:-4}
case_seconds=300
grace_seconds=30 # for what a case has to take down
passed=0 failed=0 skipped=0
work=$(mktemp -d "${TMPDIR:-/tmp}/stillpoint-run.XXXXXX")
declare -A running=() # pid -> "number kind name started"
stopping=

export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-second_deadlock_stack=1:suppressions=$PWD/tests/lint/tsan.supp}"

# timeout(1) hands the signal on to the test's whole process group and kills what stays.
# shellcheck disable=SC2317 # the traps call it
stop() {
    stopping=$1
    cat "$work"/*.pid 2>/dev/null | xargs -r kill -TERM 2>/dev/null
    wait
    rm -rf "$work"
    trap - "$1"
    kill "-$1" $$
}
trap 'stop INT' INT
trap 'stop TERM' TERM
trap 'stop HUP' HUP
trap '[ -n "$stopping" ] || rm -rf "$work"' EXIT

says() { # FILE KEY: what `# KEY: value` in its first lines says
    sed -n "1,20s/^# $2: *//p" "$1" | head -n 1
}

# --- what there is to run ---------------------------------------------------------------------
queue=() queue_programs=() queue_alone=()

add() { # KIND FILE
    # shellcheck disable=SC2053 # ONLY is a pattern
    if [ -n "${ONLY:-}" ] && [[ $2 != $ONLY ]]; then
        return
    fi
    if [ "$1" != cmocka ] && [ "$(says "$2" alone)" = yes ]; then
        queue_alone+=("$1 $2")
    elif [ "$1" = cmocka ]; then
        queue_programs+=("$1 $2")
    else
        queue+=("$1 $2")
    fi
}

add_binaries() { # DIRECTORY PREFIX: from the sources, so that one which was not built is missed
    local source
    for source in tests/"$1"/"$2"_*.c; do
        [ -e "$source" ] && add cmocka "$BUILD/${source%.c}"
    done
}

add_scripts() { # DIRECTORY
    local script
    for script in "$1"/*.sh; do
        case ${script##*/} in
        lib*.sh | '*.sh') ;;
        *) add shell "$script" ;;
        esac
    done
}

add_cases() { # FOLDER WHOLE: those whose `# whole:` says so
    local script
    for script in "$1"/*.sh; do
        case ${script##*/} in
        lib*.sh | '*.sh') ;;
        *) [ "$(says "$script" whole)$(says "$script" asked | sed s,yes,asked,)" != "$2" ] || add shell "$script" ;;
        esac
    done
}

add_group() {
    local script
    case $1 in
    unit) add_binaries unit test ;;
    guard)
        add_binaries guard test
        add_scripts tests/guard
        ;;
    corpus) add_binaries fuzz fuzz ;;
    lab) add_scripts tests/lab/cases ;;
    short) for script in tests/lab/cases tests/pkg; do add_cases "$script" ''; done ;;
    whole) for script in tests/lab/cases tests/pkg; do add_cases "$script" yes; done ;;
    packages) add_scripts tests/pkg ;;
    servers)
        [ ! -e tests/servers/run.sh ] || add lines tests/servers/run.sh
        [ ! -e tests/servers/consistency.sh ] || add shell tests/servers/consistency.sh
        ;;
    faults)
        add shell tests/faults/arguments.sh
        add shell tests/faults/selftest.sh
        add lines tests/faults/matrix.sh
        ;;
    sample)
        add lines tests/faults/soak.sh
        add lines tests/faults/sample.sh
        ;;
    vm)
        add_scripts tests/vm/cases
        [ "$jobs_max" -le 2 ] || jobs_max=2 # an emulated machine keeps a core busy
        ;;
    vm-first) for script in tests/vm/cases/1-*.sh; do add shell "$script"; done ;;
    thread)
        add_binaries unit test
        for script in tests/lab/cases/*.sh; do
            [ -e "$script" ] && [ "$(says "$script" thread)" = yes ] && add shell "$script"
        done
        ;;
    all)
        case $BUILD in
        */thread) add_group thread ;;
        */plain) for script in servers unit guard corpus short sample vm-first; do add_group "$script"; done ;;
        *) for script in servers unit guard corpus short; do add_group "$script"; done ;;
        esac
        ;;
    *)
        echo "tests/run.sh: no group named $1 (see the head of this file)" >&2
        exit 2
        ;;
    esac
}

# --- running one ------------------------------------------------------------------------------
number=0

start() { # KIND FILE
    local kind=$1 file=$2 seconds=$case_seconds log
    local run=("$file")
    number=$((number + 1))
    log=$work/$number.log
    case $kind in
    shell)
        run=(bash "$file")
        seconds=$(says "$file" timeout)
        ;;
    lines)
        run=(bash "$file")
        seconds=$(says "$file" timeout)
        seconds=${seconds:-1200}
        ;;
    esac
    # A shell without job control makes its children ignore SIGINT: the tests get it as a user has it.
    # The subshell stands between, since bash loses a job that died of a signal (and reports it).
    # shellcheck disable=SC2016 # the inner shell expands these
    (
        env --default-signal=INT,QUIT CMOCKA_MESSAGE_OUTPUT=TAP \
            sh -c 'echo $$ >"$0" && exec timeout "$@"' "$work/$number.pid" \
            -k "$grace_seconds" "${seconds:-$case_seconds}" "${run[@]}" >"$log" 2>&1 </dev/null
        exit $?
    ) 2>/dev/null &
    running[$!]="$number $kind $file ${EPOCHREALTIME/./}"
}

report() { # WORD NAME DETAIL STARTED_US
    local us=$((${EPOCHREALTIME/./} - $4))
    printf '%-4s %-62s %5d.%d s%s\n' "$1" "$2" $((us / 1000000)) $((us / 100000 % 10)) "${3:+  $3}"
}

show() { # LOG [NAME]: what the case NAME says of itself, then the log's beginning and its end
    local lines
    lines=$(wc -l <"$1")
    if [ "$lines" -le 60 ]; then
        cat "$1"
    else
        [ -z "${2:-}" ] || grep -aE "^${2##*/}(\\.sh)?: " "$1" | head -n 10
        head -n 15 "$1"
        echo "… $((lines - 45)) lines …"
        tail -n 30 "$1"
    fi | cut -c 1-400 | sed 's/^/     | /'
}

show_lines() { # LOG: the tests that failed, each with what it said; else the end
    if grep -qE '^not ok ' "$1"; then
        awk '/^(ok|skip) /{ on = 0 } /^not ok / && !/# SKIP/ { on = 20 } on-- > 0' "$1" >"$1.bad"
        show "$1.bad"
    else
        show "$1"
    fi
}

judge_lines() { # LOG STATUS NAME STARTED_US: output in which each test has its line
    local log=$1 status=$2 name=$3 ok bad skip planned broken=
    skip=$(grep -cE '^((not )?ok .*# SKIP|skip )' "$log")
    ok=$(grep -E '^ok ' "$log" | grep -cv '# SKIP')
    bad=$(grep -E '^not ok ' "$log" | grep -cv '# SKIP')
    planned=$(sed -nE 's/^1\.\.([0-9]+)$/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
    if [ "$status" = 124 ] || [ "$status" = 137 ]; then
        broken="timed out"
    elif [ "$status" -gt 128 ]; then
        broken="died of signal $((status - 128))"
    elif [ "$status" != 0 ] && [ "$bad" = 0 ]; then
        broken="exit $status"
    elif [ "$planned" -gt $((ok + bad + skip)) ]; then
        broken="ended after $((ok + bad + skip)) of $planned tests"
    elif [ $((ok + bad + skip)) = 0 ]; then
        broken="ran no test"
    fi
    [ -z "$broken" ] || bad=$((bad + 1))
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    if [ "$bad" = 0 ]; then
        report ok "$name" "$ok passed${skip:+$([ "$skip" = 0 ] || echo ", $skip skipped")}" "$4"
        grep -E '^(skip |# seed )' "$log" | sed 's/^/     | /'
    else
        report FAIL "$name" "$bad failed${broken:+ ($broken)}" "$4"
        show_lines "$log"
    fi
}

judge_shell() { # LOG STATUS NAME STARTED_US
    case $2 in
    0)
        passed=$((passed + 1))
        report ok "$3" "" "$4"
        ;;
    77)
        skipped=$((skipped + 1))
        report skip "$3" "$(tail -n 1 "$1" | cut -c 1-120)" "$4"
        ;;
    *)
        failed=$((failed + 1))
        report FAIL "$3" "$([ "$2" = 124 ] && echo "timed out" || echo "exit $2")" "$4"
        show "$1" "$3"
        ;;
    esac
}

reap() { # waits for one and judges it
    local pid status n kind file started name
    wait -n -p pid "${!running[@]}"
    status=$?
    read -r n kind file started <<<"${running[$pid]}"
    unset "running[$pid]"
    name=${file#"$BUILD"/}
    name=${name#tests/}
    case $kind in
    shell) judge_shell "$work/$n.log" "$status" "${name%.sh}" "$started" ;;
    *) judge_lines "$work/$n.log" "$status" "${name%.sh}" "$started" ;;
    esac
    rm -f "$work/$n".*
}

fill() { # AT_MOST queued...: what was begun last may still run
    local at_most=$1 one kind file
    shift
    for one in "$@"; do
        while [ ${#running[@]} -ge "$at_most" ]; do reap; done
        read -r kind file <<<"$one"
        start "$kind" "$file"
    done
}

drain() { # waits for the rest
    while [ ${#running[@]} -gt 0 ]; do reap; done
}

main() { # in a function, so that a change of this file does not meet a run of it
    for group in "${@:-all}"; do add_group "$group"; done
    fill "$((jobs_max < 2 ? jobs_max : 2))" "${queue_programs[@]}" # they use their cores
    fill "$jobs_max" "${queue[@]}"
    drain
    fill 1 "${queue_alone[@]}"
    drain

    if [ $((passed + failed)) = 0 ]; then
        echo "nothing ran: no test of ${*:-all}${ONLY:+ that is named $ONLY}" >&2
    fi
    echo "$passed passed, $failed failed$([ "$skipped" = 0 ] || echo ", $skipped skipped")"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
main "$@"
exit
