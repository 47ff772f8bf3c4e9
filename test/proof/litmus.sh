#!/usr/bin/env bash
# litmus.sh HARNESS SCHEDULES SECONDS SEED DIRECTORY
# Run a Relacy harness: SCHEDULES random schedules, which its parts share, and all that are within each part's bound, for
# SECONDS at the most.  What came of it is DIRECTORY/litmus-HARNESS.result: STATUS|PARTS|AT_3|WHAT, where the status is
# `passed', or `late' if only the time was too short, or `failed'; of so many parts so many have all at bound 3 or more.
set -uo pipefail
log=$5/litmus-$1.log
result=$5/litmus-$1.result

# How many schedules of a kind the log has, and of how many parts.
sum() { sed -nE "s/^.* $1: ([0-9]+) schedules.*/\1/p" "$log" | awk '{ n += $1 } END { printf "%d", n }'; }
count() { grep -cE " $1: [0-9]+ schedules" "$log"; }

status=0
timeout "$3" "build/litmus/$1" "release=$2" "seed=$4" >"$log" 2>&1 || status=$?
parts=$(count random)
at_3=$(count 'all at bound [3-9]')
what="$(sum random) random; all at bound 3 in $at_3 of $parts parts: $(sum 'all at bound [3-9]'), at 0 to 2 in the others: $(sum 'all at bound [0-2]')"
case $status in
0) verdict=passed ;;
1) verdict=failed what="seed $4, a schedule failed: $log" ;;
2) verdict=failed what="seed $4, $(grep -E ': nothing interesting$' "$log" | tail -n 1): $log" ;;
124) verdict=late what+="; not complete after $3 s" ;;
*) verdict=failed what="seed $4, status $status: $log" ;;
esac
echo "$verdict|$parts|$at_3|$what" >"$result"
