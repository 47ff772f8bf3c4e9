#!/usr/bin/env bash
# again.sh PROGRAM [PLANT]
# A seed gives the same schedule again: alone it has the trace that it had after others.  With PLANT: the first seed
# that fails does so alone, in the same words.
set -uo pipefail
first=100 count=40

# try SCHEDULES SEED [PLANT]: the last schedule's trace, or what failed.
try() { "$@" 2>&1 | grep -oE 'seed [0-9]+(, has trace [0-9a-f]+)?$|.*: failed in .*'; }

if [ $# -gt 1 ]; then
    failure=$(try "$1" 100000 1 "$2")
    seed=${failure##*seed }
    again=$(try "$1" 1 "$seed" "$2")
    echo "$failure"
    if [[ $failure != *failed* || $failure != "$again" ]]; then
        echo "but alone: $again"
        exit 1
    fi
    exit 0
fi
for ((seed = first; seed < first + 2; seed++)); do
    after_others=$(try "$1" "$count" $((seed - count + 1)))
    alone=$(try "$1" 1 "$seed")
    echo "$after_others"
    if [[ $alone != *trace* || $alone != "$after_others" ]]; then
        echo "but alone: $alone"
        exit 1
    fi
done
