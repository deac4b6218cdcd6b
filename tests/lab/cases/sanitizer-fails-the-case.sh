#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What a sanitizer says of any program of the lab fails the case: also of a client whose output and exit
# code nobody looks at, and of a daemon that leaks and is ended when the case is over.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

if [ "${1:-}" = inner ]; then
    shift
    start_cloud
    for one in "$@"; do
        "${BARE_ENV[@]}" "$one" >/dev/null 2>&1 || true
    done
    if [ $# -gt 0 ]; then
        "${BARE_ENV[@]}" "$1" "$LAB/waits" >/dev/null 2>&1 &
        defer kill $!
        for _ in $(seq 500); do [ -e "$LAB/waits" ] && break; sleep 0.02; done
    fi
    exit 0
fi

need cc
start_cloud
cat >"$LAB/leaks.c" <<'C'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
void *volatile kept;
int main(int count, char **words)
{
    sigset_t told;
    int number;
    sigemptyset(&told);
    sigaddset(&told, SIGTERM);
    sigprocmask(SIG_BLOCK, &told, NULL);
    if (count > 1 && fclose(fopen(words[1], "w")) == 0)
        sigwait(&told, &number);
    kept = malloc(count == 1 ? 101 : 202);
    kept = NULL;
    return 0;
}
C
cat >"$LAB/overflows.c" <<'C'
#include <limits.h>
int main(int count, char **words)
{
    (void)words;
    return INT_MAX + count;
}
C
cat >"$LAB/races.c" <<'C'
#include <pthread.h>
int number;
void *add(void *nothing)
{
    number++;
    return nothing;
}
int main(void)
{
    pthread_t one;
    pthread_create(&one, NULL, add, NULL);
    number++;
    pthread_join(one, NULL);
    return 0;
}
C
built() { # NAME FLAG...: as the Makefile builds
    cc -O0 -fno-sanitize-recover=all "${@:2}" "$LAB/$1.c" -o "$LAB/$1" 2>"$LAB/cc.txt" ||
        skip "cc can't build with a sanitizer: $(head -n 1 "$LAB/cc.txt")"
}
both=('-fsanitize=address,undefined')
! echo 'int main(void) { return 0; }' | cc -Werror "${both[@]}" -static-libasan -static-libubsan -xc - -o /dev/null 2>/dev/null ||
    both+=(-static-libasan -static-libubsan)
built leaks "${both[@]}"
built overflows "${both[@]}"
built races -fsanitize=thread

"$0" inner >"$LAB/none.txt" 2>&1
assert_eq 0 $? "a case without a report: $(cat "$LAB/none.txt")"

"$0" inner "$LAB/leaks" "$LAB/overflows" "$LAB/races" >"$LAB/all.txt" 2>&1
assert_eq 1 $? "a case with reports: $(cat "$LAB/all.txt")"
for words in 'a sanitizer found fault' 'leak of 101 byte' 'leak of 202 byte' 'runtime error: signed integer' \
    'data race'; do
    grep -q "$words" "$LAB/all.txt" || fail "no '$words' in: $(cat "$LAB/all.txt")"
done
