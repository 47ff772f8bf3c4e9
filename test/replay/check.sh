#!/usr/bin/env bash
# check.sh PROGRAM [threads]
# Check that `PROGRAM replay' counts what can be counted by hand, however its traces come, and that bad input ends it
# with status 2, one message that says what is wrong and where, and nothing written.  With `threads' it
# only lets several replay a trace together, for ThreadSanitizer to see.
set -euo pipefail

program=$(realpath "$1")
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here"
mkdir directory

checks=0
failures=0

fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$1"
    sed 's/^/    | /' out err
}

# good ARGUMENT...: leaves out.json, with the results one after the other in `results'.
good() {
    checks=$((checks + 1))
    asked="replay $*"
    rm -f out.json results
    if ! "$program" replay "$@" --json out.json >out 2>err; then
        fail "$asked: it failed"
        echo '{}' >out.json
    fi
    jq -c '.results[]?' out.json >results
}

# has NUMBER FILTER: it is true of the result of this number, from 1.
has() {
    checks=$((checks + 1))
    sed -n "$1p" results | jq -e "$2" >truth 2>&1 || fail "$asked: not $2: $(sed -n "$1p" results)"
}

# bad PATTERN ARGUMENT...: PATTERN is of the whole message, after the program's name.  Who gives up frees nothing.
bad() {
    local pattern=$1 status=0
    shift
    checks=$((checks + 1))
    rm -f out.json
    ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 "$program" "$1" --json out.json "${@:2}" >out 2>err || status=$?
    if [ "$status" -ne 2 ]; then
        fail "$*: status $status, not 2"
    elif [ "$(wc -l <err)" -ne 1 ] || ! grep -Eqax "brim-bench: ($pattern)" err; then
        fail "$*: the message is not '$pattern'"
    elif [ -s out ] || [ -e out.json ]; then
        fail "$*: something was written"
    fi
}

# bad_line PATTERN LINE: a trace whose third line is LINE, with printf's escapes.
bad_line() {
    printf '# comment\n1 10\n%b\n3 30\n' "$2" >bad.txt
    bad "bad\.txt:3: $1" replay bad.txt --fraction 1
}

# long: more than any buffer holds, each of 30000 keys twice.
printf '# key size\n1 10\n2 20\n\n1 10\n3 30\n2 20\n1 10\n' >small.txt
zstd -q small.txt -o small.txt.zst
printf '1 1\n1 1\n2 1\n2 1\n1 1\n1 1\n' >pairs
seq 30000 | awk '{ printf "%.0f %d\n", $1 * 1000003, $1 % 7 + 1 }' >half
cat half half | zstd -q >long.zst

near='def near(a; b): (a - b) * (a - b) < 1e-16;'

# ---- Counts by hand: what fits stays, and what is larger than the capacity does not ------------------------

count_by_hand() {
    local objective
    good small.txt --fraction 1
    has 1 '.trace == "small" and .fraction == 1 and .capacity == 60 and .objective == "balanced" and .threads == 1'
    has 1 '.requests == 6 and .keys == 3 and .refused == 0 and .object_miss == 0.5 and .byte_miss == 0.6 and .work_miss == 0.5'
    has 1 '.shards >= 1 and .seconds >= 0'
    for objective in hits bytes balanced work; do
        good --objective "$objective" --shards 1 small.txt --fraction 1
        has 1 ".objective == \"$objective\" and .shards == 1 and .object_miss == 0.5 and .byte_miss == 0.6"
    done
    good small.txt --fraction 1 --shards 16
    has 1 '.shards == 16 and .object_miss == 0.5'
    good small.txt --capacity 5
    has 1 '.fraction == null and .capacity == 5 and .object_miss == 1 and .byte_miss == 1 and .refused == 6'

    good pairs --capacity 1
    has 1 '.trace == "pairs" and .object_miss == 0.5 and .refused == 0'

    # The first size of a key is that of the footprint; all sizes are counted.
    printf '1 10\n1 30\n' >sizes.txt
    good sizes.txt --fraction 1
    has 1 '.capacity == 10 and .keys == 1 and .object_miss == 0.5 and .byte_miss == 0.25'
    printf '1 0\n1 0\n2 0\n2 0\n' >nothing.txt
    good nothing.txt --fraction 0.5
    has 1 '.capacity == 1 and .object_miss == 0.5 and .byte_miss == 0.5'

    good small.txt --fraction 0.001,0.025 pairs --fraction 0.5
    has 1 '.trace == "small" and .capacity == 1'
    has 2 '.trace == "small" and .capacity == 2'
    has 3 '.trace == "small" and .capacity == 30'
    has 4 '.trace == "pairs" and .capacity == 1 and .fraction == 0.001'
    has 5 '.trace == "pairs" and .capacity == 1 and .fraction == 0.025'
    has 6 '.trace == "pairs" and .capacity == 1 and .fraction == 0.5'
    has "$(wc -l <results)" '.trace == "pairs" and .fraction == 0.5'
}

