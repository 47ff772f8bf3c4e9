#!/usr/bin/env bash
# prove.sh [FIGURE...]
# Take the figures of a release, all thirteen or those named by number; print what was reached and write docs/PROOF.md.
# All of them take some hours.  What was taken stays in build/proof, so that they can be taken one after another.
#
# SEED             where random things begin (1)
# SCHEDULES        random schedules of each Relacy harness (10,000,000)
# LITMUS_SECONDS   for each of them, with all its schedules at context bound 3 (7,200)
# PLANT_RUNS       of each planted bug (20)
# TSAN_OPERATIONS  by 16 threads under ThreadSanitizer (32,000,000)
# OPERATIONS       checked for linearizability (30,000,000)
# SEQUENCES        of operations without sanitizers (1,000,000,000), beside FUZZ_SECONDS (3,600) of each fuzzer
# SEQUENCES_JSON   what earlier runs of build/sequences/sequences wrote, files between blanks: they stand for them
# STRESS_SECONDS   of stress by 16 threads, under each sanitizer (600)
# HOURS            of soak (0.5)
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2

SEED=${SEED:-1}
SCHEDULES=${SCHEDULES:-10000000}
LITMUS_SECONDS=${LITMUS_SECONDS:-7200}
export PLANT_RUNS=${PLANT_RUNS:-20}
TSAN_OPERATIONS=${TSAN_OPERATIONS:-32000000}
OPERATIONS=${OPERATIONS:-30000000}
SEQUENCES=${SEQUENCES:-1000000000}
FUZZ_SECONDS=${FUZZ_SECONDS:-3600}
STRESS_SECONDS=${STRESS_SECONDS:-600}
HOURS=${HOURS:-0.5}

proof=build/proof
logs=$proof/logs
mkdir -p "$proof/figures" "$proof/evidence" "$logs"
# This page is written by it: that alone does not count as changed.
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
git diff --quiet HEAD -- . ':!docs/PROOF.md' 2>/dev/null || commit+=-dirty
checks=test/support/run_checks.sh
ask_make() { make -s --no-print-directory "print-$1"; }
thousands() { sed -E ':a; s/([0-9])([0-9]{3})($|,)/\1,\2\3/; ta' <<<"$1"; }
export LC_ALL=C

# ---- What was done, and what came of it ---------------------------------------------------------------------

