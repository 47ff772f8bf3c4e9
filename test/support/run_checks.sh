#!/usr/bin/env bash
# run_checks.sh GROUP...
# Build and run groups of checks: strict static layers exports test refused litmus planted linear fiber mutation stress
# render replay top fuzz cpp examples docs tiles package; and coverage, which counts for test/coverage/coverage.py.
# One line a step; the output of a failing one after its line, and all output in build/check/.
# The last line is `N passed, N failed'; the exit status is 0 only if nothing failed.
#
# VARIANTS         the variants that `test' builds and runs (all)
# TESTS_SAMPLED    yes: in each only what that has most to say about
# AGAIN_EVERY      of the harnesses on fibers every n-th is run twice with the same seeds (1)
# LINEAR_OPERATIONS
#                  for `linear' (3000000)
# STRESS_THREADS, STRESS_SECONDS, STRESS_SEED
#                  for `stress'
# MUTATION_SAMPLE, MUTATION_SEED
#                  how many mutants `mutation' draws, and which (100, 1)
# FUZZ_SECONDS     for `fuzz': so long each (12)
# FUZZ_RUNS        or so many inputs each; 0: no new ones
# SEQUENCES, FUZZ_SEQUENCES
#                  random sequences of operations beside: natively, and with sanitizers (5000000, 200000)
# REFUSED_MODES    how membarrier(2) is refused in `refused': 1 never there, 2 refused later ("1 2")
# FUZZ_KEEP        a directory: what is found there goes to NAME below it, and is begun from
# LITMUS_SCHEDULES random ones of each part of a harness (as each says)
# PLANT_EVERY      of the planted bugs every n-th (1)
# PACKAGE_PARTS    parts of test/package/check.sh, and `broken', for `package' (blocks installed found)
# PLANT_RUNS       how often each planted bug must be caught, with other schedules each time (1)
# CPP_VARIANTS     which of CPP_ALL in the Makefile (all)
# EXAMPLES_IN      the variants that `examples' builds and runs (release asan tsan)
# TILES_BROWSER    no: `tiles' without the browser
# JOBS             how many steps run at a time (one for each processor)
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2

jobs=${JOBS:-$(nproc)}
stress_options=(--threads "${STRESS_THREADS:-4}" --seconds "${STRESS_SECONDS:-5}" --seed "${STRESS_SEED:-1}")
variants=${VARIANTS:-release debug asan tsan}
logs=build/check
mkdir -p "$logs"

# A make above us may have a job server: not for us, who have our own number of jobs.
MAKEFLAGS=$(printf '%s' "${MAKEFLAGS:-}" | sed -E 's/--jobserver-[a-z]+=[^ ]+//; s/(^| )-j[0-9]*//')
export MAKEFLAGS
unset MAKELEVEL
export CK_DEFAULT_TIMEOUT=100
# Not every clang finds its own symbolizer; addr2line comes with any compiler.
symbols=external_symbolizer_path=$(command -v addr2line)
export ASAN_OPTIONS=$symbols:detect_leaks=1:${ASAN_OPTIONS:-}
export UBSAN_OPTIONS=$symbols:print_stacktrace=1:${UBSAN_OPTIONS:-}
# fork takes every lock, and ThreadSanitizer's deadlock detector ends the program at the 64th: the order of locks is
# checked by their ranks (lib/base/lock.c), in the debug build.
export TSAN_OPTIONS=$symbols:halt_on_error=1:die_after_fork=0:detect_deadlocks=0:${TSAN_OPTIONS:-}

# The ThreadSanitizer of older compilers fails under much randomisation of addresses.
fixed_addresses=()
if setarch -R true 2>/dev/null; then
    fixed_addresses=(setarch -R)
fi

ask_make() { make -s --no-print-directory "print-$1"; }

# ---- Steps: what to do, in parallel arrays ------------------------------------------------------------------

build_steps=() # each run alone, itself parallel
run_steps=()   # run $jobs at a time
declare -A label=() limit=() command=() expected=()

