# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Completion of stillpoint for bash, with bash-completion. What may come the program itself knows
# (agent/cli/cli_complete.h has what is said between the two).

_stillpoint() {
    # shellcheck disable=SC2034 # prev is set by _init_completion
    local cur prev words cword breaks before='' line word
    _init_completion -n '=:' || return
    [ "$cword" -ge 1 ] || return
    # Words that bash breaks at = and : go back to it without what stands before the last of these.
    breaks=${COMP_WORDBREAKS//[^=:]/}
    [ -z "$breaks" ] || before=${cur%"${cur##*["$breaks"]}"}
    while IFS= read -r line; do
        case $line in
        :files | :folders)
            case $cur in --*=*) cur=${cur#*=} ;; esac
            if [ "$line" = :files ]; then _filedir; else _filedir -d; fi
            return
            ;;
        ':command '*)
            _command_offset "${line#* }"
            return
            ;;
        esac
        word=${line%%$'\t'*}
        [[ $word != "$cur"* ]] || COMPREPLY+=("${word#"$before"}")
    done < <(command stillpoint --complete "${words[@]:1:cword}" 2>/dev/null)
} && complete -F _stillpoint stillpoint
