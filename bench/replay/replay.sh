#!/usr/bin/env bash
# replay.sh
# Replay the traces of the directory TRACES with brim-bench, each at the fractions that its rows in reference.csv have
# there, into build/replay; print the misses beside those of the policies in reference.csv, their means, and which of
# the figures to reach hold (tables.awk).  Without that directory or file there is nothing to do.  Exit status: 0 if
# all was measured, also if a figure does not hold (that is said).
set -euo pipefail
cd "$(dirname "$0")/../.."

bench=build/release/brim-bench
out=build/replay
traces=${TRACES:-../shared/traces}
reference=$traces/reference.csv

# What each trace goes through, with the name of its results.  One shard, but to see what sixteen lose; works by the
# key, but to see what eviction by work loses if all are equal.
runs=(
    "hits --objective hits --shards 1 --work random"
    "bytes --objective bytes --shards 1 --work random"
    "balanced --objective balanced --shards 1 --work random"
    "work --objective work --shards 1 --work random"
    "hits16 --objective hits --shards 16 --work random"
    "equal --objective work --shards 1 --work none"
)

if [ ! -f "$reference" ]; then
    echo "No $reference (TRACES=DIRECTORY of another): nothing to replay."
    exit 0
fi

# trace_name FILE
trace_name() {
    local name=${1##*/}
    name=${name%.zst}
    echo "${name%.txt}"
}

# fractions TRACE: those of its rows, between commas; nothing if it has none.
fractions() { awk -F, -v trace="$1" '$1 == trace && !seen[$2]++ { printf "%s%s", (n++ ? "," : ""), $2 }' "$reference"; }

# replay FILE NAME FRACTIONS RUN OPTION...
replay() {
    local file=$1 name=$2 list=$3 run=$4
    shift 4
    "$bench" replay "$file" --fraction "$list" "$@" --json "$out/$name.$run.json" >"$out/$name.$run.log" 2>&1 ||
        { sed "s/^/$name, $run: /" "$out/$name.$run.log" >&2 && false; }
}

# On a terminal: how far we are.
show() { [ ! -t 2 ] || printf '\r\033[K%s' "$1" >&2; }

running=0
done=0
failed=0

wait_for_one() {
    wait -n || failed=1
    running=$((running - 1))
    done=$((done + 1))
}

trap 'show ""; kill $(jobs -p) 2>/dev/null; exit 130' INT TERM

replay_all() {
    local file name list run words files=()
    mapfile -t files < <(ls -S -- "$traces"/*) # large ones first, so that no processor is idle at the end
    for file in "${files[@]}"; do
        name=$(trace_name "$file")
        list=$(fractions "$name")
        [ -n "$list" ] || continue
        for run in "${runs[@]}"; do
            read -ra words <<<"$run"
            if [ "$running" -ge "$(nproc)" ]; then wait_for_one; fi
            show "replay: $done done, now $name, ${words[0]}"
            replay "$file" "$name" "$list" "${words[@]}" &
            running=$((running + 1))
        done
    done
    while [ "$running" -gt 0 ]; do wait_for_one; done
    show ""
    [ "$failed" = 0 ]
}

# Lines of run, trace, fraction, object, byte and work miss, keys.
collect() {
    local run name
    for run in "${runs[@]}"; do
        name=${run%% *}
        jq -r --arg run "$name" '.results[] | [$run, .trace, .fraction, .object_miss, .byte_miss, .work_miss, .keys] | @tsv' \
            "$out"/*."$name".json
    done
}

rm -rf "$out"
mkdir -p "$out"
replay_all
if [ "$done" = 0 ]; then
    echo "$traces has no trace with rows in $reference: nothing to replay."
    exit 0
fi
collect >"$out/runs.tsv"
awk -f bench/replay/tables.awk FS=, "$reference" FS='\t' "$out/runs.tsv"
