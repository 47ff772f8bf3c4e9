#!/usr/bin/env bash
# litmus.sh HARNESS SCHEDULES SECONDS SEED DIRECTORY
# Run a Relacy harness: SCHEDULES random schedules of each of its parts, then all at context bound 3, for SECONDS at the
# most.  What came of it is DIRECTORY/litmus-HARNESS.result: `passed|...' or `failed|...'.
set -uo pipefail
program=build/litmus/$1
log=$5/litmus-$1.log
result=$5/litmus-$1.result

# How many schedules of a kind the log has.
sum() { sed -nE "s/.* $1: ([0-9]+) schedules.*/\1/p" "$log" | awk '{ n += $1 } END { printf "%d", n }'; }

if ! "$program" "$2" 0 "seed=$4" >"$log" 2>&1; then
    echo "failed|seed $4, $2 random schedules: $log" >"$result"
    exit
fi
told="$(sum random) random"
status=0
timeout "$3" "$program" 1 3 "seed=$4" >>"$log" 2>&1 || status=$?
case $status in
0) echo "passed|$told, all at bound 3: $(sum 'all at bound 3')" >"$result" ;;
124) echo "passed|$told; bound 3 not complete after $3 s" >"$result" ;;
*) echo "failed|$told; bound 3: $log" >"$result" ;;
esac
