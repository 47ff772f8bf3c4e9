#!/usr/bin/env bash
# completion.sh PROGRAM...
# Check that bash completes what may follow the programs' options, and of each PROGRAM all options that --help has and no
# others.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=bench/completion/brim
source bench/completion/brim
# shellcheck source=docs/examples/tiles/brim-tiles.bash
source docs/examples/tiles/brim-tiles.bash
export ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0
failures=0

# completed WORD...: what bash would offer for the last one, in order.
completed() {
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    "$(complete -p "$1" | sed 's/.*-F \([^ ]*\).*/\1/')"
    printf '%s\n' "${COMPREPLY[@]}" | sort
}
expect() { # expect LINES WORD...
    local wanted=$1
    shift
    diff <(tr ' ' '\n' <<<"$wanted" | sort) <(completed "$@") || {
        failures=$((failures + 1))
        echo "FAILED: $*"
    }
}

expect 'run peers stress replay --help --version' brim-bench ''
expect 'run replay' brim-bench r
expect 'churn' brim-bench run --workload ch
expect 'churn' brim-bench peers -w c
expect 'balanced bytes' brim-bench replay --objective b
expect '--soak --seconds --seed --shape' brim-bench stress --s
expect 'finds' brim-top --sort f
expect 'Makefile' brim-bench replay Makef
expect 'README.md' brim-render README
expect '' brim-bench run --threads ''
expect '' brim-tiles --threads ''
expect 'README.md' brim-tiles -p 0 README
expect 'Makefile' brim-tiles --json Makef

# Every long option of --help, and no more; of brim-bench all commands' together.
for program in "$@"; do
    name=${program##*/}
    helped=$("$program" --help | grep -oE '^ +(-[A-Za-z0-9], |    )--[a-z]+' | grep -oE -- '--[a-z]+' | sort -u)
    if [ "$name" = brim-bench ]; then
        offered=$(for command in run peers stress replay; do completed brim-bench "$command" -; done | sort -u)
    else
        offered=$(completed "$name" -)
    fi
    diff <(echo "$helped") <(echo "$offered") || {
        failures=$((failures + 1))
        echo "FAILED: the options of $name"
    }
    # And each is taken: none is unknown.
    for option in $helped; do
        for first in $([ "$name" = brim-bench ] && echo run peers stress replay || echo "$name"); do
            arguments=()
            [ "$name" != brim-bench ] || arguments=("$first")
            if [ "$name" = brim-bench ] && ! completed brim-bench "$first" - | grep -x -- "$option" >/dev/null; then continue; fi
            if "$program" "${arguments[@]}" "$option" x --unknown 2>&1 </dev/null | grep "unknown.*$option" >/dev/null; then
                failures=$((failures + 1))
                echo "FAILED: $name does not know $option"
            fi
        done
    done
done
processes=$(mktemp -d)
trap 'rm -rf "$processes"' EXIT
mkdir "$processes/brim"
touch "$processes/brim/4242.json"
XDG_RUNTIME_DIR=$processes expect '4242' brim-top 42
[ "$failures" -eq 0 ] && echo 'completion: well'