# evidence NAME RESULT HOW_OFTEN SEED
evidence() {
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$(date -u '+%Y-%m-%d %H:%M')" "$commit" \
        >"$proof/evidence/${1//\//.}"
}

# figure NUMBER VERDICT WHAT_WAS_REACHED: the verdict is `reached' or `missed'.
figure() {
    printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$commit" >"$proof/figures/$1"
    echo "$1: $2: $3"
}

# verdict BAD: nothing bad is reached.
verdict() { [ "$1" -eq 0 ] && echo reached || echo missed; }

# checked GROUP [NAME]: the group of checks, as evidence; sets summary.
checked() {
    local status=0
    "$checks" "$1" >"$logs/$1.log" 2>&1 </dev/null || status=1
    summary=$(tail -n 1 "$logs/$1.log")
    evidence "${2:-$1}" "$([ "$status" -eq 0 ] && echo passed || echo failed)" "$summary" "${SEED}"
    return "$status"
}

# noted GROUP VARIANT STEP NAME HOW_OFTEN SEED: one of the group that was checked last, as evidence.
noted() {
    evidence "$4" "$(grep -qE "^ok +[0-9.]+s +$2 +$3\$" "$logs/$1.log" && echo passed || echo failed)" "$5" "$6"
}

# ---- The figures --------------------------------------------------------------------------------------------

figure_1() {
    local bad=0 files relacy
    files=$(ask_make LIB_SRC | wc -w)
    make -s -k --no-print-directory -j"$(nproc)" lib build/tsan/libbrim.a programs-fiber-tsan programs-fiber-asan \
        programs-litmus >"$logs/backends.log" 2>&1 || bad=1
    relacy=$(cat build/litmus/*.d | grep -oE '\<lib/[a-z]+/[a-z_]+\.c' | sort -u | wc -l)
    checked layers || bad=1
    on_fibers || bad=1
    figure 1 "$(verdict $bad)" "all $files files native, with yields and on fibers; $relacy of them, which the harnesses need, over Relacy"
}

# The harnesses on fibers, each of them in the schedules that it says.
on_fibers() {
    local status=0 harness variant
    checked fiber || status=1
    for harness in $(ask_make FIBERS); do
        for variant in fiber-tsan fiber-asan; do
            noted fiber "$variant" "$harness" "fiber/$harness/${variant#fiber-}" \
                "$(sed -nE 's/^[a-z]+: ([0-9]+ schedules of about [0-9]+ steps);.*/\1/p' "build/check/$variant.$harness.log")" '1 on'
        done
    done
    return "$status"
}

# Reached: in every harness all that are within each part's bound, and bound 3 in a part of it, at least; parts that are
# larger have smaller ones beside them.
figure_2() {
    local harness bad=0 all=0 parts=0 at_3=0 harnesses=0 left= status of bounded what
    make -s --no-print-directory -j"$(nproc)" programs-litmus >"$logs/litmus.log" 2>&1 || bad=1
    rm -f "$logs"/litmus-*.result
    for harness in $(ask_make LITMUS); do echo "$harness"; done |
        xargs -P "$(nproc)" -I{} test/proof/litmus.sh {} "$SCHEDULES" "$LITMUS_SECONDS" "$SEED" "$logs"
    for harness in $(ask_make LITMUS); do
        all=$((all + 1))
        IFS='|' read -r status of bounded what <"$logs/litmus-$harness.result" || status=failed of=0 bounded=0 what='not run'
        evidence "litmus/$harness" "${status/late/passed}" "$what" "$SEED"
        [ "$status" != failed ] || bad=1
        parts=$((parts + of)) at_3=$((at_3 + bounded))
        if [ "$status" = passed ] && [ "$bounded" -gt 0 ]; then harnesses=$((harnesses + 1)); else left+=" $harness"; fi
    done
    [ "$all" -ge 10 ] && [ -z "$left" ] && [ "$SCHEDULES" -ge 10000000 ] || bad=1
    figure 2 "$(verdict $bad)" "$all harnesses, $(thousands "$SCHEDULES") random schedules each; bound 3 complete in $harnesses ($at_3 of $parts parts, the others, which are larger, at 0 to 2)${left:+, not in$left}"
}

figure_3() {
    local bad=0 none
    checked planted || bad=1
    [ "$PLANT_RUNS" -ge 20 ] || bad=1
    none=$(grep -c '^-' test/litmus/plants.txt)
    [ "$none" -eq 0 ] || bad=1
    figure 3 "$(verdict $bad)" "$(grep -c '^ok .* planted' "$logs/planted.log") planted bugs caught in $PLANT_RUNS of $PLANT_RUNS runs, $(grep -c '^FAIL .* planted' "$logs/planted.log") not; $none for which no harness is known (test/litmus/plants.txt)"
}

figure_4() {
    local bad=0 test variant
    for test in $(ask_make FAULT_TESTS); do
        for variant in debug tsan; do ran "$variant" "$test" || bad=1; done
    done
    checked exports || bad=1
    checked refused || bad=1
    figure 4 "$(verdict $bad)" "each call that can fail did, once and from then on, through every public function"
}

# checks_of LOG: how many tests a program had.
checks_of() { grep -oE 'Checks: [0-9]+' "$1" | head -1; }

# ran VARIANT TEST: a test program of that variant, as evidence.
ran() {
    local name=${2#test/} status=0 log
    log=$logs/${name//\//.}-$1.log
    make -s --no-print-directory "build/$1/$2" >"$log" 2>&1 || status=1
    CK_FORK=no CK_DEFAULT_TIMEOUT=600 timeout 1200 "${fixed_addresses[@]}" "build/$1/$2" >>"$log" 2>&1 || status=1
    evidence "$name/$1" "$([ $status -eq 0 ] && echo passed || echo failed)" "$(checks_of "$log")" -
    return $status
}

fixed_addresses=()
if setarch -R true 2>/dev/null; then
    fixed_addresses=(setarch -R)
fi
export TSAN_OPTIONS=halt_on_error=1:die_after_fork=0:detect_deadlocks=0

# linear VARIANT OPERATIONS: sets summary.
linear() {
    local status=0 json=$logs/linear-$1.json
    make -s --no-print-directory -j"$(nproc)" "build/$1/brim-linear" >"$logs/linear-$1.log" 2>&1
    "${fixed_addresses[@]}" "build/$1/brim-linear" --operations "$2" --threads 16 --seed "$SEED" --json "$json" \
        --save "$logs/linear-$1.history" >>"$logs/linear-$1.log" 2>&1 || status=$?
    summary="$(thousands "$(jq -r '.operations // 0' "$json" 2>/dev/null || echo 0)") operations in both models, $(jq -r '.overlapping_percent // 0' "$json" 2>/dev/null || echo 0) % overlapping"
    evidence "linear/$1" "$([ $status -eq 0 ] && echo passed || echo failed)" "$summary" "$SEED"
    return "$status"
}

# stress VARIANT THREADS [OPTIONS...]: sets summary.
stress() {
    local variant=$1 threads=$2 status=0 json=$logs/stress-$1.json
    shift 2
    make -s --no-print-directory -j"$(nproc)" "build/$variant/brim-bench" >"$logs/stress-$variant.log" 2>&1
    "${fixed_addresses[@]}" "build/$variant/brim-bench" stress --threads "$threads" --seed "$SEED" --json "$json" "$@" \
        >>"$logs/stress-$variant.log" 2>&1 || status=$?
    summary="$(thousands "$(jq -r '.operations // 0' "$json" 2>/dev/null || echo 0)") operations of $threads threads"
    watched=$(thousands "$(jq -r '.compared // 0' "$json" 2>/dev/null || echo 0)")
    evidence "stress/$variant" "$([ $status -eq 0 ] && echo passed || echo failed)" "$summary" "$SEED"
    return "$status"
}

# All tests of a variant; those of the guarantees also as evidence of their own.
tests_in() {
    local status=0 test
    VARIANTS=$1 checked test "tests/$1" || status=1
    for test in $(ask_make "TESTS_$1"); do
        [[ $test != test/guarantee/* ]] ||
            noted test "$1" "${test##*/}" "${test#test/}/$1" "$(checks_of "build/check/$1.${test//\//.}.log")" -
    done
    return "$status"
}

figure_5() {
    local bad=0 first
    tests_in tsan || bad=1
    stress tsan 16 --seconds "$STRESS_SECONDS" || bad=1
    first=$summary
    linear tsan "$TSAN_OPERATIONS" || bad=1
    [ "$TSAN_OPERATIONS" -ge 32000000 ] || bad=1
    figure 5 "$(verdict $bad)" "no report, nothing suppressed: all tests; $first; $summary of 16 threads"
}

figure_6() {
    local bad=0
    linear asan "$OPERATIONS" || bad=1
    [ "$OPERATIONS" -ge 30000000 ] || bad=1
    figure 6 "$(verdict $bad)" "$summary"
}

figure_7() {
    local bad=0 text=
    for variant in release asan; do
        stress "$variant" 16 --seconds "$STRESS_SECONDS" || bad=1
        text+="$variant: $summary, used compared $watched times; "
    done
    figure 7 "$(verdict $bad)" "${text%; }"
}

figure_8() {
    local bad=0
    make -s --no-print-directory coverage >"$logs/coverage.log" 2>/dev/null || bad=1
    summary=$(tail -n 1 "$logs/coverage.log" | awk '{ print $2 " of " $1 " branches taken, " $3 " %" }')
    evidence coverage "$([ $bad -eq 0 ] && echo passed || echo failed)" "$summary" -
    figure 8 "$(verdict $bad)" "$summary"
}

# How many source files are mutated; headers, which are listed too, do not count.
mutated() { sed -n 's/^\(lib\/[a-z_\/]*\) .*/\1.c/p' test/mutation/tests.txt | xargs ls 2>/dev/null | wc -l; }

figure_9() {
    local bad=0 files all
    make -s --no-print-directory mutation >"$logs/mutation.log" 2>/dev/null || bad=1
    summary=$(tail -n 1 "$logs/mutation.log" | awk '{ print $1 " mutants, " $2 " killed, " $3 " explained, " $4 " not" }')
    files=$(mutated)
    all=$(ask_make LIB_SRC | wc -w)
    [ "$files" -eq "$all" ] || bad=1
    summary+="; $files of $all files"
    evidence mutation "$([ $bad -eq 0 ] && echo passed || echo failed)" "$summary" -
    figure 9 "$(verdict $bad)" "$summary"
}

# fuzzed NAME: sets summary, to a number and what it counts.
fuzzed() {
    local status=0
    make -s --no-print-directory -j"$(nproc)" "build/fuzz/$1" >"$logs/fuzz-$1.log" 2>&1 || status=1
    FUZZ_SECONDS=$FUZZ_SECONDS test/fuzz/run.sh "$1" >>"$logs/fuzz-$1.log" 2>&1 || status=1
    summary="$(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/fuzz-$1.log" | tail -n 1) inputs"
    evidence "fuzz/$1" "$([ $status -eq 0 ] && echo passed || echo failed)" "$summary" 1
    return "$status"
}

# What runs of build/sequences/sequences wrote, as one; wrong if two of them had the same sequences.
sum_of_runs() {
    jq -s 'sort_by(.first) | {
        wrong: (any(.[]; .wrong) or any(range(1; length) as $i | .[$i - 1].first + .[$i - 1].sequences > .[$i].first; .)),
        sequences: (map(.sequences) | add), steps: (map(.steps) | add), from: map("\(.first) on") | join(", ")}' "$@"
}

# SEED 2 has those that come after SEED 1's.  Sets sequences and summary.
native_sequences() {
    local status=0 sum first=$(((SEED - 1) * SEQUENCES + 1)) files
    read -ra files <<<"${SEQUENCES_JSON:-$logs/sequences.json}"
    if [ -z "${SEQUENCES_JSON:-}" ]; then
        make -s --no-print-directory -j"$(nproc)" build/sequences/sequences >"$logs/sequences.log" 2>&1 || status=1
        build/sequences/sequences --processes "$(nproc)" --json "${files[0]}" "$SEQUENCES" "$first" >>"$logs/sequences.log" 2>&1 || status=1
    fi
    sum=$(sum_of_runs "${files[@]}") && [ "$(jq -r .wrong <<<"$sum")" = false ] || status=1
    sequences=$(jq -r '.sequences // 0' <<<"${sum:-{\}}")
    summary="$(thousands "$sequences") sequences of $(jq -r '.steps / .sequences * 10 | round / 10' <<<"$sum" 2>/dev/null || echo 0) operations"
    evidence sequences "$([ $status -eq 0 ] && echo passed || echo failed)" "$summary" "$(jq -r '"from \(.from)"' <<<"$sum" 2>/dev/null)"
    return "$status"
}

figure_10() {
    local bad=0 name fuzzed=0
    for name in $(ask_make FUZZERS); do
        fuzzed "$name" || bad=1
        [ "$name" != operations ] || fuzzed=${summary%% *}
    done
    native_sequences || bad=1
    [ "$sequences" -ge 1000000000 ] || bad=1 summary+=" (all take ${takes[10]})"
    figure 10 "$(verdict $bad)" "$summary, and $(thousands "$fuzzed") by libFuzzer under sanitizers, which has $FUZZ_SECONDS s for each fuzzer"
}

# docs/TESTING.md has the table of counters: `make exports' checks that the tests it names exist, and here they run.
figure_11() {
    local bad=0 test
    for test in $(ask_make TESTS | tr ' ' '\n' | grep -E '/test_(counters|entry|frame|stale|clock|time)$'); do
        ran debug "$test" || bad=1
        ran tsan "$test" || bad=1
    done
    figure 11 "$(verdict $bad)" "$(grep -cE '^\| .* \| [0-9, –]+ \| ' docs/TESTING.md) counters taken over their end"
}

figure_12() {
    local bad=0
    checked static || bad=1
    figure 12 "$(verdict $bad)" "$summary"
}

figure_13() {
    local bad=0
    make -s --no-print-directory soak HOURS="$HOURS" >"$logs/soak.log" 2>&1 || bad=1
    summary=$(grep -E '^memory' "$logs/soak.log" | tr -s ' ' | paste -sd';')
    awk "BEGIN { exit !($HOURS >= 0.5) }" || bad=1
    evidence soak "$([ $bad -eq 0 ] && echo passed || echo failed)" "$HOURS h: $summary" "$SEED"
    figure 13 "$(verdict $bad)" "$HOURS h: $summary"
}

# ---- The page -----------------------------------------------------------------------------------------------

asked=('' 'one header of atomics and locks, four back ends'
    '10 Relacy harnesses, 10 million random schedules each, context bound 3 complete'
    '20 planted bugs, every acquire and release among them, caught in 20 of 20 runs'
    'every nth allocation and initialisation fails, once and for good, in every public call'
    'ThreadSanitizer with yields: 16 threads x 2 million operations, no report, no suppression'
    '30 million operations checked for linearizability, 30 % overlapping, with and without eviction'
    'G4 watched through all stress, with values that allocate what they cost'
    '100 % of the branches of lib/'
    'branch mutation: all killed or explained'
    'a billion sequences of operations fuzzed against a model'
    'counters preset next to their end'
    'no warning of static analysis'
    'half an hour of soak: nothing lost, memory flat')

# What those take that are left out most easily, on two cores.
declare -A takes=([2]='some 50 minutes of processor time' [5]='20 minutes for the 32 million operations alone'
    [9]="every file of lib/ in test/mutation/tests.txt, which has $(mutated) of $(ask_make LIB_SRC | wc -w)"
    [10]='six hours of processor time')

row() { # row NUMBER: verdict, what was reached, commit
    if [ -f "$proof/figures/$1" ]; then
        cut -f2- "$proof/figures/$1"
    else
        printf 'not taken\t%s\t\n' "${takes[$1]:+it takes ${takes[$1]}}"
    fi
}

print_table() {
    local n verdict reached at
    for n in {1..13}; do
        IFS=$'\t' read -r verdict reached at < <(row "$n")
        printf '%2d  %-9s  ' "$n" "$verdict"
        printf '%s\n' "${asked[$n]}" | fold -s -w 64 | sed '2,$s/^/               /'
        [ -z "$reached" ] || printf '%s\n' "$reached" | fold -s -w 64 | sed 's/^/               /'
    done
}

# of NAME_OR_PATTERN...: rows of evidence; of what there is none of, one that says so.
of() {
    local pattern file name
    set +f
    for pattern in "$@"; do
        name=${pattern%\*}
        for file in "$proof"/evidence/${pattern//\//.}; do
            if [ -f "$file" ]; then cat "$file"; else printf '%s\tnot taken\t\t\t\t\n' "${name%/}"; fi
        done
    done
}

write_page() {
    local n verdict reached at name text shows what result often seed when
    echo '# Proof'
    echo
    echo "What \`make prove\` reached, and for each guarantee what shows it. Written by it: [TESTING.md](TESTING.md) says what"
    echo 'each of these does, and how to run it alone.'
    echo
    echo '## Figures'
    echo
    echo '| # | asked | | reached | commit |'
    echo '|--|--|--|--|--|'
    for n in {1..13}; do
        IFS=$'\t' read -r verdict reached at < <(row "$n")
        echo "| $n | ${asked[$n]} | **$verdict** | $reached | $at |"
    done
    echo
    echo '## Guarantees'
    while IFS='|' read -r name text shows; do
        [[ $name == G* ]] || continue
        echo
        echo "**${name% }**: ${text# }"
        echo
        echo '| by | | how often | seed | when (UTC) |'
        echo '|--|--|--|--|--|'
        # shellcheck disable=SC2086 # patterns and names, apart
        set -f
        of $shows | while IFS=$'\t' read -r what result often seed when at; do
            echo "| $what | $result | $often | $seed | $when |"
        done
        set +f
    done <test/proof/guarantees.txt
}

[ $# -gt 0 ] || set -- {1..13}
for n in "$@"; do
    case $n in
    [1-9] | 1[0-3]) "figure_$n" ;;
    *) echo "prove.sh: no figure $n" >&2; exit 2 ;;
    esac
done
write_page >docs/PROOF.md
print_table
! grep -qv $'\treached\t' "$proof"/figures/* && [ "$(ls "$proof/figures" | wc -l)" -eq 13 ]