# ---- Works ------------------------------------------------------------------------------------------------

# random_work KEY: as `--work random' has it.
random_work() {
    local m31=$(((1 << 31) - 1)) x=$((3 * $1 + 77))
    x=$(((x ^ (x >> 33 & m31)) * 0xFF51AFD7ED558CCD))
    x=$(((x ^ (x >> 33 & m31)) * 0xC4CEB9FE1A85EC53))
    x=$((x ^ (x >> 33 & m31)))
    awk -v u="$((x >> 11 & ((1 << 53) - 1)))" 'BEGIN { printf "%.17g", 10 ^ (3 * u / 2 ^ 53) }'
}

count_works() {
    printf '1 10 5\n2 20 7\n1 10 5\n3 30 9\n2 20 7\n1 10 5\n' >works.txt
    good works.txt --fraction 1 --objective work
    has 1 "$near near(.work_miss; 21 / 38) and .object_miss == 0.5"
    good works.txt --fraction 1 --work none
    has 1 '.work_miss == 0.5'
    printf '1 1 18446744073709551615\n1 1 18446744073709551615\n' >large.txt
    good large.txt --fraction 1 --objective work
    has 1 '.work_miss == 0.5'

    printf '1 1 5\n18446744073709551615 1 5\n1 1 5\n0 1 5\n' >random.txt
    good random.txt --fraction 1 --work random
    local a b c
    a=$(random_work 1) b=$(random_work -1) c=$(random_work 0)
    has 1 "$near near(.work_miss; ($a + $b + $c) / (2 * $a + $b + $c)) and .object_miss == 0.75 and .keys == 3"
}

# ---- However the trace comes ------------------------------------------------------------------------------

read_all_ways() {
    local same='.requests == 6 and .keys == 3 and .object_miss == 0.5 and .byte_miss == 0.6'
    printf '\t1  10 \r\n2\t20\r\n \t\r\n  # comment\r\n1 10\r\n3 30\r\n2 20\r\n1 10' >blanks.txt
    good blanks.txt --fraction 1
    has 1 "$same"
    good small.txt.zst --fraction 1
    has 1 ".trace == \"small\" and $same"
    cp small.txt.zst named.txt
    good named.txt --fraction 1
    has 1 ".trace == \"named\" and $same"
    cp small.txt plain.zst
    good plain.zst --fraction 1
    has 1 ".trace == \"plain\" and $same"
    good - --fraction 1 <small.txt
    has 1 ".trace == \"-\" and $same"
    good - small.txt --fraction 1 <small.txt.zst
    has 1 ".trace == \"-\" and $same"
    has 2 ".trace == \"small\" and $same"
    # A frame to be skipped, one with nothing in it, and two with halves of a line.
    {
        printf '\x50\x2a\x4d\x18\x03\x00\x00\x00abc'
        zstd -q </dev/null
        head -c 20 small.txt | zstd -q
        tail -c +21 small.txt | zstd -q
    } >frames.zst
    good frames.zst --fraction 1
    has 1 "$same"
    # One that ends where a buffer does.
    seq 4096 | awk '{ printf "%013d 1\n", $1 }' | zstd -q >exact.zst
    good exact.zst --fraction 1
    has 1 '.requests == 4096 and .keys == 4096 and .object_miss == 1'
    good long.zst --fraction 1
    has 1 '.requests == 60000 and .keys == 30000 and .object_miss == 0.5 and .byte_miss == 0.5'
    good long.zst --fraction 0.1 --shards 1
    has 1 '.object_miss > 0.5 and .object_miss <= 1'
}

