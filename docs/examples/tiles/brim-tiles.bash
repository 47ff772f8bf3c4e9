# bash completion for brim-tiles                            -*- shell-script -*-
# SPDX-License-Identifier: MIT

_brim_tiles() {
    local word=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $option:$word in
    -[Ppct]:* | --page:* | --port:* | --capacity:* | --threads:*) ;;
    -j:* | --json:* | *:[!-]* | *:)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        ;;
    *) mapfile -t COMPREPLY < <(compgen -W '--page --port --capacity --threads --json --help --version' -- "$word") ;;
    esac
}

complete -F _brim_tiles brim-tiles