# step LIST LABEL NAME LIMIT EXPECTED COMMAND...
# EXPECTED is `pass'; or `caught': the program must end, by itself, with a failure; or `violated': with status 1.
step() {
    local -n list=$1
    local id=$2.${3//\//.}
    local name=${3#build/}
    name=${name#test/*/}
    list+=("$id")
    label[$id]=$(printf '%-7s  %s' "$2" "$name")
    limit[$id]=$4
    expected[$id]=$5
    shift 5
    command[$id]=$(printf '%q ' "$@")
}

# Once, also if several groups need it.
build() {
    [[ " ${build_steps[*]} " != *" build.${1//\//.} "* ]] || return 0
    step build_steps build "$1" 900 pass make -k -s --no-print-directory -j"$jobs" "$1"
}

# run_in VARIANT NAME LIMIT COMMAND...
run_in() {
    local variant=$1 name=$2 seconds=$3 environment=(env)
    shift 3
    case $variant in
    asan) environment=(env CK_FORK=no) ;;
    tsan) environment=("${fixed_addresses[@]}" env CK_FORK=no) ;;
    esac
    step run_steps "$variant" "$name" "$seconds" pass "${environment[@]}" "$@"
}

plan_strict() {
    build strict-gcc
    build strict-clang
}

plan_static() {
    local tool
    for tool in guards gcc cppcheck tidy clang; do
        build "static-$tool"
    done
    step run_steps static wrong 60 pass test/static/check.sh "$(ask_make STRICT_CC_clang)"
    step run_steps static unlocked 120 pass test/static/unlocked.sh "$(ask_make STRICT_CC_clang)"
}

plan_layers() {
    step run_steps lib layers 60 pass test/support/layers.sh
    step run_steps docs features 60 pass test/support/features.sh
}

plan_exports() {
    build lib
    step run_steps lib exports 60 pass test/support/exports.sh build/release/libbrim.so
    step run_steps lib faults 60 pass test/support/faults.sh build/release/libbrim.a
}

plan_test() {
    local variant test tests=tests which=
    [ -z "${TESTS_SAMPLED:-}" ] || tests=sampled which=sampled_
    # The slow variants first, so that no processor is idle at the end.
    for variant in tsan asan debug release; do
        [[ " $variants " == *" $variant "* ]] || continue
        build "$tests-$variant"
        for test in $(ask_make "TESTS_$which$variant"); do
            run_in "$variant" "$test" 400 "build/$variant/$test"
        done
    done
}

# Without membarrier(2): 1 never, 2 refused later (test/support/fault.h).  Checking builds do without it anyway.
plan_refused() {
    local test mode
    build refused-release
    for test in $(ask_make REFUSED); do
        for mode in ${REFUSED_MODES:-1 2}; do
            step run_steps release "refused/$test/$mode" 120 pass env FAULT_MEMBARRIER="$mode" \
                "build/release/test/refused/$test"
        done
    done
}

plan_litmus() {
    local harness
    build programs-litmus
    for harness in $(ask_make LITMUS); do
        # shellcheck disable=SC2086 # nothing, or a number
        step run_steps litmus "$harness" 240 pass "build/litmus/$harness" ${LITMUS_SCHEDULES:-}
    done
}

# Every PLANT_EVERY-th of the lines.
sampled() { awk -v n="${PLANT_EVERY:-1}" 'NR % n == 0'; }

plan_planted() {
    local harness plant rest
    build programs-litmus
    step run_steps litmus complete 300 pass test/litmus/complete.sh
    while read -r harness plant rest; do
        step run_steps planted "$harness  $plant" $((240 + 20 * ${PLANT_RUNS:-1})) violated \
            "build/litmus/$harness" "plant=$plant" "runs=${PLANT_RUNS:-1}"
    done < <(grep '^[a-z]' test/litmus/plants.txt | sampled)
}

# LINEAR_OPERATIONS: three million together; most where the library yields, and a few where it is slow.
plan_linear() {
    local n=${LINEAR_OPERATIONS:-3000000} plant
    build build/debug/test/linear/test_linear
    build build/debug/brim-linear
    build build/asan/brim-linear
    build build/tsan/brim-linear
    run_in debug linear-self 120 build/debug/test/linear/test_linear
    run_in tsan linear 900 build/tsan/brim-linear --operations $((n / 15)) --save "$logs/linear-tsan.history"
    run_in asan linear 900 build/asan/brim-linear --operations $((n * 9 / 15)) --save "$logs/linear-asan.history"
    run_in debug linear 900 build/debug/brim-linear --operations $((n * 5 / 15)) --save "$logs/linear-debug.history"
    for plant in $(ask_make LINEAR_PLANTS | tr ' ' '\n' | sampled); do
        build "build/asan/brim-linear.$plant"
        step run_steps linear "$plant" 900 violated "build/asan/brim-linear.$plant" --operations 12000000 --model exact \
            --save "$logs/linear-$plant.history"
    done
}

plan_fiber() {
    local variant harness plant program
    for variant in fiber-tsan fiber-asan; do
        build "programs-$variant"
        for harness in $(ask_make FIBERS); do
            step run_steps "$variant" "$harness" 180 pass "${fixed_addresses[@]}" "build/$variant/fiber/$harness"
        done
        for harness in $(ask_make FIBERS | tr ' ' '\n' | awk -v n="${AGAIN_EVERY:-1}" 'NR % n == 1 % n'); do
            program=build/$variant/fiber/$harness
            step run_steps "$variant" "$harness.again" 60 pass "${fixed_addresses[@]}" test/fiber/again.sh "$program"
        done
    done
    for plant in $(ask_make FIBER_PLANTS | tr ' ' '\n' | sampled); do
        step run_steps fiber "$plant" 180 caught "${fixed_addresses[@]}" "build/fiber-tsan/fiber/${plant%.*}" \
            30000 1 "${plant#*.}"
    done
    step run_steps fiber failing-again 60 pass "${fixed_addresses[@]}" test/fiber/again.sh \
        build/fiber-tsan/fiber/budget budget_check_then_take
}

plan_mutation() {
    build programs-mutation
    step run_steps lib mutation 300 pass test/mutation/mutate.py \
        --sample "${MUTATION_SAMPLE:-100}" "${MUTATION_SEED:-1}" --jobs 1
}

plan_coverage() {
    local test variant
    build programs-coverage
    find build/coverage-* -name '*.gcda' -delete 2>/dev/null
    for test in $(ask_make COVERAGE_TESTS); do
        variant=${test#build/}
        run_in "${variant%%/*}" "${test#build/*/}" 600 "$test"
    done
}

plan_stress() {
    [[ " $(ask_make PROGRAMS) " == *" brim-bench "* ]] || return 0
    local variant
    for variant in tsan asan; do
        build "build/$variant/brim-bench"
        run_in "$variant" stress $((${STRESS_SECONDS:-5} + 120)) "build/$variant/brim-bench" stress "${stress_options[@]}"
    done
    # Many threads that ask for eight keys.
    run_in tsan stress-loading $((${STRESS_SECONDS:-5} + 120)) build/tsan/brim-bench stress "${stress_options[@]}" \
        --shape loading --threads 64
}

plan_render() {
    [[ " $(ask_make PROGRAMS) " == *" brim-render "* ]] || return 0
    build build/debug/brim-render
    run_in debug render 120 test/render/check.sh build/debug/brim-render
}

plan_replay() {
    [[ " $(ask_make PROGRAMS) " == *" brim-bench "* ]] || return 0
    build build/tsan/brim-bench
    build build/asan/brim-bench
    run_in tsan replay 120 test/replay/check.sh build/tsan/brim-bench threads
    run_in asan replay 120 test/replay/check.sh build/asan/brim-bench
}

plan_top() {
    [[ " $(ask_make PROGRAMS) " == *" brim-bench "* ]] || return 0
    local program programs=()
    for program in libbrim.so brim-instructions obj/libinside.a; do
        build "build/release/$program"
    done
    # shellcheck disable=SC2046 # words
    run_in release trace 180 test/trace/check.sh build/release/libbrim.so gcc $(ask_make STANDARD) \
        $(ask_make FLAGS_release) -Iinclude -Ilib -fPIC -fvisibility=hidden
    if [[ " $(ask_make PROGRAMS) " != *" brim-top "* ]]; then
        echo 'brim-top is left out: its packages are missing (libncurses-dev, libjansson-dev)'
        return 0
    fi
    for program in brim-bench brim-render brim-top; do
        build "build/release/$program"
        programs+=("build/release/$program")
    done
    run_in release top 120 test/top/check.sh build/release/brim-bench build/release/brim-top
    run_in release terminal 120 test/top/terminal.py build/release/brim-top
    run_in release completion 120 test/top/completion.sh "${programs[@]}"
}

# What was found before, and what was once wrong, and then new inputs, from a fixed seed.
plan_fuzz() {
    local fuzzer
    build build/sequences/sequences
    step run_steps fuzz sequences-native 7200 pass build/sequences/sequences "${SEQUENCES:-5000000}"
    if ! test/support/setup.sh present fuzz | grep -x clang >/dev/null; then
        echo 'fuzz is left out: no clang with libFuzzer (clang-19 and libclang-rt-19-dev)'
        return 0
    fi
    for fuzzer in $(ask_make FUZZERS); do
        build "build/fuzz/$fuzzer"
        step run_steps fuzz "$fuzzer" $((${FUZZ_SECONDS:-12} * 4 + 600)) pass test/fuzz/run.sh "$fuzzer"
    done
    build build/fuzz/sequences
    step run_steps fuzz sequences 7200 pass build/fuzz/sequences "${FUZZ_SEQUENCES:-200000}"
}

# include/brim.hpp: CPP_VARIANTS of the tests, what must not compile, and the page's blocks.  All of it by both compilers,
# unless CPP_VARIANTS is set: that is a sample.
plan_cpp() {
    local variant compiler other
    compiler=$(ask_make CXX)
    other=$(ask_make CXX_clang)
    for variant in ${CPP_VARIANTS:-$(ask_make CPP_ALL)}; do
        build "build/cpp/$variant/tests"
        case $variant in
        tsan*) run_in tsan "cpp-$variant" 300 "build/cpp/$variant/tests" ;;
        bare) run_in release "cpp-$variant" 120 "build/cpp/$variant/tests" ;;
        *) run_in asan "cpp-$variant" 300 "build/cpp/$variant/tests" ;;
        esac
    done
    build build/cpp/gcc20/tests
    build build/release/libbrim.a
    step run_steps cpp reached 60 pass test/cpp/reached.sh build/cpp/gcc20
    step run_steps cpp blocks-20 300 pass test/cpp/blocks.sh 20 "$compiler"
    if [ -n "${CPP_VARIANTS:-}" ]; then
        step run_steps cpp refused 300 pass test/cpp/refused.sh "$compiler" 5
        return
    fi
    step run_steps cpp blocks-17 300 pass test/cpp/blocks.sh 17 "$compiler"
    step run_steps cpp blocks-clang 300 pass test/cpp/blocks.sh 20 "$other"
    step run_steps cpp refused 600 pass test/cpp/refused.sh "$compiler"
    step run_steps cpp refused-clang 600 pass test/cpp/refused.sh "$other"
}