# ---- Threads ----------------------------------------------------------------------------------------------

# They may miss at once what one of them is inserting.
play_together() {
    good long.zst --fraction 1 --threads 4
    has 1 '.threads == 4 and .requests == 60000 and .object_miss >= 0.5 and .object_miss < 0.6'
    good long.zst --fraction 0.1 --threads 4 --objective work --work random
    has 1 '.object_miss > 0.5 and .object_miss <= 1'
}

# ---- Bad command lines ------------------------------------------------------------------------------------

refuse_command_lines() {
    local fraction list
    bad 'replay needs a trace \(see --help\)' replay --fraction 1
    bad 'a trace without a file name' replay '' --fraction 1
    bad 'replay needs --fraction or --capacity \(see --help\)' replay small.txt
    bad '--fraction and --capacity cannot both be \(see --help\)' replay small.txt --fraction 1 --capacity 5
    for fraction in 0 0.0 1.01 7; do
        bad "--fraction: $fraction is not above 0 and at most 1" replay small.txt --fraction "$fraction"
    done
    for fraction in -1 x 0.1x nan inf ' 1' 0x1 0x.8p0; do
        bad "--fraction: '$fraction' is not a number" replay small.txt --fraction 0.5,"$fraction"
    done
    for list in '' ',' '0.1,,0.2' '0.1,'; do
        bad "--fraction: '$list' has an empty part" replay small.txt --fraction "$list"
    done
    bad '--capacity: 0 is not between 1 and [0-9]+' replay small.txt --capacity 0
    bad "--capacity: 'many' is not a number" replay small.txt --capacity many
    bad '--capacity: 9223372036854775808 is not between 1 and [0-9]+' replay small.txt --capacity 9223372036854775808
    bad "unknown objective 'speed': there are hits, bytes, balanced, work" replay small.txt --fraction 1 --objective speed
    bad "--work: 'all' is neither random nor none" replay small.txt --fraction 1 --work all
    bad '--shards: 0 is not between 1 and 65536' replay small.txt --fraction 1 --shards 0
    bad '--threads: 0 is not between 1 and 4096' replay small.txt --fraction 1 --threads 0
    bad 'unknown option -q \(see --help\)' replay small.txt --fraction 1 -qr
    bad 'unknown option --seconds \(see --help\)' replay small.txt --fraction 1 --seconds 5
    bad "unknown command 'repeat': run, peers, stress or replay \(see --help\)" repeat small.txt
    bad "what is 'small.txt'\? \(see --help\)" stress small.txt
    bad "--shape: 'nothing' is in the name of none: 'loading'; .*" stress --shape nothing
    bad 'standard input can be only one trace' replay - - --fraction 1 </dev/null
    bad "--json: cannot write 'nowhere/x': No such file or directory" replay small.txt --fraction 1 --json nowhere/x
}

# ---- Bad files --------------------------------------------------------------------------------------------

