#!/usr/bin/env bash
# run.sh NAME
# Run build/fuzz/NAME over its corpus and what was once wrong, then on new inputs: for FUZZ_SECONDS (12) of its own
# time, or FUZZ_RUNS of them; the last line says how many there were.  An input that is found wrong stays in
# build/fuzz/NAME-.... With FUZZ_KEEP the inputs that reach new code are kept in that directory, in NAME.
set -euo pipefail

name=$1
here=test/fuzz
case $name in
operations) longest=200 ;;
options) longest=200 ;;
*) longest=1500 ;;
esac
options=(-seed=1 -max_len="$longest" -timeout=60 -rss_limit_mb=2048 -print_funcs=0 -verbosity=0
    -entropic=0 -reduce_inputs=0 -print_final_stats=1 "-artifact_prefix=build/fuzz/$name-")
if [ -n "${FUZZ_RUNS:-}" ]; then
    options+=("-runs=$FUZZ_RUNS")
else
    options+=("-max_total_time=${FUZZ_SECONDS:-12}")
fi
[ ! -e "$here/$name.dict" ] || options+=("-dict=$here/$name.dict")

shopt -s nullglob
wrong=("$here/crashes/$name"/*)
[ "${#wrong[@]}" -eq 0 ] || "build/fuzz/$name" -print_funcs=0 -timeout=60 "${wrong[@]}"

if [ -n "${FUZZ_KEEP:-}" ]; then
    found=$FUZZ_KEEP/$name
    mkdir -p "$found"
else
    found=$(mktemp -d)
    trap 'rm -rf "$found"' EXIT
fi
"build/fuzz/$name" "${options[@]}" "$found" "$here/corpus/$name"