# What the documentation says: its code compiles and runs, its links lead somewhere, its commands are there; the pages that
# are made from the headers' comments have no errors.
plan_docs() {
    local check
    build build/release/libbrim.a
    build build/release/brim-bench
    build build/release/brim-render
    build build/release/brim-tiles
    build man
    build build/tiles/man1/brim-tiles.1
    build build/api/index.html
    for check in blocks links commands figures self; do
        step run_steps docs "$check" 120 pass test/docs/check.py "$check"
    done
    step run_steps docs man 120 pass test/docs/man.sh build/man build/tiles/man1/brim-tiles.1
    step run_steps docs reference 60 pass test/docs/reference.py
}

# What docs/examples has, each as its README says it; and what docs/PORTING.md quotes of it.
plan_examples() {
    local variant example
    for example in $(ask_make EXAMPLES_LEFT_OUT); do
        echo "the example ${example%/*} is left out: its packages are not there (make peers)"
    done
    for variant in ${EXAMPLES_IN:-$(ask_make EXAMPLES_VARIANTS)}; do
        build "examples-$variant"
        for example in $(ask_make EXAMPLES); do
            run_in "$variant" "example-$example" 120 test/examples/check.sh "build/$variant/examples/$example" \
                "docs/examples/${example%/*}/README.md"
        done
    done
    step run_steps docs porting 60 pass test/examples/excerpts.py docs/PORTING.md
}

