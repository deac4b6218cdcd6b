#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What a program's --help names, its man page names too, and the other way round: every --option,
# and for `stillpoint` every command.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

BUILD=${BUILD:-build/plain}
failed=0

options() { grep -oE -- '--[a-z]([a-z-]*[a-z])?' | sort -u; }

page_text() { # without the typesetting: \- is a hyphen, \f and .B change the type
    sed -e 's/\\-/-/g' -e 's/\\f[BIRP]//g' -e 's/\\&//g' "$1"
}

commands() { # in the help of stillpoint: at the start of a line, two spaces in
    "$BUILD/stillpoint" --help 2>&1 | sed -nE 's/^  ([a-z][a-z-]+)( .*)?$/\1/p' | sort -u
}

differ() { # NAME IN-HELP IN-PAGE
    local one
    while read -r one; do
        [ -z "$one" ] || { echo "$1: --help has $one, its man page does not"; failed=1; }
    done < <(comm -23 <(echo "$2") <(echo "$3"))
    while read -r one; do
        [ -z "$one" ] || { echo "$1: the man page has $one, --help does not"; failed=1; }
    done < <(comm -13 <(echo "$2") <(echo "$3"))
}

for program in stillpoint stillpointd stillpoint-guard stillpoint-hook; do
    page=packaging/man/$program.8
    if [ ! -x "$BUILD/$program" ]; then
        echo "$BUILD/$program is not built"
        failed=1
    elif [ ! -e "$page" ]; then
        echo "$page is not there"
        failed=1
    elif ! help=$("$BUILD/$program" --help 2>&1); then
        echo "$program --help failed"
        failed=1
    else
        # stillpoint's commands have a help of their own, which names their options.
        [ "$program" != stillpoint ] || for command in $(commands); do
            help+=$'\n'$("$BUILD/$program" "$command" --help 2>&1)
        done
        # --no-x and --[no-]x are the same option written in two ways.
        differ "$program" "$(sed 's/--\[no-\]/--/g; s/--no-/--/g' <<<"$help" | options)" \
            "$(page_text "$page" | sed 's/--\[no-\]/--/g; s/--no-/--/g' | options)"
    fi
done

# In the page a command is `.SS name` under COMMANDS.
if [ -x "$BUILD/stillpoint" ] && [ -e packaging/man/stillpoint.8 ]; then
    differ stillpoint "$(commands)" \
        "$(page_text packaging/man/stillpoint.8 | awk '
            /^\.SH / { on = /COMMANDS/ } on && /^\.SS / { gsub(/"/, ""); print $2 }' | sort -u)"
fi

# A sentence that begins in the middle is what a merge left of two versions.
for page in packaging/man/*.[1-8]; do
    if ! awk -v page="$page" '/^\.EX/ { example = 1 } /^\.EE/ { example = 0 }
                              !example && /^[a-z]/ && last ~ /[^.]\.$/ && last !~ /^\./ { print page ":" FNR ": begins in the middle: " $0; bad = 1 }
                              { last = $0 } END { exit bad }' "$page"; then
        failed=1
    fi
    if [ "$(awk '/^\.SH / { on = /^\.SH NAME/; next } on' "$page" | wc -l)" -ne 1 ]; then
        echo "$page: NAME is not one line"
        failed=1
    fi
done
exit $failed
