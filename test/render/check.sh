#!/usr/bin/env bash
# check.sh PROGRAM
# Check that PROGRAM, a brim-render, draws the same pixels in all runs; that what it tells of the glyphs that each run
# rasterises again, of loads that threads share and of a font that is dropped is right, as far as that does not depend
# on time; and that a bad --small ends it with status 2 and one message.
set -euo pipefail

program=$(realpath "$1")
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here"
failures=0

fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$1"
    sed 's/^/    | /' out err
}

# has FILTER: it is true of the JSON.  $glyphs are those on all pages.
has() { jq -e --argjson glyphs "${glyphs:-0}" "$1" out.json >truth 2>&1 || fail "not $1: $(jq -c . out.json)"; }

# bad PATTERN ARGUMENT...: PATTERN is of the whole message, after the program's name.
bad() {
    local pattern=$1 status=0
    shift
    "$program" "$@" >out 2>err || status=$?
    if [ "$status" -ne 2 ] || [ -s out ] || ! grep -Eqx "brim-render: ($pattern)" err; then
        fail "$*: status $status, not 2 with '$pattern'"
    fi
}

bad "--small must be more than 0" --small 0
bad "--small 'x' is not a number in range" --small x
bad "--small '1T' is not a number of bytes .*" --small 1T
bad "option '--small' needs a value \(--help lists them\)" --small

"$program" --pages 4 --small 16K --out . --json out.json >out 2>err || fail "it failed"
glyphs=$(sed -n '1s/^4 pages with \([0-9]*\) glyphs.*/\1/p' out)
has '.identical'
has '[.runs[].name] == ["uncached", "mutex lru", "brim", "brim", "brim small", "lru small", "hits small", "work small"]'
has '.runs[0].rasterised == $glyphs and .runs[0].raster_ns > 0'
has '.runs[1:4] | all(.capacity == 4194304 and .rasterised == 0 and .raster_ns == 0)'
has '.runs[4:] | all(.capacity == 16384 and .rasterised > 0 and .rasterised < $glyphs and .raster_ns > 0)'
has '.runs[1:] | all(.peak_used > 0 and .peak_used <= .capacity)'
# Room for all: however many threads ask, each glyph is drawn once in each round, of which there are 3 and 5.
has '.runs[2].loads % 3 == 0 and .runs[2].loads > 0 and .runs[2].loads / 3 == .runs[3].loads / 5'
has '.runs[2].load_waits == 0 and (.runs[2:4] | all(.redundant_loads == 0))'
has '.runs[4:] | [.[0, 2, 3]] | all(.loads > .redundant_loads and .redundant_loads > 0)'
# None of a dropped font is found, all go from memory, and all that were there are drawn again.
has '.runs[2:4] | all(.dropped_font | .glyphs > 0 and .swept == .glyphs and .drawn_again == .glyphs)'
has '.runs[4:] | [.[0, 2, 3]] | all(.dropped_font | .glyphs > 0 and .swept > 0 and .swept <= .glyphs and .drawn_again > 0)'
has '.runs | all(.dropped_font.found == 0)'
has '[.runs[0, 1, 5]] | all(.loads == 0 and .load_waits == 0 and .redundant_loads == 0 and .dropped_font.glyphs == 0)'
for run in uncached "brim small" "lru small" "hits small" "work small"; do
    [ "$(grep -c "^$run  *[0-9]" out)" -eq 2 ] || fail "$run is not in both tables"
done
[ "$failures" -eq 0 ]
