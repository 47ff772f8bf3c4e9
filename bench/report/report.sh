#!/usr/bin/env bash
# report.sh [STEP...]
# Measure Brim beside its peers, into build/report/STEP.json: peers (the default workloads, from which the ratios
# come), then throughput by threads, by entries and by skew.  Without STEPs: all of them.  bench/report/page.sh makes
# the page of what is there.
set -euo pipefail
cd "$(dirname "$0")/../.."

bench=build/release/brim-bench
out=build/report
# A sweep's rounds are short: its plots show a shape, and the ratios come from `peers'.
sweep=(peers --workload zipf-hit --seconds "${SWEEP_SECONDS:-0.4}" --rounds 3)
thread_list=1,2,4,8,16
entry_list=1000,10000,100000,1000000
skew_list=(0.6 0.8 0.99 1.2)

# What every plot says of the machine, where brim-bench does not.
describe_machine() {
    local cc
    cc=$(cut -d' ' -f1 build/release/flags 2>/dev/null || echo gcc)
    jq -n --arg cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)" --argjson cores "$(nproc)" \
        --arg kernel "$(uname -sr)" --arg compiler "$($cc --version | head -1)" --arg date "$(date -u +%F)" \
        '{cpu: $cpu, cores: $cores, kernel: $kernel, compiler: $compiler, date: $date}'
}

# measure NAME ARGUMENT...: an interrupted run leaves the old file.
measure() {
    local name=$1
    shift
    echo "==> $bench $*" >&2
    "$bench" "$@" --json "$out/$name.new"
    jq --argjson machine "$(describe_machine)" \
        '.machine = $machine + (.machine // {} | with_entries(select(.value != null and .value != "")))' \
        "$out/$name.new" >"$out/$name.json.new"
    rm "$out/$name.new"
    mv "$out/$name.json.new" "$out/$name.json"
}

measure_skews() {
    local theta files=()
    for theta in "${skew_list[@]}"; do
        measure "skew-$theta" "${sweep[@]}" --entries 100000 --threads 2 --skew "$theta"
        # The skew asked for, should a result not name it.
        jq --argjson theta "$theta" '.results[] |= (.skew //= $theta)' "$out/skew-$theta.json" >"$out/skew-$theta.new"
        mv "$out/skew-$theta.new" "$out/skew-$theta.json"
        files+=("$out/skew-$theta.json")
    done
    jq -s '{machine: .[0].machine, results: map(.results) | add}' "${files[@]}" >"$out/skew.new"
    mv "$out/skew.new" "$out/skew.json"
    rm -f "${files[@]}"
}

steps=("$@")
[ "${#steps[@]}" -gt 0 ] || steps=(peers threads entries skew)
mkdir -p "$out"
for step in "${steps[@]}"; do
    case $step in
    peers) measure peers peers ;;
    threads) measure threads "${sweep[@]}" --entries 100000 --threads "$thread_list" ;;
    entries) measure entries "${sweep[@]}" --threads 2 --entries "$entry_list" ;;
    skew) measure_skews ;;
    *)
        echo "usage: $0 [peers|threads|entries|skew]..." >&2
        exit 2
        ;;
    esac
done
