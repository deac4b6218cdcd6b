#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Completion offers what --help names, of the program and of each of its commands, and nothing else; the
# scripts for the shells parse.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

BUILD=${BUILD:-build/plain}
failed=0
no() {
    echo "$*"
    failed=1
}

offered() { "$BUILD/stillpoint" --complete "$@" | cut -f1 | sort -u; }
help_of() { "$BUILD/stillpoint" "$@" --help; }
part() { awk -v want="^$1" '/^[A-Z]/ { on = $0 ~ want } on && /^  [^ ]/' ; } # lines under a heading
same() { # WHAT OFFERED HELP
    [ -n "$3" ] || no "$1: --help names nothing"
    [ "$2" = "$3" ] || no "$1: completion and --help differ: $(diff <(echo "$2") <(echo "$3"))"
}

options() { sed -nE 's/^  (-., |    )(--[a-z-]+).*/\2/p' | sort -u; }

commands() { offered '' | grep -vxE 'help|version'; } # words for two of the options
same commands "$(commands)" "$(help_of | part Commands | awk '{ print $1 }' | sort -u)"
for command in $(commands); do
    kinds=$(help_of "$command" | part Kinds | awk '{ print $1 }' | sort -u)
    [ -z "$kinds" ] || same "$command" "$(offered "$command" '')" "$kinds"
    same "$command" "$(offered "$command" --)" "$(help_of "$command" | options)"
    for kind in $kinds; do
        same "$command $kind" "$(offered "$command" "$kind" --)" \
            "$(help_of "$command" | awk -v k="Options of $kind" '/^[A-Z]/ { on = $0 ~ /^Options$/ || $0 ~ /^Options of every/ || $0 == k } on' | options)"
    done
done

bash -n packaging/completion/stillpoint.bash || failed=1
zsh -n packaging/completion/_stillpoint || failed=1
exit $failed