refuse_files() {
    local bytes
    bad "cannot read 'missing': No such file or directory" replay missing --fraction 1
    bad "cannot read 'directory': Is a directory" replay directory --fraction 1
    if [ "$(id -u)" -ne 0 ]; then
        cp small.txt secret
        chmod 0 secret
        bad "cannot read 'secret': Permission denied" replay secret --fraction 1
    fi
    : >empty
    bad 'empty: no request in it' replay empty --fraction 1
    printf '# nothing\n\n' >comments
    bad 'comments: no request in it' replay comments --fraction 1
    zstd -q <empty >empty.zst
    bad 'empty.zst: no request in it' replay empty.zst --fraction 1
    bad '-: no request in it' replay - --fraction 1 </dev/null
    # Cut in the head of the frame, in a block and in the checksum.
    for bytes in 5 1000 $(($(wc -c <long.zst) - 1)); do
        head -c "$bytes" long.zst >cut.zst
        bad 'cut.zst: the zstd data ends too early' replay cut.zst --fraction 1
    done
    # What a broken block decompresses to may be noticed first as a line.
    { head -c 1000 long.zst && printf 'XXXXXXXXXXXXXXXX' && tail -c +1017 long.zst; } >broken.zst
    bad 'broken.zst: broken zstd data: .*|broken.zst:[0-9]+: .*' replay broken.zst --fraction 1
    { head -c -4 long.zst && printf 'SUM?'; } >sum.zst
    bad "sum.zst: broken zstd data: Restored data doesn't match checksum" replay sum.zst --fraction 1
    { cat small.txt.zst && printf 'after the end'; } >tail.zst
    bad 'tail.zst: broken zstd data: .*' replay tail.zst --fraction 1
}

# ---- Bad lines --------------------------------------------------------------------------------------------

refuse_lines() {
    local not_a_number='is not an unsigned decimal number'
    bad_line "the key 'x' $not_a_number" 'x 1'
    bad_line "the key '-1' $not_a_number" '-1 1'
    bad_line "the key '\+1' $not_a_number" '+1 1'
    bad_line "the key '0x1' $not_a_number" '0x1 1'
    bad_line "the key '1,2' $not_a_number" '1,2'
    bad_line "the key '1\?' $not_a_number" '1\0 2'
    bad_line "the key '\?\?\?' $not_a_number" '\x1b\x9b\x07 2'
    bad_line "the key 'a{40}\.\.\.' $not_a_number" "$(printf 'a%.0s' {1..50}) 2"
    bad_line 'no size after the key' '1'
    bad_line 'no size after the key' ' 1 \r'
    bad_line "the size 'x' $not_a_number" '1 x'
    bad_line "the size '1\.5' $not_a_number" '1 1.5'
    bad_line "the size '1\?' $not_a_number" '1 1\r\r'
    bad_line "the work 'x' $not_a_number" '1 2 x'
    bad_line "'4' after key, size and work" '1 2 3 4'
    bad_line "'#' after key, size and work" '1 2 3 # comment'
    bad_line 'the key 18446744073709551616 is more than 18446744073709551615' '18446744073709551616 1'
    bad_line 'the key 99999999999999999999999 is more than 18446744073709551615' '99999999999999999999999 1'
    bad_line 'the size 9223372036854775808 is more than 9223372036854775807' '1 9223372036854775808'
    bad_line 'the size 18446744073709551616 is more than 18446744073709551615' '1 18446744073709551616'
    bad_line 'the work 18446744073709551616 is more than 18446744073709551615' '1 2 18446744073709551616'
    bad_line 'all keys together have a size of more than 9223372036854775807' '2 9223372036854775807'
    bad_line 'a work, which the first request, in line 2, does not have' '1 2 3'
    bad_line 'the line is longer than 4096 bytes' "$(printf '%5000s' '')1 2"
    bad_line 'the line is longer than 4096 bytes' "#$(printf '%5000s' '')"
    printf '# comment\n\n1 10 5\n2 20\n' >bad.txt
    bad 'bad\.txt:4: no work, which the first request, in line 3, has' replay bad.txt --fraction 1
    { cat half half && echo '1 1 x'; } | zstd -q >bad.zst
    bad "bad\.zst:60001: the work 'x' $not_a_number" replay bad.zst --fraction 1
    bad "-:60001: the work 'x' $not_a_number" replay - --fraction 1 <bad.zst
    # Nothing is replayed if the last of several traces is bad.
    bad "bad\.zst:60001: .*" replay small.txt bad.zst --fraction 1
}

if [ "${2-}" = threads ]; then
    play_together
else
    count_by_hand
    count_works
    read_all_ways
    play_together
    refuse_command_lines
    refuse_files
    refuse_lines
fi
echo "replay: $checks checks, $failures failed"
[ "$failures" -eq 0 ]