# The tile server, and its page where there is a browser.
plan_tiles() {
    local variant
    if ! pkg-config --exists libmicrohttpd librsvg-2.0; then
        echo 'tiles is left out: no libmicrohttpd-dev or librsvg2-dev'
        return 0
    fi
    build strict-tiles
    build build/release/brim-tiles
    build build/tiles/man1/brim-tiles.1
    run_in release tiles-completion 60 test/top/completion.sh build/release/brim-tiles
    for variant in asan tsan; do
        build "build/$variant/brim-tiles"
        run_in "$variant" tiles 300 test/tiles/check.py "build/$variant/brim-tiles"
    done
    if [ "${TILES_BROWSER:-yes}" = no ]; then
        echo 'tiles-browser is left out: make tiles has it'
    elif [ "$(test/support/setup.sh present browser | grep -c '^chromium')" -eq 2 ]; then
        run_in release tiles-browser 400 test/tiles/browser.py build/release/brim-tiles
    else
        echo 'tiles-browser is left out: no chromium with its driver (test/support/setup.sh browser)'
    fi
}

# What is installed, the builds that use it, and its ABI.
plan_package() {
    local part
    build lib
    step run_steps package abi 600 pass lib/package/abi.sh build/release/libbrim.so include
    for part in ${PACKAGE_PARTS:-blocks installed found}; do
        case $part in
        broken) step run_steps package "$part" 600 pass test/package/abi.sh ;;
        *) step run_steps package "$part" 900 pass test/package/check.sh "$part" ;;
        esac
    done
}

# ---- Running and reporting ----------------------------------------------------------------------------------

passed=0
failed=0
declare -A running=() started=()

clear_bar() { [ ! -t 1 ] || printf '\r\033[K'; }

# On a terminal: how far we are, in the place of the lines of what passed.
draw_bar() {
    [ -t 1 ] || return 0
    local total=$((${#build_steps[@]} + ${#run_steps[@]})) done=$((passed + failed)) width=30 filled
    filled=$((total ? done * width / total : width))
    printf '\r\033[K[%s%s] %d/%d  %d failed  %s' "$(printf '%*s' "$filled" '' | tr ' ' '#')" \
        "$(printf '%*s' $((width - filled)) '' | tr ' ' '.')" "$done" "$total" "$failed" "$1"
}

# supervise ID: exits with the status of its command, also where that was ended by a signal: of a background job
# that is ended by one, `wait -n' may never tell.
supervise() {
    eval "timeout -k 5 ${limit[$1]} ${command[$1]} &"
    trap 'kill $!' TERM
    wait $!
    exit
}

start() {
    started[$1]=$EPOCHREALTIME
    supervise "$1" </dev/null >"$logs/$1.log" 2>&1 &
    running[$!]=$1
    draw_bar "${label[$1]}"
}

# judge ID STATUS: sets verdict, to nothing if all is well.
judge() {
    verdict=
    if [ "$2" -eq 124 ] || [ "$2" -eq 137 ]; then
        verdict="stopped after ${limit[$1]} s"
    elif [ "$2" -gt 128 ]; then
        verdict="ended by signal $(kill -l $(($2 - 128)) 2>/dev/null || echo $(($2 - 128)))"
    elif [ "$2" -eq 126 ] || [ "$2" -eq 127 ]; then
        verdict="cannot be run: was it built?"
    elif [ "${expected[$1]}" = caught ] && [ "$2" -eq 0 ]; then
        verdict="plant ${1##*.} survived"
    elif [ "${expected[$1]}" = violated ] && [ "$2" -ne 1 ]; then
        verdict="survived (exit status $2)"
    elif [ "${expected[$1]}" = pass ] && [ "$2" -ne 0 ]; then
        verdict="exit status $2"
    fi
}

finish() {
    local id=$1 tenths mark=ok
    tenths=$(((${EPOCHREALTIME/./} - ${started[$id]/./}) / 100000))
    judge "$id" "$2"
    if [ -z "$verdict" ]; then
        passed=$((passed + 1))
        if [ -t 1 ]; then return; fi
    else
        failed=$((failed + 1)) mark=FAIL
    fi
    clear_bar
    printf '%-4s %4d.%ds  %s%s\n' "$mark" $((tenths / 10)) $((tenths % 10)) "${label[$id]}" "${verdict:+: $verdict}"
    [ -z "$verdict" ] || show_log "$logs/$id.log"
}

# The whole of a short log; of a long one the beginning and the end.
show_log() {
    if [ "$(wc -l <"$1")" -le 400 ]; then
        sed 's/^/    | /' "$1"
    else
        head -n 100 "$1" | sed 's/^/    | /'
        echo "    | ... all of it in $1 ..."
        tail -n 300 "$1" | sed 's/^/    | /'
    fi
}

wait_for_one() {
    local pid status=0
    wait -n -p pid "${!running[@]}" || status=$?
    finish "${running[$pid]}" "$status"
    unset "running[$pid]"
}

run_all() { # run_all HOW_MANY_AT_A_TIME ID...
    local at_a_time=$1 id
    shift
    for id in "$@"; do
        while [ "${#running[@]}" -ge "$at_a_time" ]; do wait_for_one; done
        start "$id"
    done
    while [ "${#running[@]}" -gt 0 ]; do wait_for_one; done
}

stop() {
    trap - INT TERM
    clear_bar
    [ "${#running[@]}" -eq 0 ] || kill "${!running[@]}" 2>/dev/null
    wait
    echo "$passed passed, $failed failed, interrupted"
    exit 130
}
trap stop INT TERM

for group in "$@"; do
    "plan_$group" || exit 2
done
run_all 1 "${build_steps[@]}"
run_all "$jobs" "${run_steps[@]}"
clear_bar
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -eq $((${#build_steps[@]} + ${#run_steps[@]})) ]
